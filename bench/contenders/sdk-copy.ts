// What somebody writes who copies from S3 to GCS with the vendors' SDKs, their defaults left alone: no queue, no
// receipts, nothing looked at again. `node bench/contenders/sdk-copy.ts --s3 URL --gcs URL --parts 4096x100`.
import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Storage } from '@google-cloud/storage';
import { objectsOf, partsOfText } from '../workloads.ts';

const { values } = parseArgs({
  options: {
    s3: { type: 'string', default: '' },
    gcs: { type: 'string', default: '' },
    parts: { type: 'string', default: '4096x1' },
    concurrency: { type: 'string', default: '64' },
  },
});
const STREAMED_FROM_BYTES = 8 * 1024 * 1024;

const s3 = new S3Client({
  endpoint: values.s3,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: { accessKeyId: 'AKIABENCH', secretAccessKey: 'bench' },
});
const bucket = new Storage({ apiEndpoint: values.gcs, projectId: 'bench' }).bucket('to-there');

async function copy({ key, sizeBytes }: { readonly key: string; readonly sizeBytes: number }): Promise<void> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'from-here', Key: key }));
  if (Body === undefined) throw new Error(`No body for ${key}`);
  const file = bucket.file(key);
  const preconditionOpts = { ifGenerationMatch: 0 };
  if (sizeBytes < STREAMED_FROM_BYTES) {
    const bytes = await Body.transformToByteArray();
    await file.save(Buffer.from(bytes), { resumable: false, preconditionOpts });
  } else {
    await pipeline(Body as Readable, file.createWriteStream({ resumable: true, preconditionOpts }));
  }
}

const objects = objectsOf({ parts: partsOfText(values.parts) });
async function copyNext(): Promise<void> {
  // One generator for all of them: each object is taken once.
  for (;;) {
    const next = objects.next();
    if (next.done === true) return;
    await copy(next.value);
  }
}

await Promise.all(Array.from({ length: Number(values.concurrency) }, copyNext));
