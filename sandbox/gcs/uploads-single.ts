// Uploads in one request: `uploadType=media` (bytes only) and the parameters that every kind of upload shares.
// The multipart kind is in uploads-multipart.ts, the resumable kind in uploads-resumable.ts.
import type { SandboxAnswer } from '../http-answer.ts';
import { GcsError, invalid, jsonAnswer, notImplemented } from './errors.ts';
import { type GcsCall, resourceFor } from './gcs-call.ts';
import { type JsonObject, header } from './gcs-query.ts';
import { checkObjectName, readFields, refuseKmsKeyField } from './object-fields.ts';
import { PRECONDITION_PARAMETERS, readPreconditions } from './preconditions.ts';
import { ByteSink } from './stored-bytes.ts';
import type { UploadPlan } from './upload-plan.ts';
import { checkHashes, hashesOfHeader, hashesOfResource } from './upload-hashes.ts';

const UPLOAD_PARAMETERS = [
  'uploadType',
  'upload_id',
  'name',
  'contentEncoding',
  'kmsKeyName',
  ...PRECONDITION_PARAMETERS,
];

/**
 * Reads and checks what an upload request says beside its bytes.
 * @param resource the object resource of the request, empty where there is none
 * @param bytesType the content type of the bytes, for a resource that names none
 */
export function planUpload(
  call: GcsCall,
  bucket: string,
  resource: JsonObject,
  bytesType: string | null,
): UploadPlan {
  const { query, request } = call;
  query.allow(UPLOAD_PARAMETERS);
  const transport = header(request, 'content-encoding');
  if (transport !== null && transport !== 'identity') throw notImplemented('a content-encoded request body');
  const resourceName = typeof resource['name'] === 'string' ? resource['name'] : null;
  const name = query.get('name') ?? resourceName;
  if (name === null) throw new GcsError(400, 'required', 'Required');
  checkObjectName(name);
  if (typeof resource['bucket'] === 'string' && resource['bucket'] !== bucket)
    throw invalid('The bucket of the object resource is not the bucket of the request');
  refuseKmsKeyField(resource);
  call.state.bucket(bucket);
  call.access.require('storage.objects.create');
  const encoding = query.get('contentEncoding');
  const fields = readFields(resource);
  return {
    bucket,
    name,
    fields: {
      ...(bytesType === null ? {} : { contentType: bytesType }),
      ...(encoding === null ? {} : { contentEncoding: encoding }),
      ...fields,
    },
    hashes: [hashesOfResource(resource), hashesOfHeader(request)],
    preconditions: readPreconditions(query),
    kmsKeyName: query.get('kmsKeyName'),
  };
}

/** The last step of every upload: bytes complete, checksums and conditions judged, object visible. */
export function finishUpload(call: GcsCall, plan: UploadPlan, sink: ByteSink): Record<string, unknown> {
  sink.persistTail();
  const bytes = sink.snapshot();
  checkHashes(plan.hashes, bytes);
  return resourceFor(call, call.state.commit({ ...plan, bytes, componentCount: null }));
}

/** `uploadType=media`: the body is the object. */
export async function uploadMedia(call: GcsCall, bucket: string): Promise<SandboxAnswer> {
  const plan = planUpload(call, bucket, {}, header(call.request, 'content-type'));
  const sink = new ByteSink(call.state.keepsBytes(bucket));
  for await (const chunk of call.request.body) sink.write(chunk);
  return jsonAnswer(finishUpload(call, plan, sink));
}
