// Multipart uploads through the real SDK and lib-storage.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { after, before, test } from 'node:test';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { testCredentials } from './raw-request.ts';
import { type SandboxS3, startSandboxS3 } from './sandbox-s3.ts';

let s3: SandboxS3;
let client: S3Client;
const Bucket = 'parts';
const partBytes = 5 * 1024 * 1024;
const first = Buffer.alloc(partBytes, 'first');
const second = Buffer.alloc(100_001, 'second');
const whole = Buffer.concat([first, second]);

before(async () => {
  s3 = await startSandboxS3(testCredentials);
  s3.createBucket(Bucket);
  client = newClient('WHEN_REQUIRED');
});

after(async () => {
  client.destroy();
  await s3.close();
});

function newClient(requestChecksumCalculation: 'WHEN_REQUIRED' | 'WHEN_SUPPORTED'): S3Client {
  return new S3Client({
    endpoint: s3.url,
    region: 'us-east-1',
    credentials: testCredentials,
    forcePathStyle: true,
    maxAttempts: 1,
    requestChecksumCalculation,
  });
}

function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest();
}

async function upload(
  Key: string,
  options: Partial<CreateMultipartUploadCommandInput>,
  bodies: Buffer[] = [first, second],
): Promise<{ UploadId: string; Parts: CompletedPart[] }> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...options }));
  assert.ok(UploadId !== undefined);
  const Parts: CompletedPart[] = [];
  for (const [index, Body] of bodies.entries()) {
    const PartNumber = index + 1;
    const { ChecksumAlgorithm } = options;
    const sent = await client.send(
      new UploadPartCommand({
        Bucket,
        Key,
        UploadId,
        PartNumber,
        Body,
        ...(ChecksumAlgorithm === undefined ? {} : { ChecksumAlgorithm }),
      }),
    );
    const { ETag, ChecksumCRC32, ChecksumCRC32C, ChecksumSHA256 } = sent;
    Parts.push({
      PartNumber,
      ...(ETag === undefined ? {} : { ETag }),
      ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }),
      ...(ChecksumCRC32C === undefined ? {} : { ChecksumCRC32C }),
      ...(ChecksumSHA256 === undefined ? {} : { ChecksumSHA256 }),
    });
  }
  return { UploadId, Parts };
}

async function complete(Key: string, UploadId: string, Parts: CompletedPart[], extra: object = {}) {
  return client.send(
    new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...extra }),
  );
}

test('parts become one object with an ETag over the parts and a CRC64NVME over the whole', async () => {
  const { UploadId, Parts } = await upload('plain', { Metadata: { a: '1' }, ContentType: 'text/plain' });
  assert.equal(s3.getObject(Bucket, 'plain'), null);
  await complete('plain', UploadId, Parts);
  const stored = s3.getObject(Bucket, 'plain');
  assert.equal(stored?.etag, `${md5(Buffer.concat([md5(first), md5(second)])).toString('hex')}-2`);
  assert.ok(stored.bytes.equals(whole));
  assert.deepEqual([stored.metadata, stored.systemHeaders['content-type']], [{ a: '1' }, 'text/plain']);
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'plain', ChecksumMode: 'ENABLED' }));
  assert.deepEqual([head.ChecksumType, head.ContentLength], ['FULL_OBJECT', whole.length]);
  const expected = await s3.putObject(Bucket, 'same bytes', whole);
  assert.equal(expected.sizeBytes, whole.length);
  const same = await client.send(
    new HeadObjectCommand({ Bucket, Key: 'same bytes', ChecksumMode: 'ENABLED' }),
  );
  assert.equal(head.ChecksumCRC64NVME, same.ChecksumCRC64NVME);
});

