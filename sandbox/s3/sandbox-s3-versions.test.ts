// Versions, delete markers and conditional listings of them, through the real SDK.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { sdkClient, sendRaw, testCredentials } from './raw-request.ts';
import { type SandboxS3, startSandboxS3 } from './sandbox-s3.ts';

let s3: SandboxS3;
let client: S3Client;

before(async () => {
  s3 = await startSandboxS3(testCredentials);
  client = sdkClient(s3.url);
});

after(async () => {
  client.destroy();
  await s3.close();
});

async function put(Bucket: string, Key: string, Body: string): Promise<string | undefined> {
  return (await client.send(new PutObjectCommand({ Bucket, Key, Body }))).VersionId;
}

async function read(Bucket: string, Key: string, VersionId?: string): Promise<string | undefined> {
  const answer = await client.send(
    new GetObjectCommand({ Bucket, Key, ...(VersionId === undefined ? {} : { VersionId }) }),
  );
  return answer.Body?.transformToString();
}

test('every version can be read by its id, and the newest without one', async () => {
  s3.createBucket('kept', { versioned: true });
  const first = await put('kept', 'k', 'one');
  const second = await put('kept', 'k', 'two');
  assert.match(first ?? '', /^[\w.]{32}$/);
  assert.notEqual(first, second);
  assert.equal(await read('kept', 'k'), 'two');
  assert.equal(await read('kept', 'k', first), 'one');
});

test('a delete marker hides the object, answers 405 by its id, and its removal brings the object back', async () => {
  s3.createBucket('marked', { versioned: true });
  const version = await put('marked', 'k', 'one');
  const marker = await client.send(new DeleteObjectCommand({ Bucket: 'marked', Key: 'k' }));
  assert.equal(marker.DeleteMarker, true);

  const hidden = await sendRaw(s3.url, { method: 'GET', path: '/marked/k' });
  assert.deepEqual([hidden.status, hidden.code], [404, 'NoSuchKey']);
  assert.equal(hidden.headers['x-amz-delete-marker'], 'true');
  assert.equal(hidden.headers['x-amz-version-id'], marker.VersionId);
  const hiddenHead = await sendRaw(s3.url, { method: 'HEAD', path: '/marked/k' });
  assert.deepEqual(
    [hiddenHead.status, hiddenHead.headers['x-amz-delete-marker'], hiddenHead.body.length],
    [404, 'true', 0],
  );

  const byId = await sendRaw(s3.url, {
    method: 'GET',
    path: '/marked/k',
    query: [`versionId=${marker.VersionId}`],
  });
  assert.deepEqual([byId.status, byId.code], [405, 'MethodNotAllowed']);
  assert.ok(byId.headers['last-modified'] !== undefined);

  assert.equal(await read('marked', 'k', version), 'one');
  const undeleted = await client.send(
    new DeleteObjectCommand({ Bucket: 'marked', Key: 'k', VersionId: marker.VersionId }),
  );
  assert.equal(undeleted.DeleteMarker, true);
  assert.equal(await read('marked', 'k'), 'one');
});

test('a version that is gone, and an id that never was one, are told apart', async () => {
  s3.createBucket('gone', { versioned: true });
  const version = await put('gone', 'k', 'one');
  await client.send(new DeleteObjectCommand({ Bucket: 'gone', Key: 'k', VersionId: version }));
  await assert.rejects(read('gone', 'k', version), { name: 'NoSuchVersion' });
  await assert.rejects(read('gone', 'k', 'nonsense'), { name: 'InvalidArgument' });
  await assert.rejects(read('gone', 'k'), { name: 'NoSuchKey' });
});

test('turning versions on keeps what was there as the null version; suspending replaces it', async () => {
  s3.createBucket('turned');
  const status = async (): Promise<string | undefined> =>
    (await client.send(new GetBucketVersioningCommand({ Bucket: 'turned' }))).Status;
  const turn = async (Status: 'Enabled' | 'Suspended'): Promise<void> => {
    await client.send(
      new PutBucketVersioningCommand({ Bucket: 'turned', VersioningConfiguration: { Status } }),
    );
  };
  assert.equal(await put('turned', 'k', 'before'), undefined);
  assert.equal(await status(), undefined);
  await turn('Enabled');
  const during = await put('turned', 'k', 'during');
  assert.equal(await read('turned', 'k', 'null'), 'before');
  await turn('Suspended');
  assert.equal(await status(), 'Suspended');
  assert.equal(await put('turned', 'k', 'after'), 'null');
  assert.equal(await read('turned', 'k', 'null'), 'after');
  assert.equal(await read('turned', 'k', during), 'during');
  const head = await client.send(new HeadObjectCommand({ Bucket: 'turned', Key: 'k' }));
  assert.equal(head.VersionId, 'null');
});

test('all versions are listed by key in byte order, newest first, across pages', async () => {
  s3.createBucket('paged', { versioned: true });
  for (const key of ['b', 'a', 'b', 'c']) await put('paged', key, 'x');
  await client.send(new DeleteObjectCommand({ Bucket: 'paged', Key: 'a' }));
  const seen: string[] = [];
  let markers: { KeyMarker?: string; VersionIdMarker?: string } = {};
  for (;;) {
    const page = await client.send(
      new ListObjectVersionsCommand({ Bucket: 'paged', MaxKeys: 2, ...markers }),
    );
    const all = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])];
    assert.ok(all.length <= 2);
    for (const entry of all)
      seen.push(`${entry.Key} ${entry.IsLatest} ${'ETag' in entry ? 'object' : 'marker'}`);
    if (page.IsTruncated !== true) break;
    assert.ok(page.NextKeyMarker !== undefined && page.NextVersionIdMarker !== undefined);
    markers = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
  }
  assert.deepEqual(seen.sort(), [
    'a false object',
    'a true marker',
    'b false object',
    'b true object',
    'c true object',
  ]);
});

test('a batch delete marks by key and removes by version', async () => {
  s3.createBucket('batched', { versioned: true });
  const version = await put('batched', 'by version', 'x');
  await put('batched', 'by key', 'x');
  const answer = await client.send(
    new DeleteObjectsCommand({
      Bucket: 'batched',
      Delete: {
        Objects: [
          { Key: 'by version', VersionId: version },
          { Key: 'by key' },
          { Key: 'bad', VersionId: 'nonsense' },
        ],
      },
    }),
  );
  assert.deepEqual(
    answer.Deleted?.map((entry) => [entry.Key, entry.DeleteMarker ?? false]),
    [
      ['by version', false],
      ['by key', true],
    ],
  );
  assert.deepEqual(
    answer.Errors?.map((entry) => [entry.Key, entry.Code]),
    [['bad', 'InvalidArgument']],
  );
});
