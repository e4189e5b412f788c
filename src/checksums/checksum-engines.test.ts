import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCRC32, createCRC64 } from 'hash-wasm';
import { combineCrc32c, crc32c, crc32cFromBase64, crc32cToBase64 } from '../core/checksum.ts';
import { CRC32C_MULTIPLE, CRC64_NVME_MULTIPLE } from './crc-module.ts';
import { openChecksumEngine } from './native-checksums.ts';
import { openWasmChecksumEngine } from './wasm-checksums.ts';

const ENGINES = { native: openChecksumEngine(), WebAssembly: await openWasmChecksumEngine() };
const CHECK = Buffer.from('123456789');

/** Published check values over "123456789" (CRC catalogue; RFC 1321, RFC 3174, FIPS 180). */
const CHECK_VALUES: Record<string, string> = {
  crc32: 'cbf43926',
  crc32c: 'e3069283',
  crc64nvme: 'ae8b14860a799888',
  md5: '25f9e794323b453885f5181f1b624d0b',
  sha1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  sha256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
};

for (const [name, engine] of Object.entries(ENGINES)) {
  for (const [algorithm, hex] of Object.entries(CHECK_VALUES)) {
    test(`${name}: ${algorithm} gives the published check value, in one piece and in two`, () => {
      for (const cut of [0, 4, 9]) {
        const running = engine.start(algorithm, null);
        assert.ok(running);
        running.update(CHECK.subarray(0, cut));
        running.update(CHECK.subarray(cut));
        assert.equal(Buffer.from(running.digestBase64(), 'base64').toString('hex'), hex);
      }
    });
  }

  test(`${name}: two running checksums of one algorithm do not disturb each other`, () => {
    const first = engine.start('crc64nvme', null);
    const second = engine.start('crc64nvme', null);
    first?.update(CHECK.subarray(0, 5));
    second?.update(Buffer.from('other bytes'));
    first?.update(CHECK.subarray(5));
    assert.equal(
      Buffer.from(first?.digestBase64() ?? '', 'base64').toString('hex'),
      CHECK_VALUES['crc64nvme'],
    );
  });

  test(`${name}: a CRC continues from its saved state; a hash cannot be saved`, () => {
    for (const algorithm of ['crc32', 'crc32c', 'crc64nvme']) {
      const before = engine.start(algorithm, null);
      before?.update(CHECK.subarray(0, 3));
      const after = engine.start(algorithm, before?.save() ?? null);
      after?.update(CHECK.subarray(3));
      assert.equal(
        Buffer.from(after?.digestBase64() ?? '', 'base64').toString('hex'),
        CHECK_VALUES[algorithm],
      );
    }
    assert.equal(engine.start('sha256', null)?.save(), null);
  });

  test(`${name}: an unknown algorithm is not started`, () => {
    assert.equal(engine.start('xxhash3', null), null);
  });

  test(`${name}: the plain CRC32C, its own one and the combination of parts agree for any bytes and any cut`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(), (bytes, anywhere) => {
        const cut = bytes.length === 0 ? 0 : anywhere % (bytes.length + 1);
        const whole = crc32c(bytes);
        assert.equal(engine.crc32c(bytes, 0), whole);
        const first = bytes.subarray(0, cut);
        const second = bytes.subarray(cut);
        assert.equal(crc32c(second, crc32c(first)), whole);
        assert.equal(engine.crc32c(second, engine.crc32c(first, 0)), whole);
        assert.equal(combineCrc32c(crc32c(first), crc32c(second), second.length), whole);
      }),
    );
  });
}

test('base64 of a CRC32C is big-endian and comes back', () => {
  assert.equal(crc32cToBase64(0xe3069283), '4waSgw==');
  assert.equal(crc32cFromBase64('4waSgw=='), 0xe3069283);
  assert.equal(crc32cFromBase64('4waS'), null);
  assert.equal(crc32cToBase64(0), 'AAAAAA==');
});

for (const [name, engine] of Object.entries(ENGINES)) {
  test(`${name}: CRC64 and CRC32C are right for long bytes, in any pieces, folded and not`, async () => {
    const references = {
      crc64nvme: await createCRC64('9a6c9329ac4bc9b5'),
      crc32c: await createCRC32(0x82f63b78),
    };
    const bytes = randomFillSync(Buffer.alloc(1_300_001));
    fc.assert(
      fc.property(
        fc.nat(bytes.length),
        fc.nat(bytes.length),
        fc.nat(1000),
        fc.boolean(),
        (first, second, cut, isShort) => {
          const [start, longEnd] = first < second ? [first, second] : [second, first];
          const end = isShort ? Math.min(start + (longEnd % 50_000), longEnd) : longEnd;
          const part = bytes.subarray(start, end);
          const middle = Math.floor((part.length * cut) / 1000);
          const beside = engine.start('crc64nvme', null);
          const half = beside?.updateBeside(part.subarray(0, middle), 0) ?? 0;
          const both = beside?.updateBeside(part.subarray(middle), half) ?? 0;
          assert.equal(both, engine.crc32c(part, 0));
          for (const [algorithm, reference] of Object.entries(references)) {
            const running = engine.start(algorithm, null);
            running?.update(part.subarray(0, middle));
            running?.update(part.subarray(middle));
            const expected = reference.init().update(part).digest('hex');
            assert.equal(Buffer.from(running?.digestBase64() ?? '', 'base64').toString('hex'), expected);
          }
        },
      ),
    );
  });
}

test('what is folded with is a multiple of the polynomial', () => {
  const isMultiple = (polynomial: bigint, degree: number, exponents: readonly number[]): boolean => {
    // Reflected: x^0 is the highest bit.
    let power = 1n << BigInt(degree - 1);
    let sum = 0n;
    for (let unit = 0; unit <= Math.max(...exponents); unit += 1) {
      if (exponents.includes(unit)) sum ^= power;
      for (let bit = 0; bit < 128; bit += 1) power = power & 1n ? (power >> 1n) ^ polynomial : power >> 1n;
    }
    return sum === 0n;
  };
  assert.ok(isMultiple(0x9a6c9329ac4bc9b5n, 64, CRC64_NVME_MULTIPLE));
  assert.ok(isMultiple(0x82f63b78n, 32, CRC32C_MULTIPLE));
  assert.ok(!isMultiple(0x82f63b78n, 32, [...CRC32C_MULTIPLE, 210]));
});

test('a saved state that is none of ours is not taken up', () => {
  for (const state of ['', 'AQIDBAUGBwgJCgsM', 'crc64:', 'crc64:12345678901234567', 'crc64:xyz'])
    assert.equal(openChecksumEngine().start('crc64nvme', state), null, state);
});
