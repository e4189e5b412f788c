// Framing: what each answer is, however the network cuts it; what is refused, and why; what chance makes of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExchangeError } from '../exchange-error.ts';
import { type FedReader, openFedReader } from './testing/fed-reader.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000_007);

/** A small generator of chance that can be run again (xorshift). */
function chance(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const LONG = 'x'.repeat(70_000);

/** Answer, method, and what it is: status and body. */
const VALID: readonly (readonly [string, string, string])[] = [
  ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'GET', '200 hello'],
  ['HTTP/1.1 200\r\ncontent-length:5\r\ncontent-length: 5\r\n\r\nhello', 'GET', '200 hello'],
  ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD', '200 '],
  ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', 'GET', '304 '],
  ['HTTP/1.1 204 \r\n\r\n', 'DELETE', '204 '],
  [
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nlink: x\r\n\r\nHTTP/1.1 308 R\r\nrange: bytes=0-1\r\ncontent-length: 0\r\n\r\n',
    'PUT',
    '308 ',
  ],
  [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00a ; a="b"\r\n0123456789\r\n0\r\nx: y\r\n\r\n',
    'GET',
    '200 hello0123456789',
  ],
  ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 'GET', '200 '],
  [`HTTP/1.1 200 OK\r\nx-a: \xe9\r\nContent-Length: ${LONG.length}\r\n\r\n${LONG}`, 'GET', `200 ${LONG}`],
];

async function shown(fed: FedReader): Promise<string> {
  const answer = fed.answers[0];
  assert.ok(answer !== undefined, 'an answer');
  const pieces: Uint8Array[] = [];
  for await (const piece of answer.body) pieces.push(Buffer.from(piece));
  return `${answer.head.status} ${Buffer.concat(pieces).toString('latin1')}`;
}

async function readIn(parts: readonly Uint8Array[], method: string): Promise<string> {
  const fed = openFedReader();
  fed.expect(method);
  for (const part of parts) fed.feed(part);
  assert.deepEqual(fed.ends, [true]);
  return shown(fed);
}

for (const [text, method, expected] of VALID) {
  const bytes = Buffer.from(text, 'latin1');
  const name = JSON.stringify(text.slice(0, 60));
  test(`${method} ${name}: the same, cut at every byte and into single bytes`, async () => {
    const cuts = bytes.length > 1_000 ? 200 : bytes.length;
    for (let cut = 0; cut <= cuts; cut += 1)
      assert.equal(
        await readIn([bytes.subarray(0, cut), bytes.subarray(cut)], method),
        expected,
        `cut ${cut}`,
      );
    const single = Array.from(bytes.subarray(0, cuts), (_, at) => bytes.subarray(at, at + 1));
    assert.equal(await readIn([...single, bytes.subarray(cuts)], method), expected);
  });
}

const OK = 'HTTP/1.1 200 OK\r\n';

