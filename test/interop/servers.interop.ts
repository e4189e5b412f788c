// Each independent server stores an object and gives it back to a client that is not ours: what the other files build
// on. A server that does not run here is a skip with its reason.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { serverAddress } from './addresses.ts';
import type { ServerAddress } from './servers.ts';

const BYTES = Buffer.from('red flower, ☃');

for (const name of ['versitygw', 'localstack'] as const) {
  const address = serverAddress(name);
  const skip = 'reason' in address ? address.reason : false;
  test(`${name} keeps an object of S3`, { skip }, async () => {
    await useS3(address as ServerAddress);
  });
}

for (const name of ['fake-gcs-server', 'gcp-storage-emulator'] as const) {
  const address = serverAddress(name);
  const skip = 'reason' in address ? address.reason : false;
  test(`${name} keeps an object of Google Cloud Storage`, { skip }, async () => {
    await useGcs(address as ServerAddress);
  });
}

async function useS3({ url, keys }: ServerAddress): Promise<void> {
  assert.ok(keys);
  const client = new S3Client({
    endpoint: url,
    region: keys.region,
    credentials: keys,
    forcePathStyle: true,
  });
  try {
    await client.send(new CreateBucketCommand({ Bucket: 'first-light' }));
    const object = { Bucket: 'first-light', Key: 'a b/c+d ☃.txt' };
    await client.send(new PutObjectCommand({ ...object, Body: BYTES, Metadata: { colour: 'red' } }));
    const got = await client.send(new GetObjectCommand(object));
    assert.deepEqual(Buffer.from((await got.Body?.transformToByteArray()) ?? []), BYTES);
    assert.deepEqual(got.Metadata, { colour: 'red' });
  } finally {
    client.destroy();
  }
}

async function useGcs({ url }: ServerAddress): Promise<void> {
  const json = { 'content-type': 'application/json' };
  const bucket = { method: 'POST', headers: json, body: JSON.stringify({ name: 'first-light' }) };
  const made = await fetch(`${url}/storage/v1/b?project=test`, bucket);
  assert.equal(made.status, 200, await made.text());
  const headers = { 'content-type': 'text/plain' };
  const put = await fetch(`${url}/upload/storage/v1/b/first-light/o?uploadType=media&name=a%20b%2Fc.txt`, {
    method: 'POST',
    headers,
    body: BYTES,
  });
  assert.equal(put.status, 200, await put.text());
  const got = await fetch(`${url}/storage/v1/b/first-light/o/a%20b%2Fc.txt?alt=media`);
  assert.deepEqual(Buffer.from(await got.arrayBuffer()), BYTES);
}
