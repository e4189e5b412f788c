// Objects through the real SDK: what is written is read back, byte for byte and header for header.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { sdkClient, testCredentials } from './raw-request.ts';
import { type SandboxS3, startSandboxS3 } from './sandbox-s3.ts';

let s3: SandboxS3;
let client: S3Client;
const Bucket = 'objects';

before(async () => {
  s3 = await startSandboxS3(testCredentials);
  s3.createBucket(Bucket);
  client = sdkClient(s3.url);
});

after(async () => {
  client.destroy();
  await s3.close();
});

async function read(Key: string, extra: object = {}): Promise<Buffer> {
  const answer = await client.send(new GetObjectCommand({ Bucket, Key, ...extra }));
  return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
}

function httpError(status: number, name: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof S3ServiceException, String(error));
    assert.deepEqual([error.$metadata.httpStatusCode, error.name], [status, name]);
    return true;
  };
}

test('an object comes back with its bytes, metadata and the MD5 as its ETag', async () => {
  const Body = 'hello';
  await client.send(
    new PutObjectCommand({
      Bucket,
      Key: 'described',
      Body,
      ContentType: 'text/plain',
      CacheControl: 'no-store',
      ContentDisposition: 'attachment',
      ContentEncoding: 'gzip',
      ContentLanguage: 'de',
      Metadata: { Colour: 'red', empty: '' },
      StorageClass: 'STANDARD_IA',
      Tagging: 'a=1&b=2',
    }),
  );
  for (const command of [GetObjectCommand, HeadObjectCommand]) {
    const answer = await client.send(new command({ Bucket, Key: 'described' }));
    assert.equal(answer.ETag, `"${createHash('md5').update(Body).digest('hex')}"`);
    assert.equal(answer.ContentLength, 5);
    assert.equal(answer.ContentType, 'text/plain');
    assert.equal(answer.CacheControl, 'no-store');
    assert.equal(answer.ContentDisposition, 'attachment');
    assert.equal(answer.ContentEncoding, 'gzip');
    assert.equal(answer.ContentLanguage, 'de');
    assert.equal(answer.StorageClass, 'STANDARD_IA');
    assert.equal(answer.ServerSideEncryption, 'AES256');
    assert.equal(answer.VersionId, undefined);
    assert.deepEqual(answer.Metadata, { colour: 'red', empty: '' });
  }
  assert.equal((await read('described')).toString(), Body);
});

test('a streamed upload keeps its content encoding free of aws-chunked', async () => {
  const Body = Readable.from([Buffer.alloc(100_000, 'x'), Buffer.alloc(50_000, 'y')]);
  await client.send(
    new PutObjectCommand({ Bucket, Key: 'streamed', Body, ContentLength: 150_000, ContentEncoding: 'br' }),
  );
  const answer = await client.send(new HeadObjectCommand({ Bucket, Key: 'streamed' }));
  assert.equal(answer.ContentEncoding, 'br');
  assert.ok(s3.requests.some((line) => line.startsWith('PUT /objects/streamed')));
  assert.deepEqual((await read('streamed')).subarray(99_999, 100_001).toString(), 'xy');
});

const oddKeys = [
  '/leading',
  'a//b',
  '//',
  'x/../y',
  '../up',
  './dot',
  'dir/',
  'plus+and space',
  'percent%41',
  '%',
  'q?x=1#f',
  'back\\slash',
  'new\nline',
  'tab\tand\u0001control\u007f',
  'é',
  'e\u0301',
  '☃🎉',
  `quotes"'()*!~&<>`,
  'd',
  'd/e',
  'k'.repeat(1024),
];

for (const Key of oddKeys)
  test(`the key ${JSON.stringify(Key.slice(0, 30))} names one object and no other`, async () => {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: `at ${Key}` }));
    assert.equal((await read(Key)).toString(), `at ${Key}`);
    assert.ok(s3.listKeys(Bucket).includes(Key));
  });

test('a key of 1,025 bytes is refused', async () => {
  await assert.rejects(
    client.send(new PutObjectCommand({ Bucket, Key: 'é'.repeat(512) + 'x', Body: '' })),
    httpError(400, 'KeyTooLongError'),
  );
});

