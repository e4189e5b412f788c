// `uploadType=multipart`: a multipart/related body of exactly two parts, the object resource in JSON and the bytes.
// related-parser.ts takes it apart while it arrives.
import type { SandboxAnswer } from '../http-answer.ts';
import { invalid, jsonAnswer } from './errors.ts';
import type { GcsCall } from './gcs-call.ts';
import { header, parseJson } from './gcs-query.ts';
import { RelatedParser } from './related-parser.ts';
import { ByteSink } from './stored-bytes.ts';
import { finishUpload, planUpload } from './uploads-single.ts';

/** One insert with metadata: 200 and the resource, or a refusal that left nothing. */
export async function uploadMultipart(call: GcsCall, bucket: string): Promise<SandboxAnswer> {
  const contentType = header(call.request, 'content-type') ?? '';
  const boundary = /^multipart\/related\b.*;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType);
  const text = boundary?.[1] ?? boundary?.[2];
  if (text === undefined)
    throw invalid('A multipart upload needs Content-Type: multipart/related with a boundary');
  // The bytes cannot be written before their metadata is known, and the body must be read to its end either way.
  const sink = new ByteSink(call.state.keepsBytes(bucket));
  const parser = new RelatedParser(text, (bytes) => sink.write(bytes));
  for await (const chunk of call.request.body) parser.push(chunk);
  const { resource, bytesType } = parser.end();
  const plan = planUpload(call, bucket, parseJson(resource), bytesType);
  return jsonAnswer(finishUpload(call, plan, sink));
}
