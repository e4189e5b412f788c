// Lengths that an HTTP client lets through only when it has a fault of its own: counted here all the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import { HeldBody } from '../../exchange/held-body.ts';
import { countedBody } from './object-body.ts';
import { realClock } from './testing/answering-server.ts';

function counted(chunks: readonly string[], expectedBytes: number): AsyncIterable<Uint8Array> {
  const body = new HeldBody({ pause: () => {}, resume: () => {}, abort: () => {} });
  for (const chunk of chunks) body.push(Buffer.from(chunk));
  body.close();
  const limits = { clock: realClock, bodyIdleTimeoutMs: 1000, minBytesPerSec: 1 };
  return countedBody(body, { what: 's3://b/k', expectedBytes }, limits, new AbortController().signal);
}

async function total(body: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of body) bytes += chunk.length;
  return bytes;
}

test('a body of the announced length passes', async () => {
  assert.equal(await total(counted(['abc', 'de'], 5)), 5);
  assert.equal(await total(counted([], 0)), 0);
});

for (const [name, chunks, bytesRead] of [
  ['shorter', ['ab', 'c'], 3],
  ['longer', ['abcde', 'f'], 6],
] as const) {
  test(`a body ${name} than announced is a broken read`, async () => {
    await assert.rejects(total(counted(chunks, 5)), (error) => {
      assert.ok(error instanceof Fault);
      assert.equal(error.code, 'source_read_broken');
      assert.deepEqual(error.details, { store: 'source', bytesRead, expectedBytes: 5 });
      return true;
    });
  });
}