test('ranges: one run, an open end, a suffix, past the end, of nothing', async () => {
  await s3.putObject(Bucket, 'ranged', '0123456789');
  await s3.putObject(Bucket, 'nothing', '');
  for (const [Range, expected] of [
    ['bytes=2-4', '234'],
    ['bytes=7-', '789'],
    ['bytes=-2', '89'],
    ['bytes=8-99', '89'],
    ['bytes=0-1,3-4', '0123456789'],
  ] as const)
    assert.equal((await read('ranged', { Range })).toString(), expected);
  const answer = await client.send(
    new GetObjectCommand({ Bucket, Key: 'ranged', Range: 'bytes=2-4', ChecksumMode: 'ENABLED' }),
  );
  assert.equal(answer.ContentRange, 'bytes 2-4/10');
  assert.equal(answer.ChecksumCRC64NVME, undefined);
  await assert.rejects(read('ranged', { Range: 'bytes=10-' }), httpError(416, 'InvalidRange'));
  await assert.rejects(read('nothing', { Range: 'bytes=0-' }), httpError(416, 'InvalidRange'));
  assert.equal((await read('nothing')).length, 0);
});

test('conditional reads answer 412 and 304', async () => {
  const { etag } = await s3.putObject(Bucket, 'conditional', 'v1');
  assert.equal((await read('conditional', { IfMatch: `"${etag}"` })).toString(), 'v1');
  await assert.rejects(read('conditional', { IfMatch: '"other"' }), httpError(412, 'PreconditionFailed'));
  await assert.rejects(read('conditional', { IfNoneMatch: etag }), httpError(304, 'Unknown'));
  await assert.rejects(
    read('conditional', { IfModifiedSince: new Date(Date.now() + 60_000) }),
    httpError(304, 'Unknown'),
  );
  await assert.rejects(
    read('conditional', { IfUnmodifiedSince: new Date(0) }),
    httpError(412, 'PreconditionFailed'),
  );
});

test('conditional writes are judged against what is there', async () => {
  const put = async (extra: object) =>
    client.send(new PutObjectCommand({ Bucket, Key: 'guarded', Body: 'x', ...extra }));
  await assert.rejects(put({ IfMatch: '"any"' }), httpError(404, 'NoSuchKey'));
  const { ETag } = await put({ IfNoneMatch: '*' });
  await assert.rejects(put({ IfNoneMatch: '*' }), httpError(412, 'PreconditionFailed'));
  await assert.rejects(put({ IfMatch: '"other"' }), httpError(412, 'PreconditionFailed'));
  await put({ IfMatch: ETag });
});

test("the uploader's checksum is kept, and CRC64NVME is added where there was none", async () => {
  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const) {
    const put = await client.send(
      new PutObjectCommand({ Bucket, Key: 'summed', Body: '123456789', ChecksumAlgorithm }),
    );
    const answer = await client.send(
      new HeadObjectCommand({ Bucket, Key: 'summed', ChecksumMode: 'ENABLED' }),
    );
    const name = `Checksum${ChecksumAlgorithm}` as const;
    assert.ok(put[name] !== undefined);
    assert.equal(answer[name], put[name]);
    assert.equal(answer.ChecksumType, 'FULL_OBJECT');
    await read('summed', { ChecksumMode: 'ENABLED' });
  }
  await s3.putObject(Bucket, 'unsummed', '123456789');
  const added = await client.send(
    new HeadObjectCommand({ Bucket, Key: 'unsummed', ChecksumMode: 'ENABLED' }),
  );
  assert.equal(added.ChecksumCRC64NVME, Buffer.from('ae8b14860a799888', 'hex').toString('base64'));
  const silent = await client.send(new HeadObjectCommand({ Bucket, Key: 'unsummed' }));
  assert.equal(silent.ChecksumCRC64NVME, undefined);
});

test("bytes that do not fit the client's checksum are not stored", async () => {
  const put = async (extra: object) =>
    client.send(new PutObjectCommand({ Bucket, Key: 'refused', Body: 'x', ...extra }));
  await assert.rejects(
    put({ ContentMD5: createHash('md5').update('y').digest('base64') }),
    httpError(400, 'BadDigest'),
  );
  await assert.rejects(put({ ChecksumCRC32C: 'AAAAAA==' }), httpError(400, 'BadDigest'));
  await assert.rejects(put({ ContentMD5: 'short' }), httpError(400, 'InvalidDigest'));
  assert.equal(s3.getObject(Bucket, 'refused'), null);
});

test('metadata of any text is returned mail-safe', async () => {
  await s3.putObject(Bucket, 'worded', 'x', { metadata: { name: 'ключ', plain: 'a b' } });
  const answer = await client.send(new HeadObjectCommand({ Bucket, Key: 'worded' }));
  assert.deepEqual(answer.Metadata, { name: '=?UTF-8?B?0LrQu9GO0Yc=?=', plain: 'a b' });
  await client.send(
    new PutObjectCommand({ Bucket, Key: 'sent', Body: 'x', Metadata: { name: '=?UTF-8?B?0LrQu9GO0Yc=?=' } }),
  );
  assert.equal(s3.getObject(Bucket, 'sent')?.metadata['name'], 'ключ');
});

