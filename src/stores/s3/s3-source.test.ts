// Looks and lists against a server that answers what the test says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault, type FaultCode } from '../../core/faults.ts';
import {
  type Answer,
  errorDocument,
  objectHeaders,
  openTestSource,
  startAnsweringServer,
} from './testing/answering-server.ts';

const location = { bucket: 'photos', key: 'a/b.bin' };
const signal = new AbortController().signal;

function isFault(code: FaultCode) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** A server that answers HEAD and GET differently. */
async function serverWith(answers: { readonly head: Answer; readonly get?: Answer }) {
  return startAnsweringServer((request) =>
    request.method === 'HEAD' ? answers.head : (answers.get ?? { status: 500 }),
  );
}

test('a look is one HEAD that asks for the checksum, and looks share a connection', async () => {
  await using server = await serverWith({
    head: {
      status: 200,
      headers: objectHeaders({ 'content-length': '123', 'x-amz-checksum-crc32c': 'AAAAAA==' }),
    },
  });
  await using source = await openTestSource(server, { connections: 1 });
  for (let round = 0; round < 3; round += 1) {
    const look = await source.look(location, signal);
    assert.ok(look.kind === 'present');
    assert.equal(look.state.sizeBytes, 123);
    assert.deepEqual(look.state.checksum, { algorithm: 'crc32c', value: 'AAAAAA==', kind: 'full_object' });
  }
  assert.deepEqual(
    server.seen.map((request) => [request.method, request.rawUrl, request.headers['x-amz-checksum-mode']]),
    Array.from({ length: 3 }, () => ['HEAD', '/photos/a/b.bin', 'ENABLED']),
  );
  assert.equal(server.connectionCount(), 1);
});

test('a delete marker in the HEAD proves absence at once', async () => {
  await using server = await serverWith({
    head: { status: 404, headers: { 'x-amz-delete-marker': 'true' } },
  });
  await using source = await openTestSource(server);
  assert.deepEqual(await source.look(location, signal), { kind: 'absent', proof: 'delete_marker' });
  assert.equal(server.seen.length, 1);
});

const decidedByGet: [string, number, Answer, FaultCode | 'no_such_key' | 'delete_marker' | 'present'][] = [
  ['NoSuchKey is absent', 404, { status: 404, body: errorDocument('NoSuchKey') }, 'no_such_key'],
  [
    'a delete marker is absent',
    404,
    { status: 404, headers: { 'x-amz-delete-marker': 'true' }, body: errorDocument('NoSuchKey') },
    'delete_marker',
  ],
  [
    'a missing bucket is a fault',
    404,
    { status: 404, body: errorDocument('NoSuchBucket') },
    'source_bucket_missing',
  ],
  ['a 404 of something else proves nothing', 404, { status: 404, body: 'nginx' }, 'source_refused'],
  [
    'a body that is there after all is present',
    404,
    { status: 200, headers: objectHeaders(), body: 'hello' },
    'present',
  ],
  ['a denied look is a fault', 403, { status: 403, body: errorDocument('AccessDenied') }, 'access_denied'],
  [
    'an archived object cannot be read',
    403,
    { status: 403, body: errorDocument('InvalidObjectState') },
    'object_archived',
  ],
  [
    'an object under a customer key is told from a bad request',
    400,
    {
      status: 400,
      body: errorDocument('InvalidRequest', 'The object was stored using a form of Server Side Encryption.'),
    },
    'customer_key_needed',
  ],
  [
    'a bucket elsewhere names its region',
    301,
    {
      status: 301,
      headers: { 'x-amz-bucket-region': 'us-west-2' },
      body: errorDocument('PermanentRedirect'),
    },
    'wrong_region',
  ],
];

for (const [name, headStatus, get, expected] of decidedByGet) {
  test(`a HEAD that is refused with ${headStatus} is decided by a GET: ${name}`, async () => {
    await using server = await serverWith({ head: { status: headStatus }, get });
    await using source = await openTestSource(server);
    const look = source.look(location, signal);
    if (expected === 'present') {
      const seen = await look;
      assert.ok(seen.kind === 'present');
      assert.equal(seen.state.sizeBytes, 5);
    } else if (expected === 'no_such_key' || expected === 'delete_marker') {
      assert.deepEqual(await look, { kind: 'absent', proof: expected });
    } else {
      await assert.rejects(look, isFault(expected));
    }
    assert.deepEqual(
      server.seen.map((request) => request.method),
      ['HEAD', 'GET'],
    );
    assert.equal(server.seen[1]?.headers.range, undefined);
  });
}

