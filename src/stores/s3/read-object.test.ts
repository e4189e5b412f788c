// Reads against a server that answers what the test says, also what no honest store would answer.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { Fault, type FaultCode } from '../../core/faults.ts';
import type { SourceState } from '../../core/object.ts';
import type { ObjectSource, SourceRead } from '../../core/object-source.ts';
import {
  type Answer,
  errorDocument,
  objectHeaders,
  openTestSource,
  startAnsweringServer,
} from './testing/answering-server.ts';

const location = { bucket: 'photos', key: 'a/b.bin' };
const signal = new AbortController().signal;
const CONTENT = Buffer.from('0123456789');

const pin: SourceState = {
  etag: '5d41402abc4b2a76b9719d911017c592',
  versionId: null,
  sizeBytes: 10,
  lastModifiedMs: Date.UTC(2026, 10, 2, 10),
  md5: null,
  checksum: { algorithm: 'crc64nvme', value: 'of-the-whole', kind: 'full_object' },
  metadata: {
    contentType: 'text/plain',
    cacheControl: null,
    contentDisposition: null,
    contentLanguage: null,
    contentEncoding: null,
    expires: null,
    websiteRedirectLocation: null,
    user: {},
  },
  storageClass: 'STANDARD',
};

const whole = (extra: Record<string, string> = {}): Answer => ({
  status: 200,
  headers: objectHeaders(extra),
  body: CONTENT,
});

const range = (startByte: number, extra: Record<string, string> = {}): Answer => ({
  status: 206,
  headers: objectHeaders({ 'content-range': `bytes ${startByte}-9/10`, ...extra }),
  body: CONTENT.subarray(startByte),
});

async function readAll(read: SourceRead): Promise<string> {
  assert.equal(read.kind, 'body');
  const chunks: Uint8Array[] = [];
  for await (const chunk of read.body) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks).toString();
}

function isFault(code: FaultCode, details: Record<string, unknown> = {}) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.code, code, error.message);
    for (const [name, value] of Object.entries(details)) assert.equal(error.details[name], value, name);
    return true;
  };
}

async function withAnswer(answer: Answer, work: (source: ObjectSource) => Promise<void>): Promise<void> {
  await using server = await startAnsweringServer(() => answer);
  await using source = await openTestSource(server, { bodyIdleTimeoutMs: 300 });
  await work(source);
}

test('a read without a pin asks for what is current and yields every byte', async () => {
  await using server = await startAnsweringServer(() => whole({ 'content-encoding': 'gzip' }));
  await using source = await openTestSource(server);
  const read = await source.read({ location, pin: null, startByte: 0 }, signal);
  assert.equal(await readAll(read), '0123456789');
  assert.equal(read.kind === 'body' && read.state.sizeBytes, 10);
  const [request] = server.seen;
  assert.equal(request?.rawUrl, '/photos/a/b.bin');
  assert.equal(request.headers['x-amz-checksum-mode'], 'ENABLED');
  assert.equal(request.headers['if-match'], undefined);
  assert.equal(request.headers.range, undefined);
});

test('the start of a pinned read is bound by If-Match and names no version', async () => {
  await using server = await startAnsweringServer(() => whole({ 'x-amz-version-id': 'v/1' }));
  await using source = await openTestSource(server);
  const read = await source.read({ location, pin: { ...pin, versionId: 'v/1' }, startByte: 0 }, signal);
  assert.equal(await readAll(read), '0123456789');
  assert.equal(server.seen[0]?.rawUrl, '/photos/a/b.bin');
  assert.equal(server.seen[0].headers['if-match'], `"${pin.etag}"`);
  assert.equal(server.seen[0].headers.range, undefined);
});

test('the continuation of a read asks for a range of the pinned version and keeps its checksum', async () => {
  const answer = range(4, { 'x-amz-version-id': 'v/1', 'x-amz-checksum-crc64nvme': 'of-the-range' });
  await using server = await startAnsweringServer(() => answer);
  await using source = await openTestSource(server);
  const read = await source.read({ location, pin: { ...pin, versionId: 'v/1' }, startByte: 4 }, signal);
  assert.equal(await readAll(read), '456789');
  assert.equal(server.seen[0]?.rawUrl, '/photos/a/b.bin?versionId=v%2F1');
  assert.equal(server.seen[0].headers.range, 'bytes=4-');
  assert.equal(server.seen[0].headers['if-match'], `"${pin.etag}"`);
  assert.ok(read.kind === 'body');
  assert.equal(read.state.sizeBytes, 10);
  assert.deepEqual(read.state.checksum, pin.checksum);
});

test('a start outside the object or without a pin is a bug of the caller', async () => {
  await withAnswer(whole(), async (source) => {
    for (const request of [
      { location, pin: null, startByte: 1 },
      { location, pin, startByte: 10 },
      { location, pin, startByte: -1 },
    ]) {
      await assert.rejects(source.read(request, signal), { name: 'AssertionError' });
    }
  });
});