test('a composite checksum covers the checksums of the parts and says how many', async () => {
  const { UploadId, Parts } = await upload('composite', { ChecksumAlgorithm: 'SHA256' });
  await complete('composite', UploadId, Parts);
  const head = await client.send(
    new HeadObjectCommand({ Bucket, Key: 'composite', ChecksumMode: 'ENABLED' }),
  );
  const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
  const composite = sha256(Buffer.concat([sha256(first), sha256(second)])).toString('base64');
  assert.deepEqual([head.ChecksumSHA256, head.ChecksumType], [`${composite}-2`, 'COMPOSITE']);
});

test('a full-object CRC32 covers the bytes, and a wrong one given at the end is refused', async () => {
  const { UploadId, Parts } = await upload('full', {
    ChecksumAlgorithm: 'CRC32',
    ChecksumType: 'FULL_OBJECT',
  });
  await assert.rejects(complete('full', UploadId, Parts, { ChecksumCRC32: 'AAAAAA==' }), {
    name: 'BadDigest',
  });
  const digest = Buffer.alloc(4);
  digest.writeUInt32BE(crc32(whole));
  const answer = await complete('full', UploadId, Parts, { ChecksumCRC32: digest.toString('base64') });
  assert.deepEqual([answer.ChecksumCRC32, answer.ChecksumType], [digest.toString('base64'), 'FULL_OBJECT']);
});

test('lib-storage uploads in parallel parts, and parts can be read back by number', async () => {
  const withChecksums = newClient('WHEN_SUPPORTED');
  const params = { Bucket, Key: 'library', Body: whole };
  await new Upload({ client: withChecksums, params, partSize: partBytes, queueSize: 2 }).done();
  withChecksums.destroy();
  assert.ok(s3.getObject(Bucket, 'library')?.bytes.equals(whole));
  const part = await client.send(new GetObjectCommand({ Bucket, Key: 'library', PartNumber: 2 }));
  assert.equal(part.PartsCount, 2);
  assert.ok(Buffer.from((await part.Body?.transformToByteArray()) ?? []).equals(second));
});

test('a repeated Complete gets the first answer again', async () => {
  const { UploadId, Parts } = await upload('repeated', {});
  const once = await complete('repeated', UploadId, Parts);
  const twice = await complete('repeated', UploadId, Parts);
  assert.equal(once.ETag, twice.ETag);
});

test('an upload that cannot become an object is refused, and an aborted one is gone', async () => {
  const { UploadId, Parts } = await upload('bad', {}, [second, second]);
  const [one, two] = Parts;
  assert.ok(one !== undefined && two !== undefined);
  await assert.rejects(complete('bad', UploadId, [two, one]), { name: 'InvalidPartOrder' });
  await assert.rejects(complete('bad', UploadId, [{ ...one, ETag: '"0"' }]), { name: 'InvalidPart' });
  await assert.rejects(complete('bad', UploadId, [one, { ...two, PartNumber: 3 }]), { name: 'InvalidPart' });
  await assert.rejects(complete('bad', UploadId, [one, two]), { name: 'EntityTooSmall' });
  const listed = await client.send(new ListPartsCommand({ Bucket, Key: 'bad', UploadId, MaxParts: 1 }));
  assert.deepEqual(
    [listed.Parts?.length, listed.Parts?.[0]?.Size, listed.IsTruncated],
    [1, second.length, true],
  );
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'bad', UploadId }));
  await assert.rejects(complete('bad', UploadId, [one]), { name: 'NoSuchUpload' });
  assert.equal(s3.getObject(Bucket, 'bad'), null);
});

test('Complete obeys If-None-Match and leaves the upload for another try', async () => {
  const { UploadId, Parts } = await upload('guarded', {}, [second]);
  await s3.putObject(Bucket, 'guarded', 'already here');
  await assert.rejects(complete('guarded', UploadId, Parts, { IfNoneMatch: '*' }), {
    name: 'PreconditionFailed',
  });
  s3.deleteObject(Bucket, 'guarded');
  await complete('guarded', UploadId, Parts, { IfNoneMatch: '*' });
});
