import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareKeys } from './key-order.ts';

const anyKey = fc.array(
  fc.oneof(
    fc.constantFrom(
      'a',
      'b',
      '/',
      '\0',
      '\u007f',
      'é',
      '\ud7ff',
      '\ue000',
      '\uff5e',
      '\uffff',
      '😀',
      '\u{10ffff}',
    ),
    fc.string({ unit: 'binary', maxLength: 2 }),
  ),
  { maxLength: 6 },
);

test('names are ordered as their UTF-8 bytes are, whatever characters they hold', () => {
  fc.assert(
    fc.property(anyKey, anyKey, (partsA, partsB) => {
      const [a, b] = [partsA.join(''), partsB.join('')];
      assert.equal(Math.sign(compareKeys(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 3000 },
  );
});

test('a character of two UTF-16 units comes behind every character of one', () => {
  assert.deepEqual(['\uff5e', '😀'].toSorted(), ['😀', '\uff5e'], 'strings compare by units');
  assert.ok(compareKeys('😀', '\uff5e') > 0);
  assert.ok(compareKeys('a😀', 'a\uffff') > 0);
  assert.ok(compareKeys('a', 'a\0') < 0);
});
