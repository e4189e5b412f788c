// Buckets and listings through the real SDK.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  GetBucketLocationCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  type ListObjectsV2CommandInput,
  paginateListObjectsV2,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { sdkClient, testCredentials } from './raw-request.ts';
import { type SandboxS3, startSandboxS3 } from './sandbox-s3.ts';

let s3: SandboxS3;
let client: S3Client;
const Bucket = 'listed';
const keys = ['a', 'a/1', 'a/2', 'a/b/3', 'a0', 'b c+d', 'c\u0001', 'z\u{ff61}', 'z🎉', 'é'];

before(async () => {
  s3 = await startSandboxS3(testCredentials);
  s3.createBucket(Bucket);
  for (const key of keys.toReversed()) await s3.putObject(Bucket, key, key);
  s3.setVersioning(Bucket, 'enabled');
  await s3.putObject(Bucket, 'a/hidden', 'x');
  s3.deleteObject(Bucket, 'a/hidden');
  client = sdkClient(s3.url);
});

after(async () => {
  client.destroy();
  await s3.close();
});

async function list(input: Partial<ListObjectsV2CommandInput>, pageSize?: number): Promise<string[]> {
  const seen: string[] = [];
  const pages = paginateListObjectsV2(pageSize === undefined ? { client } : { client, pageSize }, {
    Bucket,
    ...input,
  });
  for await (const page of pages) {
    if (pageSize !== undefined) assert.ok((page.KeyCount ?? 0) <= pageSize);
    for (const entry of page.Contents ?? []) seen.push(entry.Key ?? '');
    for (const entry of page.CommonPrefixes ?? []) seen.push(`<${entry.Prefix}>`);
  }
  return seen;
}

test('keys are listed in byte order whatever the page size, deleted ones left out', async () => {
  const inByteOrder = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.notDeepEqual(inByteOrder, keys.toSorted());
  for (const pageSize of [1, 2, 3, 1000]) assert.deepEqual(await list({}, pageSize), inByteOrder);
});

test('prefix, delimiter and start-after narrow a listing down, whatever the page size', async () => {
  for (const pageSize of [1, 2, 1000]) {
    assert.deepEqual(await list({ Prefix: 'a/' }, pageSize), ['a/1', 'a/2', 'a/b/3']);
    assert.deepEqual((await list({ Prefix: 'a', Delimiter: '/' }, pageSize)).sort(), ['<a/>', 'a', 'a0']);
    assert.deepEqual((await list({ Prefix: 'a/', Delimiter: '/' }, pageSize)).sort(), [
      '<a/b/>',
      'a/1',
      'a/2',
    ]);
    assert.deepEqual(await list({ StartAfter: 'a/b/3', Prefix: 'a' }, pageSize), ['a0']);
    assert.deepEqual(await list({ StartAfter: 'é' }, pageSize), []);
    assert.deepEqual(await list({ Prefix: 'none' }, pageSize), []);
  }
});

test('encoding-type=url makes every key safe for XML', async () => {
  const encoded = await list({ EncodingType: 'url' });
  assert.deepEqual(encoded.slice(5, 7), ['b+c%2Bd', 'c%01']);
  assert.ok(encoded.includes('a/b/3'));
});

test('a listing describes its objects', async () => {
  const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'a0', FetchOwner: true }));
  const [entry] = page.Contents ?? [];
  assert.equal(entry?.Size, 2);
  assert.equal(entry.StorageClass, 'STANDARD');
  assert.match(entry.ETag ?? '', /^"[0-9a-f]{32}"$/);
  assert.equal(entry.Owner?.ID, '123456789012');
  assert.deepEqual([page.KeyCount, page.IsTruncated, page.NextContinuationToken], [1, false, undefined]);
});

test('a page of no keys and a token that is none', async () => {
  const page = await client.send(new ListObjectsV2Command({ Bucket, MaxKeys: 0 }));
  assert.deepEqual([page.KeyCount, page.IsTruncated], [0, false]);
  await assert.rejects(client.send(new ListObjectsV2Command({ Bucket, ContinuationToken: 'made up' })), {
    name: 'InvalidArgument',
  });
});

test('2,500 keys come in three pages', async () => {
  s3.createBucket('many');
  for (let index = 0; index < 2500; index += 1) await s3.putObject('many', `key-${index}`, '');
  let pages = 0;
  let count = 0;
  for await (const page of paginateListObjectsV2({ client }, { Bucket: 'many' })) {
    pages += 1;
    count += page.KeyCount ?? 0;
  }
  assert.deepEqual([pages, count], [3, 2500]);
});

test('buckets are made, seen, located and removed', async () => {
  await client.send(new CreateBucketCommand({ Bucket: 'fresh' }));
  await client.send(new CreateBucketCommand({ Bucket: 'fresh' }));
  assert.equal((await client.send(new HeadBucketCommand({ Bucket: 'fresh' }))).BucketRegion, 'us-east-1');
  assert.equal(
    (await client.send(new GetBucketLocationCommand({ Bucket: 'fresh' }))).LocationConstraint,
    undefined,
  );
  const names = (await client.send(new ListBucketsCommand({}))).Buckets?.map((bucket) => bucket.Name);
  assert.deepEqual(
    names?.filter((name) => name !== 'many'),
    ['fresh', Bucket],
  );
  await client.send(new DeleteBucketCommand({ Bucket: 'fresh' }));
  await assert.rejects(client.send(new HeadBucketCommand({ Bucket: 'fresh' })), { name: 'NotFound' });
  await assert.rejects(client.send(new DeleteBucketCommand({ Bucket })), { name: 'BucketNotEmpty' });
  await assert.rejects(client.send(new CreateBucketCommand({ Bucket: 'NOT A NAME' })), {
    name: 'InvalidBucketName',
  });
  await assert.rejects(client.send(new ListObjectsV2Command({ Bucket: 'nowhere' })), {
    name: 'NoSuchBucket',
  });
});
