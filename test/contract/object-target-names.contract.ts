// Contract of the object target, third part: names are carried byte by byte, or refused before anything is sent.
import assert from 'node:assert/strict';
import {
  assertAbsent,
  assertBytes,
  assertFault,
  bytesOf,
  type Check,
  committed,
  finish,
  insertBytes,
  live,
  openUpload,
  present,
  put,
} from './object-target-fixture.ts';

/** Each below a prefix of the check, except the absolute ones: what a URL library or a proxy could change. */
const ODD_NAMES = [
  'with space',
  'with  two  spaces ',
  'plus+plus',
  'percent%',
  'percent%25',
  'slash%2Fescaped',
  'slash%2fescaped',
  'question?mark=1&x',
  'hash#tag',
  'semi;colon,comma',
  'a//b',
  'a/./b',
  'a/../b',
  '../up',
  'trailing/',
  'trailing//',
  'back\\slash',
  'quotes\'"`',
  '<script>alert(1)</script>',
  "(brackets)[]{}*!'",
  'tab\tand\u0001control',
  'emoji-😀-🏳️‍🌈',
  'nfc-\u00e9',
  'nfd-e\u0301',
  'right-to-left-\u05d0',
  '\ufeffbyte-order-mark',
  '.hidden',
  '...',
  'null',
  '__proto__',
] as const;

const ABSOLUTE_NAMES = [
  '/leading',
  '//leading',
  '../outside',
  './here',
  '...',
  '__proto__',
  'constructor',
] as const;

export const NAME_CHECKS = {
  'odd names are kept byte by byte and never meet': async (context) => {
    const locations = ODD_NAMES.map((name) => context.at(name));
    for (const location of locations) {
      assert.equal(context.target.capabilities.nameProblem(location), null, location.key);
      await put(context, location, `bytes of ${location.key}`);
    }
    for (const location of locations)
      await assertBytes(context, location, bytesOf(`bytes of ${location.key}`));
    const page = await context.target.list(
      { bucket: context.bucket, prefix: context.at('').key, cursor: null, limit: 1000 },
      live(),
    );
    assert.deepEqual(new Set(page.entries.map(({ key }) => key)), new Set(locations.map(({ key }) => key)));
    for (const location of locations) {
      const { token } = await present(context, location);
      const removed = await context.target.remove({ location, token, deadlineMs: 30_000 }, live());
      assert.equal(removed.kind, 'committed', location.key);
      await assertAbsent(context, location);
    }
  },
  'names that are odd from their first byte are kept': async (context) => {
    for (const key of ABSOLUTE_NAMES) {
      const location = { bucket: context.bucket, key };
      const { token } = await put(context, location, key);
      await assertBytes(context, location, bytesOf(key));
      await context.target.remove({ location, token, deadlineMs: 30_000 }, live());
      await assertAbsent(context, location);
    }
  },
  'an odd name can be uploaded in several requests': async (context) => {
    const location = context.at('upload/ +%2F?#😀"');
    const session = await openUpload(context, location);
    committed(await finish(context, session, bytesOf('uploaded'), 0));
    await assertBytes(context, location, bytesOf('uploaded'));
  },
  'a name of 1,024 bytes is kept': async (context) => {
    const prefix = context.at('').key;
    const room = 1024 - Buffer.byteLength(prefix);
    const key = prefix + 'é'.repeat(Math.floor(room / 2)) + 'x'.repeat(room % 2);
    assert.equal(Buffer.byteLength(key), 1024);
    const location = { bucket: context.bucket, key };
    await put(context, location, 'long');
    await assertBytes(context, location, bytesOf('long'));
  },
  'a name that cannot be kept is refused with its reason': async (context) => {
    const { target, bucket } = context;
    for (const key of [
      '',
      '.',
      '..',
      'line\nfeed',
      'carriage\rreturn',
      'x'.repeat(1025),
      'half \ud83d pair',
    ]) {
      const location = { bucket, key };
      assert.equal(typeof target.capabilities.nameProblem(location), 'string', JSON.stringify(key));
      await assertFault(insertBytes(context, location, bytesOf('x'), 'absent'), 'name_not_storable');
      await assertFault(openUpload(context, location), 'name_not_storable');
    }
  },
} as const satisfies Record<string, Check>;
