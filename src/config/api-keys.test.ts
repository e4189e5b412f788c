import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { createApiKey, parseApiKeys } from './api-keys.ts';

const randomBytes = Uint8Array.from({ length: 32 }, (_, index) => index * 7);

test('a created key has its id and 43 characters of randomness, and its entry accepts exactly it', () => {
  const { key, entry } = createApiKey({ scope: 'read', id: 'dash.board-1', randomBytes });
  assert.match(key, /^rpl_dash\.board-1_[\w-]{43}$/);
  const parsed = parseApiKeys(entry);
  assert.ok(parsed.ok);
  const sha256 = createHash('sha256').update(key).digest('hex');
  assert.deepEqual(parsed.value, [{ scope: 'read', id: 'dash.board-1', sha256, wasPlain: false }]);
  assert.ok(!entry.includes(key.slice(-43)));
});

test('a key is refused an id that could not be told from the rest, and too little randomness', () => {
  for (const id of ['', 'a b', 'a_b', 'a:b', 'x'.repeat(65), '-a'])
    assert.throws(() => createApiKey({ scope: 'read', id, randomBytes }), RangeError);
  assert.throws(
    () => createApiKey({ scope: 'read', id: 'a', randomBytes: randomBytes.subarray(1) }),
    RangeError,
  );
});

test('a plain key means write, is hashed at once and takes its id from its own text where it has one', () => {
  const { key } = createApiKey({ scope: 'write', id: 'ci', randomBytes });
  const parsed = parseApiKeys(`hand-made-key, ${key}`);
  assert.ok(parsed.ok);
  assert.deepEqual(
    parsed.value.map(({ scope, id, wasPlain }) => ({ scope, id, wasPlain })),
    [
      { scope: 'write', id: 'plain-1', wasPlain: true },
      { scope: 'write', id: 'ci', wasPlain: true },
    ],
  );
  assert.ok(!JSON.stringify(parsed.value).includes('hand-made'));
});

test('an entry with a colon that does not parse is an error that names its place and not its text', () => {
  const digest = 'ab'.repeat(32);
  const cases = {
    [`owner:ci:${digest}`]: /entry 1 has an unknown scope/,
    'write:ci': /three parts/,
    [`write:ci:${digest}:more`]: /three parts/,
    [`write:c_i:${digest}`]: /an id/,
    'write:ci:c2VjcmV0': /SHA-256/,
    [`write:ci:${digest},read:ci:${digest}`]: /entry 2 repeats/,
  };
  for (const [text, expected] of Object.entries(cases)) {
    const parsed = parseApiKeys(text);
    assert.ok(!parsed.ok, text);
    assert.match(parsed.reason, expected);
    assert.ok(!parsed.reason.includes(digest) && !parsed.reason.includes('c2VjcmV0'));
  }
});

test('a list without a single key is an error, not the absence of keys', () => {
  for (const text of [',', ',,', ' , ']) {
    const parsed = parseApiKeys(text);
    assert.equal(parsed.ok, false, text);
  }
});
