// The parser of multipart bodies must not notice where the network cuts them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RelatedParser } from './related-parser.ts';

const SEED = Date.now() % 1_000_000_007;

interface Parsed {
  readonly resource: string;
  readonly bytesType: string | null;
  readonly bytes: Buffer;
}

function parse(body: Buffer, cuts: readonly number[]): Parsed {
  const received: Uint8Array[] = [];
  const parser = new RelatedParser('edge', (bytes) => {
    received.push(Buffer.from(bytes));
  });
  let offset = 0;
  for (const cut of [...cuts.toSorted((left, right) => left - right), body.length]) {
    parser.push(body.subarray(offset, cut));
    offset = Math.max(offset, Math.min(cut, body.length));
  }
  const { resource, bytesType } = parser.end();
  return { resource: Buffer.from(resource).toString(), bytesType, bytes: Buffer.concat(received) };
}

/** Pieces of what a boundary is made of, so that near misses are common. */
const BYTES = fc
  .array(fc.constantFrom('\r', '\n', '\r\n', '--', '-', 'edg', 'edge-', '\r\n--edg', 'x', '\0'), {
    maxLength: 12,
  })
  .map((pieces) => Buffer.from(pieces.join('')));

test(`any cutting of the body gives the same parts (seed ${SEED})`, () => {
  fc.assert(
    fc.property(BYTES, fc.array(fc.integer({ min: 0, max: 150 }), { maxLength: 150 }), (bytes, cuts) => {
      fc.pre(!bytes.includes('\r\n--edge'));
      const body = Buffer.concat([
        Buffer.from('--edge\r\nContent-Type: application/json\r\n\r\n{"name":"o"}\r\n--edge\r\n'),
        Buffer.from('content-type: text/x\r\n\r\n'),
        bytes,
        Buffer.from('\r\n--edge--\r\nepilogue'),
      ]);
      const every = Array.from({ length: body.length }, (_, index) => index);
      for (const places of [cuts.map((cut) => Math.min(cut, body.length)), every, []])
        assert.deepEqual(parse(body, places), { resource: '{"name":"o"}', bytesType: 'text/x', bytes });
    }),
    { seed: SEED, numRuns: 200 },
  );
});
