import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import { readContentLength, readContentRange, readSourceState } from './object-headers.ts';

const MD5 = '5d41402abc4b2a76b9719d911017c592';
const identity = { etag: `"${MD5}"`, 'last-modified': 'Mon, 02 Nov 2026 10:00:00 GMT' };

function stateOf(headers: Record<string, string | string[]>) {
  return readSourceState({ ...identity, ...headers }, 5, 's3://b/k');
}

test('the whole state is read from the headers of one answer', () => {
  const state = stateOf({
    'x-amz-version-id': 'v1',
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-cache',
    'content-disposition': Buffer.from('attachment; filename="é.txt"').toString('latin1'),
    'content-language': 'de',
    'content-encoding': 'gzip',
    expires: 'Tue, 03 Nov 2026 10:00:00 GMT',
    'x-amz-website-redirect-location': '/other',
    'x-amz-storage-class': 'STANDARD_IA',
    'x-amz-checksum-crc32c': 'yZRlqg==',
    'x-amz-checksum-type': 'FULL_OBJECT',
    'x-amz-meta-owner': '=?UTF-8?B?w6k=?=',
    'x-amz-meta-__proto__': 'kept',
  });
  assert.deepEqual(state, {
    etag: MD5,
    versionId: 'v1',
    sizeBytes: 5,
    lastModifiedMs: Date.UTC(2026, 10, 2, 10),
    md5: Buffer.from(MD5, 'hex').toString('base64'),
    checksum: { algorithm: 'crc32c', value: 'yZRlqg==', kind: 'full_object' },
    metadata: {
      contentType: 'text/plain; charset=utf-8',
      cacheControl: 'no-cache',
      contentDisposition: 'attachment; filename="é.txt"',
      contentLanguage: 'de',
      contentEncoding: 'gzip',
      expires: 'Tue, 03 Nov 2026 10:00:00 GMT',
      websiteRedirectLocation: '/other',
      user: Object.fromEntries([
        ['owner', 'é'],
        ['__proto__', 'kept'],
      ]),
    },
    storageClass: 'STANDARD_IA',
  });
  assert.deepEqual(Object.keys(state.metadata.user).sort(), ['__proto__', 'owner']);
});

test('headers that are missing are null, and the storage class is STANDARD', () => {
  const state = stateOf({});
  assert.equal(state.versionId, null);
  assert.equal(state.checksum, null);
  assert.equal(state.storageClass, 'STANDARD');
  assert.deepEqual(state.metadata, {
    contentType: null,
    cacheControl: null,
    contentDisposition: null,
    contentLanguage: null,
    contentEncoding: null,
    expires: null,
    websiteRedirectLocation: null,
    user: {},
  });
});

test('an ETag is an MD5 only where S3 says so', () => {
  const isMd5 = (headers: Record<string, string>): boolean => stateOf(headers).md5 !== null;
  assert.ok(isMd5({}));
  assert.ok(isMd5({ 'x-amz-server-side-encryption': 'AES256' }));
  assert.ok(!isMd5({ etag: `"${MD5}-3"` }));
  assert.ok(!isMd5({ etag: '"abc"' }));
  assert.ok(!isMd5({ 'x-amz-server-side-encryption': 'aws:kms' }));
  assert.ok(!isMd5({ 'x-amz-server-side-encryption': 'aws:kms:dsse' }));
  assert.ok(!isMd5({ 'x-amz-server-side-encryption-customer-algorithm': 'AES256' }));
  assert.ok(!isMd5({ 'x-amz-checksum-crc32': 'AAAAAA==-2', 'x-amz-checksum-type': 'COMPOSITE' }));
});

test('a composite checksum is told by its type or by its part count', () => {
  assert.deepEqual(
    stateOf({ 'x-amz-checksum-sha256': 'abc=', 'x-amz-checksum-type': 'COMPOSITE' }).checksum,
    {
      algorithm: 'sha256',
      value: 'abc=',
      kind: 'composite',
    },
  );
  assert.equal(stateOf({ 'x-amz-checksum-sha256': 'abc=-12' }).checksum?.kind, 'composite');
  assert.equal(stateOf({ 'x-amz-checksum-sha1': 'abc=' }).checksum?.kind, 'full_object');
});

test('of several checksums a comparable one is chosen, and an unknown algorithm is recorded', () => {
  const several = stateOf({
    'x-amz-checksum-sha256': 'aaa=-2',
    'x-amz-checksum-newhash': 'bbb=',
    'x-amz-checksum-crc64nvme': 'ccc=',
    'x-amz-checksum-algorithm': 'SHA256',
  });
  assert.deepEqual(several.checksum, { algorithm: 'crc64nvme', value: 'ccc=', kind: 'full_object' });
  assert.equal(stateOf({ 'x-amz-checksum-xxhash3': 'ddd=' }).checksum?.algorithm, 'xxhash3');
});

test('aws-chunked is no stored encoding', () => {
  const encodingOf = (value: string) => stateOf({ 'content-encoding': value }).metadata.contentEncoding;
  assert.equal(encodingOf('aws-chunked'), null);
  assert.equal(encodingOf('gzip,aws-chunked'), 'gzip');
  assert.equal(encodingOf('aws-chunked, gzip, br'), 'gzip,br');
  assert.equal(encodingOf('gzip, br'), 'gzip, br');
  assert.equal(encodingOf(''), null);
});

test('repeated user metadata headers are joined', () => {
  assert.deepEqual(stateOf({ 'x-amz-meta-a': ['1', '2'] }).metadata.user, { a: '1, 2' });
});

test('an answer without an identity is a fault, not a state', () => {
  const isSourceError = (error: unknown) => error instanceof Fault && error.code === 'source_error';
  assert.throws(() => readSourceState({ etag: '"a"' }, 0, 's3://b/k'), isSourceError);
  assert.throws(() => readSourceState({ ...identity, etag: '' }, 0, 's3://b/k'), isSourceError);
  assert.throws(
    () => readSourceState({ ...identity, 'last-modified': 'soon' }, 0, 's3://b/k'),
    isSourceError,
  );
});

test('lengths and ranges are numbers or nothing', () => {
  assert.equal(readContentLength({ 'content-length': '12' }), 12);
  for (const value of ['', '-1', '1.5', '0x10', '1, 1']) {
    assert.equal(readContentLength({ 'content-length': value }), null);
  }
  assert.equal(readContentLength({}), null);
  assert.deepEqual(readContentRange({ 'content-range': 'bytes 5-9/10' }), {
    firstByte: 5,
    lastByte: 9,
    totalBytes: 10,
  });
  for (const value of ['bytes 5-9/*', 'bytes */10', '5-9/10']) {
    assert.equal(readContentRange({ 'content-range': value }), null);
  }
});