test('an overloaded store is not asked a second time', async () => {
  for (const [status, fault] of [
    [503, 'source_throttled'],
    [429, 'source_throttled'],
    [500, 'source_error'],
  ] as const) {
    await using server = await serverWith({ head: { status, headers: { 'retry-after': '3' } } });
    await using source = await openTestSource(server);
    await assert.rejects(source.look(location, signal), (error) => {
      assert.equal(error instanceof Fault && error.retryAfterMs, 3000);
      return isFault(fault)(error);
    });
    assert.equal(server.seen.length, 1);
  }
});

test('an answer to HEAD without a length or an identity is a fault', async () => {
  await using noLength = await serverWith({
    head: { status: 200, headers: objectHeaders(), hasNoLength: true },
  });
  await using first = await openTestSource(noLength);
  await assert.rejects(first.look(location, signal), isFault('source_read_broken'));
  await using noEtag = await serverWith({ head: { status: 200, headers: { 'content-length': '5' } } });
  await using second = await openTestSource(noEtag);
  await assert.rejects(second.look(location, signal), isFault('source_error'));
});

test('the expected owner is sent and signed with every request, per bucket', async () => {
  await using server = await startAnsweringServer((request) =>
    request.rawUrl.includes('list-type')
      ? { status: 200, body: '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>' }
      : { status: 200, headers: objectHeaders(), body: 'hello' },
  );
  await using source = await openTestSource(server, {
    expectedOwner: (bucket) => (bucket === 'photos' ? '111122223333' : null),
  });
  await source.look(location, signal);
  const read = await source.read({ location, pin: null, startByte: 0 }, signal);
  assert.ok(read.kind === 'body');
  read.discard();
  await source.list({ bucket: 'photos', prefix: '', cursor: null, limit: 10 }, signal);
  for (const request of server.seen) {
    assert.equal(request.headers['x-amz-expected-bucket-owner'], '111122223333');
    assert.match(request.headers.authorization ?? '', /SignedHeaders=[^,]*x-amz-expected-bucket-owner/);
  }
  await source.look({ bucket: 'others', key: 'k' }, signal);
  assert.equal(server.seen.at(-1)?.headers['x-amz-expected-bucket-owner'], undefined);
});

test('a list asks for encoded keys and follows the cursor it was given', async () => {
  await using server = await startAnsweringServer(() => ({
    status: 200,
    body:
      '<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>' +
      '<NextContinuationToken>n+/=</NextContinuationToken><Contents><Key>a+b%2B</Key>' +
      '<LastModified>2026-11-02T10:00:00.000Z</LastModified><ETag>"e"</ETag><Size>3</Size></Contents></ListBucketResult>',
  }));
  await using source = await openTestSource(server);
  const page = await source.list({ bucket: 'photos', prefix: 'a b/', cursor: 'c+/=', limit: 2 }, signal);
  assert.deepEqual(page, {
    entries: [{ key: 'a b+', etag: 'e', sizeBytes: 3, lastModifiedMs: Date.UTC(2026, 10, 2, 10) }],
    nextCursor: 'n+/=',
  });
  assert.equal(
    server.seen[0]?.rawUrl,
    '/photos/?continuation-token=c%2B%2F%3D&encoding-type=url&list-type=2&max-keys=2&prefix=a%20b%2F',
  );
});

test('a list that is denied names the permission, a list that is cut is a fault', async () => {
  await using denied = await startAnsweringServer(() => ({
    status: 403,
    body: errorDocument('AccessDenied'),
  }));
  await using first = await openTestSource(denied);
  await assert.rejects(
    first.list({ bucket: 'photos', prefix: '', cursor: null, limit: 10 }, signal),
    (error) => {
      assert.match(String(error), /s3:ListBucket on arn:aws:s3:::photos is denied/);
      return isFault('access_denied')(error);
    },
  );
  const body = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
  await using cut = await startAnsweringServer(() => ({
    status: 200,
    body,
    end: { kind: 'cut', afterBytes: 40 },
  }));
  await using second = await openTestSource(cut);
  await assert.rejects(
    second.list({ bucket: 'photos', prefix: '', cursor: null, limit: 10 }, signal),
    isFault('source_error'),
  );
});