const changedAnswers: [string, Answer][] = [
  ['412', { status: 412, body: errorDocument('PreconditionFailed') }],
  ['404 NoSuchKey', { status: 404, body: errorDocument('NoSuchKey') }],
  ['404 NoSuchVersion', { status: 404, body: errorDocument('NoSuchVersion') }],
  ['404 with a delete marker', { status: 404, headers: { 'x-amz-delete-marker': 'true' }, body: '' }],
  ['405', { status: 405, body: errorDocument('MethodNotAllowed') }],
  ['416', { status: 416, body: errorDocument('InvalidRange') }],
  ['another ETag', range(4, { etag: '"other"' })],
  ['another version', range(4, { 'x-amz-version-id': 'v2' })],
  ['another time', range(4, { 'last-modified': 'Mon, 02 Nov 2026 10:00:01 GMT' })],
  ['another total', { ...range(4), headers: objectHeaders({ 'content-range': 'bytes 4-9/11' }) }],
];

for (const [name, answer] of changedAnswers) {
  test(`a pinned read that is answered with ${name} says changed`, async () => {
    await withAnswer(answer, async (source) => {
      assert.deepEqual(await source.read({ location, pin, startByte: 4 }, signal), { kind: 'changed' });
    });
  });
}

test('a store that ignores If-Match does not get its newer bytes taken for the pinned ones', async () => {
  await withAnswer(whole({ etag: '"newer"' }), async (source) => {
    assert.deepEqual(await source.read({ location, pin, startByte: 0 }, signal), { kind: 'changed' });
  });
});

const brokenAnswers: [string, Answer, number, number][] = [
  ['200 to a range', whole(), 4, 6],
  ['200 to a range, dressed as one', { ...range(4), status: 200 }, 4, 6],
  ['206 without a Content-Range', { ...range(4), headers: objectHeaders() }, 4, 6],
  ['206 from another byte', range(3, { 'content-range': 'bytes 3-9/10' }), 4, 6],
  [
    '206 that ends early',
    { status: 206, headers: objectHeaders({ 'content-range': 'bytes 4-7/10' }), body: '4567' },
    4,
    6,
  ],
  [
    '206 with a length that is not that of its range',
    { status: 206, headers: objectHeaders({ 'content-range': 'bytes 4-9/10' }), body: '45678' },
    4,
    6,
  ],
  ['206 to a read of the whole', range(0), 0, 10],
  ['no Content-Length', { ...whole(), hasNoLength: true }, 0, 10],
];

for (const [name, answer, startByte, expectedBytes] of brokenAnswers) {
  test(`${name} is a broken read, not bytes`, async () => {
    await withAnswer(answer, async (source) => {
      await assert.rejects(
        source.read({ location, pin, startByte }, signal),
        isFault('source_read_broken', { bytesRead: 0, expectedBytes }),
      );
    });
  });
}

test('absence is proved by NoSuchKey or a delete marker, and by nothing else', async () => {
  const cases: [Answer, SourceRead | FaultCode][] = [
    [
      { status: 404, body: errorDocument('NoSuchKey') },
      { kind: 'absent', proof: 'no_such_key' },
    ],
    [
      { status: 404, headers: { 'x-amz-delete-marker': 'true' }, body: errorDocument('NoSuchKey') },
      { kind: 'absent', proof: 'delete_marker' },
    ],
    [{ status: 404, body: errorDocument('NoSuchBucket') }, 'source_bucket_missing'],
    [{ status: 404, body: 'not found' }, 'source_refused'],
    [{ status: 403, body: errorDocument('AccessDenied') }, 'access_denied'],
    [{ status: 412, body: errorDocument('PreconditionFailed') }, 'source_refused'],
  ];
  for (const [answer, expected] of cases) {
    await withAnswer(answer, async (source) => {
      const read = source.read({ location, pin: null, startByte: 0 }, signal);
      if (typeof expected === 'string') await assert.rejects(read, isFault(expected));
      else assert.deepEqual(await read, expected);
    });
  }
});

test('a missing bucket or permission is a fault for a pinned read too', async () => {
  for (const [status, code, fault] of [
    [404, 'NoSuchBucket', 'source_bucket_missing'],
    [403, 'AccessDenied', 'access_denied'],
    [403, 'InvalidObjectState', 'object_archived'],
  ] as const) {
    await withAnswer({ status, body: errorDocument(code) }, async (source) => {
      await assert.rejects(source.read({ location, pin, startByte: 4 }, signal), isFault(fault));
    });
  }
});

test('an empty object is read without a range and yields nothing', async () => {
  await using server = await startAnsweringServer(() => ({ status: 200, headers: objectHeaders() }));
  await using source = await openTestSource(server);
  const empty = { ...pin, sizeBytes: 0 };
  assert.equal(await readAll(await source.read({ location, pin: empty, startByte: 0 }, signal)), '');
  assert.equal(server.seen[0]?.headers.range, undefined);
});

