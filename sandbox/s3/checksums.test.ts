import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChecksumAlgorithm, digestContent, isDigest } from './checksums.ts';
import { contentOf } from './object-content.ts';

/** The published check values: each algorithm over the nine bytes "123456789". */
const checkValues: [ChecksumAlgorithm, string][] = [
  ['CRC32', 'cbf43926'],
  ['CRC32C', 'e3069283'],
  ['CRC64NVME', 'ae8b14860a799888'],
  ['MD5', '25f9e794323b453885f5181f1b624d0b'],
  ['SHA1', 'f7c3bc1d808e04732adf679965ccc34ca7ae3441'],
  ['SHA256', '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225'],
];

for (const [algorithm, expected] of checkValues)
  test(`${algorithm} has its published check value, whole and in pieces`, async () => {
    for (const pieces of [['123456789'], ['1', '', '2345', '6789']]) {
      const content = contentOf(pieces.map((piece) => Buffer.from(piece)));
      const digests = await digestContent(content, [algorithm]);
      assert.equal(digests.get(algorithm)?.toString('hex'), expected);
    }
  });

test('two CRC64NVME runs at once do not disturb each other', async () => {
  const contents = ['123456789', 'something else'].map((text) => contentOf([Buffer.from(text)]));
  const [first] = await Promise.all(contents.map(async (content) => digestContent(content, ['CRC64NVME'])));
  assert.equal(first?.get('CRC64NVME')?.toString('hex'), 'ae8b14860a799888');
});

test('a digest of the wrong length or form is not one', () => {
  assert.equal(isDigest('CRC32C', 'AAAAAA=='), true);
  assert.equal(isDigest('CRC32C', 'AAAAAAAA'), false);
  assert.equal(isDigest('CRC32C', 'not base64!'), false);
});