const MALFORMED: readonly (readonly [string, string, RegExp])[] = [
  ['another protocol', 'SSH-2.0-OpenSSH\r\n', /does not begin with HTTP/],
  ['HTTP/2', 'HTTP/2 200\r\n\r\n', /status line|does not begin with HTTP/],
  ['no status', 'HTTP/1.1 OK\r\n\r\n', /status line/],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n', /status line/],
  ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n', /status line/],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n', /status line/],
  ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n', /status line/],
  ['a switch of protocols', 'HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n', /switches protocols/],
  ['a line feed alone', `${OK}x: y\n\r\n`, /line feed/],
  ['line feeds throughout', 'HTTP/1.1 200 OK\nx: y\n\n', /line feed/],
  ['a carriage return alone', `${OK}x: y\rz: a\r\n\r\n`, /carriage return/],
  ['a null', `${OK}x: a\0b\r\n\r\n`, /control character/],
  ['a folded header', `${OK}x: a\r\n b\r\n\r\n`, /further line/],
  ['a space before the colon', `${OK}content-length : 5\r\n\r\nhello`, /name of a header/],
  ['a header without a colon', `${OK}content-length\r\n\r\n`, /name of a header/],
  ['a header without a name', `${OK}: 5\r\n\r\n`, /name of a header/],
  ['a name beyond ASCII', `${OK}\xe9: 5\r\n\r\n`, /name of a header/],
  ['two lengths', `${OK}content-length: 5\r\ncontent-length: 6\r\n\r\nhello`, /two different/],
  ['a list of lengths', `${OK}content-length: 5, 5\r\n\r\nhello`, /no length/],
  ['a negative length', `${OK}content-length: -5\r\n\r\nhello`, /no length/],
  ['a signed length', `${OK}content-length: +5\r\n\r\nhello`, /no length/],
  ['a hexadecimal length', `${OK}content-length: 0x5\r\n\r\nhello`, /no length/],
  ['an empty length', `${OK}content-length: \r\n\r\nhello`, /no length/],
  ['a length beyond all numbers', `${OK}content-length: 99999999999999999999\r\n\r\n`, /no length/],
  ['a length and chunks', `${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, /both/],
  ['another coding', `${OK}transfer-encoding: gzip\r\n\r\n`, /not chunked/],
  ['two codings', `${OK}transfer-encoding: gzip, chunked\r\n\r\n`, /not chunked/],
  ['chunked twice', `${OK}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n`, /not chunked/],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', /HTTP\/1\.0/],
  ['a head without end', `${OK}x: ${'y'.repeat(70_000)}`, /longer than/],
  ['interim answers without end', 'HTTP/1.1 100 C\r\n\r\n'.repeat(20), /too many interim/],
  ['a chunk of no size', `${OK}transfer-encoding: chunked\r\n\r\nxyz\r\n`, /size of a chunk/],
  ['a chunk of an empty size', `${OK}transfer-encoding: chunked\r\n\r\n\r\n`, /size of a chunk/],
  ['a chunk of a signed size', `${OK}transfer-encoding: chunked\r\n\r\n-1\r\n`, /size of a chunk/],
  ['a chunk too large', `${OK}transfer-encoding: chunked\r\n\r\nfffffffffffffff\r\n`, /too large/],
  [
    'a chunk longer than its size',
    `${OK}transfer-encoding: chunked\r\n\r\n2\r\nhello\r\n`,
    /longer than its size/,
  ],
  [
    'a chunk that ends with a line feed alone',
    `${OK}transfer-encoding: chunked\r\n\r\n2\r\nhe\n0\r\n\r\n`,
    /longer than its size/,
  ],
  [
    'a size that ends with a line feed alone',
    `${OK}transfer-encoding: chunked\r\n\r\n2\nhe\r\n`,
    /line feed/,
  ],
  ['an extension without end', `${OK}transfer-encoding: chunked\r\n\r\n2;${'x'.repeat(5_000)}`, /too long/],
  [
    'trailers without end',
    `${OK}transfer-encoding: chunked\r\n\r\n0\r\n${'x: y\r\n'.repeat(5_000)}`,
    /too long/,
  ],
  ['a trailer that is none', `${OK}transfer-encoding: chunked\r\n\r\n0\r\nx y\r\n\r\n`, /trailer/],
];

for (const [what, text, why] of MALFORMED) {
  test(`${what} is refused, and the error says so, whole or byte by byte`, () => {
    const bytes = Buffer.from(text, 'latin1');
    for (const step of bytes.length > 1_000 ? [bytes.length] : [bytes.length, 1]) {
      const fed = openFedReader();
      fed.expect('GET');
      assert.throws(
        () => {
          for (let at = 0; at < bytes.length; at += step) fed.feed(bytes.subarray(at, at + step));
        },
        (error) => {
          assert.ok(error instanceof ExchangeError);
          assert.equal(error.code, 'HTTP_MALFORMED_ANSWER');
          assert.match(error.message, why);
          return true;
        },
      );
    }
  });
}

test('bytes behind an answer are no part of it, and are told', async () => {
  for (const [text, method, expected] of VALID) {
    const fed = openFedReader();
    fed.expect(method);
    fed.feed(Buffer.from(`${text}HTTP/1.1 200 OK\r\n\r\n`, 'latin1'));
    assert.deepEqual(fed.ends, [false]);
    assert.equal(await shown(fed), expected);
  }
});

test('bytes that nobody asked for are refused', () => {
  const fed = openFedReader();
  assert.throws(() => fed.feed(Buffer.from('H')), /no request has asked for/);
});

test(`chance never makes wrong bytes right: every answer with a changed byte is refused, unfinished or bounded (seed ${SEED})`, async () => {
  const next = chance(SEED);
  for (let round = 0; round < 4_000; round += 1) {
    const [text, method] = VALID[next(VALID.length - 1)] ?? ['', 'GET'];
    const bytes = Buffer.from(text, 'latin1');
    for (let count = next(3); count >= 0; count -= 1) bytes[next(bytes.length)] = next(256);
    const whole = outcome(bytes, [bytes.length], method);
    const pieces = Array.from({ length: bytes.length }, () => 1 + next(9));
    // The same bytes are the same answer, or refused, however they are cut.
    assert.equal(await outcome(bytes, pieces, method), await whole, `seed ${SEED}, round ${round}`);
  }
});

async function outcome(bytes: Buffer, pieces: readonly number[], method: string): Promise<string> {
  const fed = openFedReader();
  fed.expect(method);
  try {
    let at = 0;
    for (const piece of pieces) {
      if (at >= bytes.length || fed.ends.length > 0) break;
      fed.feed(bytes.subarray(at, at + piece));
      at += piece;
    }
  } catch (error) {
    assert.ok(error instanceof ExchangeError, String(error));
    return 'refused';
  }
  if (fed.ends.length === 0) return 'unfinished';
  return shown(fed);
}

test(`a large body keeps its bytes while reads, reader and pauses come by chance (seed ${SEED})`, async () => {
  const next = chance(SEED + 1);
  for (let round = 0; round < 12; round += 1) {
    const bytes = Buffer.allocUnsafe(70_000 + next(3_000_000));
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = next(256);
    const fed = openFedReader();
    fed.expect('GET');
    fed.feed(
      Buffer.concat([Buffer.from(`${OK}content-length: ${bytes.length}\r\n\r\n`), bytes.subarray(0, 100)]),
    );
    const body = fed.answers[0]?.body;
    assert.ok(body !== undefined);
    let sent = 100;
    let read = 0;
    while (read < bytes.length) {
      const isPaused = fed.calls.at(-1) === 'pause';
      // What is on its way comes even after a pause, as it does under TLS.
      if (sent < bytes.length && (!isPaused || next(4) === 0)) {
        const count = Math.min(bytes.length - sent, 1 + next(next(2) === 0 ? 16_384 : 300_000));
        fed.feed(bytes.subarray(sent, sent + count));
        sent += count;
      }
      if (next(2) === 0 || sent === bytes.length || isPaused) {
        const taken: IteratorResult<Uint8Array> | null = sent > read ? await body.next() : null;
        if (taken === null) continue;
        assert.ok(taken.done !== true);
        assert.ok(
          Buffer.from(taken.value).equals(bytes.subarray(read, read + taken.value.length)),
          `at ${read}`,
        );
        read += taken.value.length;
      }
    }
    assert.deepEqual(await body.next(), { done: true, value: undefined });
    assert.deepEqual(fed.ends, [true]);
  }
});

test('a piece that was lent is not written over when the body is dropped', async () => {
  const fed = openFedReader();
  fed.expect('GET');
  fed.feed(Buffer.concat([Buffer.from(`${OK}content-length: 900000\r\n\r\n`), Buffer.alloc(600_000, 1)]));
  const body = fed.answers[0]?.body;
  const taken = await body?.next();
  assert.ok(taken?.done === false);
  body?.drop(1_000_000);
  fed.feed(Buffer.alloc(300_000, 2));
  assert.deepEqual(fed.ends, [true]);
  fed.expect('GET');
  fed.feed(Buffer.concat([Buffer.from(`${OK}content-length: 900000\r\n\r\n`), Buffer.alloc(900_000, 3)]));
  assert.ok(taken.value.every((byte) => byte === 1));
});

test('memory is bounded: a body that nobody reads pauses, and its slabs are used again', async () => {
  const fed = openFedReader();
  let taken = 0;
  const take = fed.pool.take.bind(fed.pool);
  fed.pool.take = (missingBytes) => {
    taken += 1;
    return take(missingBytes);
  };
  const free = new Set<Buffer>();
  for (let round = 0; round < 20; round += 1) {
    fed.expect('GET');
    fed.feed(Buffer.from(`${OK}content-length: 4000000\r\n\r\n`));
    const body = fed.answers.at(-1)?.body;
    for (let sent = 0; sent < 4_000_000; sent += 400_000) {
      fed.feed(Buffer.alloc(400_000));
      const piece = await body?.next();
      if (piece?.done === false) free.add(Buffer.from(piece.value.buffer));
    }
    while ((await body?.next())?.done === false);
  }
  assert.ok(taken > 40, `${taken} slabs were taken`);
  const memories = new Set([...free].map(({ buffer }) => buffer));
  assert.ok(memories.size <= 6, `${memories.size} of them were different`);
});

test('a body takes no more memory than it needs: one slab where it fits, a smaller one where that is enough', async () => {
  for (const [lengthBytes, slabBytes] of [
    [200_000, 256 * 1024],
    [256 * 1024, 256 * 1024],
    [1024 * 1024, 1024 * 1024],
  ] as const) {
    const fed = openFedReader();
    const taken: number[] = [];
    const take = fed.pool.take.bind(fed.pool);
    fed.pool.take = (missingBytes) => {
      const slab = take(missingBytes);
      taken.push(slab.length);
      return slab;
    };
    fed.expect('GET');
    fed.feed(Buffer.from(`${OK}content-length: ${lengthBytes}\r\n\r\n`));
    for (let left = lengthBytes; left > 0; left -= 50_000) fed.feed(Buffer.alloc(Math.min(left, 50_000)));
    assert.deepEqual(taken, [slabBytes]);
  }
});