for (const kind of ['cut', 'stall'] as const) {
  test(`a body that ends in a ${kind} is a broken read that says how far it came`, async () => {
    await withAnswer({ ...whole(), end: { kind, afterBytes: 4 } }, async (source) => {
      const read = await source.read({ location, pin: null, startByte: 0 }, signal);
      await assert.rejects(
        readAll(read),
        isFault('source_read_broken', { store: 'source', bytesRead: 4, expectedBytes: 10 }),
      );
    });
  });
}

test('a body that breaks before anybody reads it still ends in a fault, not in silence', async () => {
  await withAnswer({ ...whole(), end: { kind: 'cut', afterBytes: 4 } }, async (source) => {
    const read = await source.read({ location, pin: null, startByte: 0 }, signal);
    await sleep(50);
    await assert.rejects(readAll(read), isFault('source_read_broken'));
  });
});

test('a body that creeps is given up', async () => {
  const body = Buffer.alloc(10_000);
  await withAnswer(
    { status: 200, headers: objectHeaders(), body, end: { kind: 'trickle', afterBytes: 2 } },
    async (source) => {
      const read = await source.read({ location, pin: null, startByte: 0 }, signal);
      await assert.rejects(readAll(read), (error) => {
        assert.match(String(error), /slower than 1024 bytes a second/);
        return isFault('source_read_broken')(error);
      });
    },
  );
});

test('a consumer that takes longer than the idle timeout loses nothing', async () => {
  // Larger than all buffers on the way, so that the connection really stands still meanwhile.
  const body = Buffer.alloc(8 * 1024 * 1024, 7);
  await withAnswer({ status: 200, headers: objectHeaders(), body }, async (source) => {
    const read = await source.read({ location, pin: null, startByte: 0 }, signal);
    assert.ok(read.kind === 'body');
    let total = 0;
    let pauses = 0;
    for await (const chunk of read.body) {
      total += chunk.length;
      if (pauses < 2 && total > pauses * 1024 * 1024) {
        pauses += 1;
        await sleep(700);
      }
    }
    assert.equal(total, body.length);
  });
});

test('a stall after a pause of the consumer is still noticed', async () => {
  const body = Buffer.alloc(8 * 1024 * 1024, 7);
  const answer: Answer = {
    status: 200,
    headers: objectHeaders(),
    body,
    end: { kind: 'stall', afterBytes: 6 * 1024 * 1024 },
  };
  await withAnswer(answer, async (source) => {
    const read = await source.read({ location, pin: null, startByte: 0 }, signal);
    assert.ok(read.kind === 'body');
    let total = 0;
    await assert.rejects(
      async () => {
        for await (const chunk of read.body) {
          if (total === 0) await sleep(700);
          total += chunk.length;
        }
      },
      isFault('source_read_broken', { bytesRead: 6 * 1024 * 1024 }),
    );
  });
});

test('discard and an early end free the connection', { timeout: 5000 }, async () => {
  const body = Buffer.alloc(1024 * 1024);
  await using server = await startAnsweringServer(() => ({ status: 200, headers: objectHeaders(), body }));
  await using source = await openTestSource(server, { connections: 1 });
  for (let round = 0; round < 3; round += 1) {
    const discarded = await source.read({ location, pin: null, startByte: 0 }, signal);
    assert.ok(discarded.kind === 'body');
    discarded.discard();
    discarded.discard();
    const left = await source.read({ location, pin: null, startByte: 0 }, signal);
    assert.ok(left.kind === 'body');
    for await (const chunk of left.body) {
      assert.ok(chunk.length > 0);
      break;
    }
    const untouched = await source.read({ location, pin: null, startByte: 0 }, signal);
    assert.ok(untouched.kind === 'body');
    await untouched.body[Symbol.asyncIterator]().return?.();
  }
  assert.equal((await source.look(location, signal)).kind, 'present');
});

test('a small body that is discarded leaves its connection for the next request', async () => {
  await using server = await startAnsweringServer(() => whole());
  await using source = await openTestSource(server, { connections: 1 });
  for (let round = 0; round < 3; round += 1) {
    const read = await source.read({ location, pin: null, startByte: 0 }, signal);
    assert.ok(read.kind === 'body');
    read.discard();
  }
  assert.equal(server.connectionCount(), 1);
});

test('an abort in the middle of a body rejects with its reason', async () => {
  await withAnswer({ ...whole(), end: { kind: 'stall', afterBytes: 4 } }, async (source) => {
    const controller = new AbortController();
    const reason = new Error('the lease is lost');
    const read = await source.read({ location, pin: null, startByte: 0 }, controller.signal);
    assert.ok(read.kind === 'body');
    await assert.rejects(
      async () => {
        for await (const chunk of read.body) {
          assert.equal(chunk.length, 4);
          controller.abort(reason);
        }
      },
      (error) => error === reason,
    );
  });
});
