import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { constantFrom, array, assert as check, asyncProperty, nat, uint8Array } from 'fast-check';
import { openChecksumEngine } from '../checksums/native-checksums.ts';
import { crc32c, crc32cToBase64 } from '../core/checksum.ts';
import { Fault } from '../core/faults.ts';
import type { SourceChecksum, SourceState } from '../core/object.ts';
import { NO_SOURCE_METADATA } from '../core/testing/samples.ts';
import { ByteBudget } from './byte-budget.ts';
import { ByteCursor } from './byte-cursor.ts';
import { ByteProof } from './byte-proof.ts';

const engine = openChecksumEngine();
const { signal } = new AbortController();

function stateOf(bytes: Uint8Array, checksum: SourceChecksum | null, md5: string | null = null): SourceState {
  return {
    etag: 'e',
    versionId: null,
    sizeBytes: bytes.length,
    lastModifiedMs: 0,
    md5,
    checksum,
    storageClass: null,
    metadata: NO_SOURCE_METADATA,
  };
}

function digest(algorithm: string, bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('base64');
}

async function* pieces(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

test('a cursor gives back every byte in order, however stream and requests are cut', async () => {
  await check(
    asyncProperty(
      array(uint8Array({ maxLength: 50 }), { maxLength: 8 }),
      array(nat(40), { maxLength: 8 }),
      async (chunks, wishes) => {
        const whole = Buffer.concat(chunks);
        const cursor = new ByteCursor(pieces(chunks));
        let taken = Buffer.alloc(0);
        for (const wish of wishes) {
          const piece = await cursor.collect(Math.min(wish, whole.length - taken.length));
          taken = Buffer.concat([taken, piece]);
        }
        taken = Buffer.concat([taken, await cursor.collect(whole.length - taken.length)]);
        assert.deepEqual(taken, whole);
        await cursor.expectEnd();
      },
    ),
  );
});

test('a stream that ends too soon or goes on too long is an error, not a short object', async () => {
  await assert.rejects(new ByteCursor(pieces([Buffer.from('abc')])).collect(4), /ended before/);
  const cursor = new ByteCursor(pieces([Buffer.from('abc'), Buffer.from('d')]));
  await cursor.collect(3);
  await assert.rejects(cursor.expectEnd(), /longer/);
});

test('a proof hashes every byte once, also when pieces are read again or continue after a crash', async () => {
  await check(
    asyncProperty(uint8Array({ minLength: 1, maxLength: 300 }), nat(), nat(), async (bytes, one, two) => {
      const cut = one % bytes.length;
      const back = two % (cut + 1);
      const checksum: SourceChecksum = { algorithm: 'crc32', value: '', kind: 'full_object' };
      const running = engine.start('crc32', null);
      running?.update(bytes);
      const state = stateOf(bytes, { ...checksum, value: running?.digestBase64() ?? '' });
      const first = new ByteProof({ engine, state, verify: 'source', saved: null });
      first.update(bytes.subarray(0, cut), 0);
      const second = new ByteProof({ engine, state, verify: 'source', saved: first.save() });
      second.update(bytes.subarray(back), back);
      assert.equal(second.conclude(), 'source');
      assert.equal(second.crc32cBase64, crc32cToBase64(crc32c(bytes)));
    }),
  );
});

test('bytes that were skipped are noticed', () => {
  const bytes = Buffer.from('abcdef');
  const proof = new ByteProof({ engine, state: stateOf(bytes, null), verify: 'source', saved: null });
  proof.update(bytes.subarray(0, 2), 0);
  assert.throws(() => proof.update(bytes.subarray(3), 3), /never hashed/);
  assert.throws(() => proof.conclude(), /Only 2 of 6/);
});

test('the level says what was compared, and a mismatch is a fault before anything is visible', async () => {
  const bytes = Buffer.from('some bytes');
  const full = (algorithm: string, value: string): SourceChecksum => ({
    algorithm,
    value,
    kind: 'full_object',
  });
  const levelOf = (state: SourceState, verify: 'transfer' | 'source' | 'strict'): string => {
    const proof = new ByteProof({ engine, state, verify, saved: null });
    proof.update(bytes, 0);
    return proof.conclude();
  };
  const crc = crc32cToBase64(crc32c(bytes));
  assert.equal(levelOf(stateOf(bytes, full('sha256', digest('sha256', bytes))), 'source'), 'source');
  assert.equal(levelOf(stateOf(bytes, full('crc32c', crc)), 'strict'), 'source');
  assert.equal(levelOf(stateOf(bytes, null, digest('md5', bytes)), 'strict'), 'source');
  assert.equal(levelOf(stateOf(bytes, null), 'source'), 'transfer');
  assert.equal(levelOf(stateOf(bytes, full('xxhash3', 'x')), 'source'), 'transfer');
  assert.equal(levelOf(stateOf(bytes, full('sha256', 'wrong')), 'transfer'), 'transfer');
  const composite: SourceChecksum = { algorithm: 'sha256', value: 'x-3', kind: 'composite' };
  assert.equal(levelOf(stateOf(bytes, composite), 'source'), 'transfer');
  await check(
    asyncProperty(constantFrom('sha256', 'sha1', 'crc32', 'crc64nvme', 'crc32c'), async (algorithm) => {
      assert.throws(
        () => levelOf(stateOf(bytes, full(algorithm, 'AAAAAA==')), 'source'),
        (error) => error instanceof Fault && error.code === 'source_checksum_mismatch',
      );
    }),
  );
  for (const state of [
    stateOf(bytes, null),
    stateOf(bytes, composite),
    stateOf(bytes, full('xxhash3', 'x')),
  ]) {
    assert.throws(
      () => levelOf(state, 'strict'),
      (error) => error instanceof Fault && error.code === 'not_comparable',
    );
  }
});

test('a budget lets through what fits, in the order of asking, and clamps what is larger than itself', async () => {
  const budget = new ByteBudget(10);
  const order: string[] = [];
  const ask = async (name: string, bytes: number): Promise<() => void> => {
    const release = await budget.acquire(bytes, signal);
    order.push(name);
    return release;
  };
  const first = await ask('first', 6);
  const huge = ask('huge', 1000);
  const small = ask('small', 1);
  await Promise.resolve();
  assert.deepEqual(order, ['first'], 'The small one waits behind the huge one');
  first();
  first();
  const releaseHuge = await huge;
  assert.deepEqual(order, ['first', 'huge']);
  releaseHuge();
  (await small)();
  (await ask('again', 10))();
});

test('an aborted wait leaves the line and does not hold up the next one', async () => {
  const budget = new ByteBudget(10);
  const release = await budget.acquire(6, signal);
  const giveUp = new AbortController();
  const waiting = budget.acquire(8, giveUp.signal);
  const next = budget.acquire(4, signal);
  giveUp.abort(new Error('given up'));
  await assert.rejects(waiting, /given up/);
  (await next)();
  release();
  (await budget.acquire(10, signal))();
});
