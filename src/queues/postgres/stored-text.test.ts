// Names survive the way into PostgreSQL and back, whatever they hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromStored, toStored } from './stored-text.ts';

const anyText = fc.oneof(
  fc.string({ unit: fc.constantFrom('\\', '0', 'u', 'd', '8', '\0', '\ud800', '\udc00', '😀', 'é', '/') }),
  fc.string({ unit: 'binary' }),
);

test('what is kept holds no NUL and no lone surrogate, and is read back exactly', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const stored = toStored(text);
      assert.equal(fromStored(stored), text);
      assert(stored.isWellFormed() && !stored.includes('\0'));
    }),
  );
});

test('a beginning of a name is a beginning of what is kept', () => {
  fc.assert(
    fc.property(anyText, anyText, (first, second) => {
      // A pair of surrogates that two texts make together is a character of its own.
      fc.pre(first.isWellFormed());
      assert(toStored(first + second).startsWith(toStored(first)));
    }),
  );
});

test('an ordinary name is kept as it is', () => {
  assert.equal(toStored('photos/2026/ä 😀%_.jpg'), 'photos/2026/ä 😀%_.jpg');
});
