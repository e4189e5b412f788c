// Blocks, tails and checksums of incoming bytes, however they are cut.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { BLOCK_BYTES, ByteSink, concatenate, readBlocks } from './stored-bytes.ts';

const SEED = Date.now() % 1_000_000_007;
const SOURCE = randomBytes(4 * BLOCK_BYTES);

function crcOf(base64: string): number {
  return Buffer.from(base64, 'base64').readUInt32BE(0);
}

test(`any chunking gives the same bytes and checksums (seed ${SEED})`, () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: BLOCK_BYTES + 1000 }), { maxLength: 6 }),
      fc.boolean(),
      (lengths, keepBytes) => {
        const sink = new ByteSink(keepBytes);
        let offset = 0;
        for (const length of lengths) {
          // A sender may use its buffer again: what was written must not change with it.
          const chunk = Buffer.from(SOURCE.subarray(offset, offset + length));
          sink.write(chunk);
          chunk.fill(0);
          offset = Math.min(offset + length, SOURCE.length);
        }
        assert.equal(sink.receivedBytes, offset);
        assert.equal(sink.persistedBytes, offset - (offset % BLOCK_BYTES));
        sink.persistTail();
        const expected = SOURCE.subarray(0, offset);
        const stored = sink.snapshot();
        assert.equal(stored.sizeBytes, offset);
        assert.equal(crcOf(stored.crc32c), crc32c(expected));
        assert.equal(stored.md5, createHash('md5').update(expected).digest('base64'));
        assert.equal(stored.blocks !== null, keepBytes);
        if (stored.blocks !== null) assert.ok(Buffer.concat(stored.blocks).equals(expected));
      },
    ),
    { seed: SEED, numRuns: 60 },
  );
});

test('a dropped tail leaves no trace in bytes or checksums', () => {
  const sink = new ByteSink(true);
  sink.write(SOURCE.subarray(0, BLOCK_BYTES + 5));
  sink.dropTail();
  sink.write(SOURCE.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES + 9));
  sink.persistTail();
  const expected = SOURCE.subarray(0, 2 * BLOCK_BYTES + 9);
  const { blocks, crc32c: crc } = sink.snapshot();
  assert.ok(Buffer.concat(blocks ?? []).equals(expected));
  assert.equal(crcOf(crc), crc32c(expected));
});

test(`the checksum of a concatenation comes from the checksums of its parts (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 8 }), (parts) => {
      const stored = parts.map((part) => {
        const sink = new ByteSink(false);
        sink.write(part);
        sink.persistTail();
        return sink.snapshot();
      });
      assert.equal(crcOf(concatenate(stored).crc32c), crc32c(Buffer.concat(parts)));
    }),
    { seed: SEED, numRuns: 100 },
  );
});

test(`any range is read across block borders (seed ${SEED})`, async () => {
  const offset = fc.integer({ min: 0, max: 1000 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 6 }),
      offset,
      offset,
      async (sizes, a, b) => {
        let total = 0;
        const blocks = sizes.map((size) => SOURCE.subarray(total, (total += size)));
        const [start, end] = [Math.min(a, b, total), Math.min(Math.max(a, b), total)];
        const read: Uint8Array[] = [];
        for await (const piece of readBlocks(blocks, start, end)) read.push(piece);
        assert.ok(Buffer.concat(read).equals(SOURCE.subarray(start, end)));
      },
    ),
    { seed: SEED, numRuns: 100 },
  );
});