test('a copy keeps or replaces metadata; onto itself it must change something', async () => {
  await client.send(
    new PutObjectCommand({
      Bucket,
      Key: 'copy source+',
      Body: 'x',
      Metadata: { a: '1' },
      ContentType: 'text/x',
    }),
  );
  const CopySource = encodeURI(`${Bucket}/copy source%2B`).replace('%252B', '%2B');
  const copied = await client.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource }));
  assert.equal(copied.CopyObjectResult?.ETag, '"9dd4e461268c8034f5c8564e155c67a6"');
  assert.deepEqual(s3.getObject(Bucket, 'copied')?.metadata, { a: '1' });
  await client.send(
    new CopyObjectCommand({
      Bucket,
      Key: 'copied',
      CopySource: `${Bucket}/copied`,
      MetadataDirective: 'REPLACE',
      Metadata: { b: '2' },
    }),
  );
  assert.deepEqual(s3.getObject(Bucket, 'copied')?.metadata, { b: '2' });
  await assert.rejects(
    client.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/copied` })),
    httpError(400, 'InvalidRequest'),
  );
  await assert.rejects(
    client.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/nothing here` })),
    httpError(404, 'NoSuchKey'),
  );
});

test('deletes, one and many, with keys XML finds hard', async () => {
  const keys = ['del/a&b', 'del/<c>', 'del/ d ', 'del/0012', 'del/e\u0001'];
  for (const key of keys) await s3.putObject(Bucket, key, 'x');
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'never there' }));
  const answer = await client.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.slice(0, 4).map((Key) => ({ Key })) } }),
  );
  assert.deepEqual(answer.Deleted?.map((entry) => entry.Key).sort(), keys.slice(0, 4).sort());
  assert.deepEqual(
    s3.listKeys(Bucket).filter((key) => key.startsWith('del/')),
    ['del/e\u0001'],
  );
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'del/e\u0001' }));
  await assert.rejects(read('del/e\u0001'), httpError(404, 'NoSuchKey'));
});

test('a large synthetic object streams out whole and with the checksum it was announced with', async () => {
  const sizeBytes = 40 * 1024 * 1024 + 3;
  const { crc64nvme, etag } = await s3.putSyntheticObject(Bucket, 'huge', { sizeBytes, seed: 5 });
  const answer = await client.send(new GetObjectCommand({ Bucket, Key: 'huge', ChecksumMode: 'ENABLED' }));
  assert.equal(answer.ChecksumCRC64NVME, crc64nvme);
  const md5 = createHash('md5');
  assert.ok(answer.Body instanceof Readable);
  for await (const chunk of answer.Body) md5.update(chunk);
  assert.equal(md5.digest('hex'), etag);
  await s3.putSyntheticObject(Bucket, 'too huge', { sizeBytes: 6 * 1024 ** 4, seed: 5, checksums: false });
  assert.equal(
    (await client.send(new HeadObjectCommand({ Bucket, Key: 'too huge' }))).ContentLength,
    6 * 1024 ** 4,
  );
});

test('archived, customer-encrypted and unreturnable states are seen by readers', async () => {
  await s3.putObject(Bucket, 'stateful', 'x');
  s3.setObjectState(Bucket, 'stateful', { archived: true });
  await assert.rejects(read('stateful'), httpError(403, 'InvalidObjectState'));
  assert.equal(
    (await client.send(new HeadObjectCommand({ Bucket, Key: 'stateful' }))).StorageClass,
    'GLACIER',
  );
  s3.setObjectState(Bucket, 'stateful', { restoring: true });
  assert.equal(
    (await client.send(new HeadObjectCommand({ Bucket, Key: 'stateful' }))).Restore,
    'ongoing-request="true"',
  );
  s3.setObjectState(Bucket, 'stateful', { restoredUntilMs: Date.now() + 60_000 });
  assert.equal((await read('stateful')).toString(), 'x');
  s3.setObjectState(Bucket, 'stateful', { archived: false, customerKey: true });
  await assert.rejects(read('stateful'), httpError(400, 'InvalidRequest'));
  await assert.rejects(
    client.send(new HeadObjectCommand({ Bucket, Key: 'stateful' })),
    httpError(400, 'Unknown'),
  );
  s3.setObjectState(Bucket, 'stateful', { customerKey: false, missingMetadataCount: 2, etag: 'anything-3' });
  s3.setObjectState(Bucket, 'stateful', { lastModifiedMs: Date.UTC(2025, 3, 5) });
  const answer = await client.send(new HeadObjectCommand({ Bucket, Key: 'stateful' }));
  assert.equal(answer.MissingMeta, 2);
  assert.equal(answer.ETag, '"anything-3"');
  assert.equal(answer.LastModified?.getTime(), Date.UTC(2025, 3, 5));
});
