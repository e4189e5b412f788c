// Odd keys: each must come back byte for byte from looks, reads and lists, and none may stand for another.
import assert from 'node:assert/strict';
import type { ObjectLocation } from '../../src/core/object.ts';
import {
  bytesOf,
  live,
  openRead,
  type SourceCheck,
  type SourceCheckContext,
  stateOf,
} from './object-source-fixture.ts';

/** Writes every key with content of its own, then finds each again by look, by read and in the list. */
async function carries(
  context: SourceCheckContext,
  keys: readonly string[],
  listPrefix: string,
): Promise<void> {
  const { source, bucket } = context;
  const at = (key: string): ObjectLocation => ({ bucket, key });
  const textOf = (key: string): string => `content of ${JSON.stringify(key)}`;
  for (const key of keys) await context.putText(at(key), textOf(key));
  for (const key of keys) {
    const state = await stateOf(context, at(key));
    assert.equal(state.sizeBytes, Buffer.byteLength(textOf(key)), JSON.stringify(key));
    const whole = await openRead(context, at(key), null, 0);
    assert.equal((await bytesOf(whole.body)).toString(), textOf(key));
    const rest = await openRead(context, at(key), state, 3);
    assert.equal((await bytesOf(rest.body)).toString(), textOf(key).slice(3));
  }
  const found: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await source.list({ bucket, prefix: listPrefix, cursor, limit: 3 }, live());
    found.push(...page.entries.map((entry) => entry.key));
    cursor = page.nextCursor;
  } while (cursor !== null);
  for (const key of keys) {
    assert.equal(
      found.filter((other) => other === key).length,
      1,
      `${JSON.stringify(key)} is not in the list exactly once: ${JSON.stringify(found)}`,
    );
  }
}

/** A check of keys that begin with the prefix of the check. */
function below(...names: readonly string[]): SourceCheck {
  return async (context) => {
    const keys = names.map((name) => context.prefix + name);
    await carries(context, keys, context.prefix);
  };
}

export const NAME_CHECKS = {
  'keys with a space, a plus and what encodes them are different keys': below('a b', 'a+b', 'a%20b', 'a%2Bb'),
  'keys with a percent sign are not decoded': below(
    '100%',
    '%',
    '%2F',
    '%252F',
    'a/b',
    'a%2Fb',
    '%zz',
    '%00',
  ),
  'keys with dot segments are not resolved': below('x/../y', 'y', 'x/./z', 'x/z', '..', '.', 'x/..', 'x/...'),
  'keys with empty segments keep them': below('a//b', 'a/b', 'a///b', '/lead', 'lead'),
  'a trailing slash makes another key': below('dir', 'dir/', 'dir//', 'dir/k'),
  'composed and decomposed letters are different keys': below('\u00e9', 'e\u0301', '\u212b', '\u00c5'),
  'keys of every length of UTF-8 are kept': below(
    'é',
    '☃',
    '😀',
    '\u{10ffff}',
    '\uffff',
    'a\u00a0b',
    '\ufeff',
  ),
  'keys with quotes, brackets and separators are kept': below(
    '"quoted"',
    "it's",
    '<script>alert(1)</script>',
    '&amp;',
    'a&b=c',
    'a?b#c',
    'a;b:c@d',
    'back\\slash',
    "!'()*",
    '~`|^{}[]$,',
  ),
  'keys with control characters are kept': below(
    'line\nbreak',
    'tab\there',
    'cr\rhere',
    'bell\u0007',
    'del\u007f',
  ),
  'keys that look like numbers or words are kept': below(
    '0123',
    '1e5',
    '0x10',
    'true',
    'null',
    '__proto__',
    'NaN',
  ),
  'keys with white space at their ends are kept': below(' lead', 'trail ', ' ', '  '),

  'a key of 1,024 bytes is kept': async (context) => {
    const { prefix } = context;
    const ascii = prefix + 'k'.repeat(1024 - Buffer.byteLength(prefix));
    const wide = prefix + '😀'.repeat(Math.floor((1024 - Buffer.byteLength(prefix)) / 4));
    await carries(context, [ascii, `${wide}${'x'.repeat(1024 - Buffer.byteLength(wide))}`], prefix);
  },

  'a slash or dots at the beginning of a key are kept': async (context) => {
    const { prefix } = context;
    await carries(
      context,
      [`/${prefix}k`, `//${prefix}k`, `../${prefix}k`, `./${prefix}k`, `${prefix}k`],
      '',
    );
  },

  'absence is that of the very key': async (context) => {
    await context.putText(context.at('a/b'), 'text');
    for (const name of ['a%2Fb', 'a//b', 'a/b/', 'A/b', 'x/../a/b', 'a/./b', ' a/b']) {
      const look = await context.source.look(context.at(name), live());
      assert.deepEqual(look, { kind: 'absent', proof: 'no_such_key' }, name);
    }
  },
} as const satisfies Record<string, SourceCheck>;
