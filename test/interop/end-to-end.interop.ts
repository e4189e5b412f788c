// The service as `npm start` runs it, with nothing but environment variables, between an S3 and a GCS that others
// wrote; put in and checked by the vendors' own clients.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Storage } from '@google-cloud/storage';
import { freePort, startService, type TransferJson } from '../../sandbox/service-process.ts';
import { serverAddress } from './addresses.ts';

const MIB = 1024 * 1024;
const source = serverAddress('versitygw');
const target = serverAddress('fake-gcs-server');

test('npm start copies from versitygw to fake-gcs-server, small and large, once each', async (t) => {
  if ('reason' in source || source.keys === null) {
    t.skip('reason' in source ? source.reason : 'versitygw was started without keys');
    return;
  }
  if ('reason' in target) {
    t.skip(target.reason);
    return;
  }
  const id = randomBytes(4).toString('hex');
  const sourceBucket = `from-${id}`;
  const targetBucket = `to-${id}`;
  const { region, ...credentials } = source.keys;
  const s3 = new S3Client({ region, endpoint: source.url, forcePathStyle: true, credentials });
  t.after(() => s3.destroy());
  await s3.send(new CreateBucketCommand({ Bucket: sourceBucket }));
  const google = new Storage({
    apiEndpoint: target.url,
    projectId: 'interop',
    useAuthWithCustomEndpoint: false,
  });
  await google.createBucket(targetBucket);

  const small = Buffer.from('small and verified\n');
  const large = randomBytes(20 * MIB + 12_345);
  const metadata = { owner: 'ann' };
  const key = 'reports/2026 été+draft (1).csv';
  await s3.send(
    new PutObjectCommand({
      Bucket: sourceBucket,
      Key: key,
      Body: small,
      ContentType: 'text/csv',
      Metadata: metadata,
    }),
  );
  const params = { Bucket: sourceBucket, Key: 'large.bin', Body: large, ContentType: 'application/x-large' };
  await new Upload({ client: s3, params }).done();

  const folder = await mkdtemp(join(tmpdir(), 'replicator-interop-'));
  t.after(async () => rm(folder, { recursive: true, force: true }));
  const service = await startService({
    settings: {
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_REGION: region,
      AWS_ENDPOINT_URL_S3: source.url,
      STORAGE_EMULATOR_HOST: target.url,
      S3_BUCKET: sourceBucket,
      GCS_BUCKET: targetBucket,
      REPLICATOR_DATA_DIR: join(folder, 'data'),
    },
    port: await freePort(),
    apiKey: 'none needed on loopback',
    folder,
    onLog: () => {},
  });
  t.after(async () => void (await service.stop()));

  const replicate = async (objectKey: string): Promise<TransferJson | undefined> => {
    const request = { bucket: sourceBucket, key: objectKey };
    const answer = await service.post('/v1/replicate', request, { prefer: 'wait=60' });
    assert.equal(answer.status, 200, `${JSON.stringify(answer.body)}\n${service.logLines.join('\n')}`);
    return (answer.body as { transfers: TransferJson[] }).transfers[0];
  };
  for (const [objectKey, bytes, contentType] of [
    [key, small, 'text/csv'],
    ['large.bin', large, 'application/x-large'],
  ] as const) {
    const copied = await replicate(objectKey);
    assert.equal(copied?.outcome, 'replicated', JSON.stringify(copied));
    const file = google.bucket(targetBucket).file(objectKey);
    const [downloaded] = await file.download({ validation: 'crc32c' });
    const sha256 = (of: Buffer): string => createHash('sha256').update(of).digest('hex');
    assert.equal(sha256(downloaded), sha256(bytes), objectKey);
    const [found] = await file.getMetadata();
    assert.equal(found.contentType, contentType);
    assert.equal(found.crc32c, copied.receipt?.crc32c);
    if (objectKey === key) assert.equal(found.metadata?.['owner'], 'ann');
    assert.equal(
      (await replicate(objectKey))?.outcome,
      'already_current',
      'The second time nothing is copied',
    );
  }
});
