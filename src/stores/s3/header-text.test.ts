import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEncodedWords, headerText } from './header-text.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('encoded words in UTF-8 become text', () => {
  const cases: [string, string][] = [
    ['plain', 'plain'],
    [`=?UTF-8?B?${base64('Grüße 😀')}?=`, 'Grüße 😀'],
    ['=?utf-8?q?caf=C3=A9_au_lait?=', 'café au lait'],
    [`a =?UTF-8?B?${base64('é')}?= b`, 'a é b'],
    [`=?UTF-8?B?${base64('é')}?= =?UTF-8?Q?=C3=BC?=`, 'éü'],
    // One character split between two words.
    ['=?UTF-8?B?w6nD?=\t=?UTF-8?B?qQ==?=', 'éé'],
    ['=?UTF-8?B??=', ''],
  ];
  for (const [value, text] of cases) assert.equal(decodeEncodedWords(value), text, value);
});

test('what cannot be decoded stays as it is', () => {
  for (const value of [
    '=?ISO-8859-1?Q?caf=E9?=',
    '=?UTF-8?B?/w==?=',
    '=?UTF-8?Q?=FF?=',
    '=?UTF-8?X?abc?=',
    '=?UTF-8?B?abc',
    '=?=',
  ]) {
    assert.equal(decodeEncodedWords(value), value);
  }
});

test('raw UTF-8 bytes become text, other bytes stay Latin-1', () => {
  assert.equal(headerText(Buffer.from('Grüße 😀').toString('latin1')), 'Grüße 😀');
  assert.equal(headerText('caf\u00e9'), 'caf\u00e9');
  assert.equal(headerText('plain'), 'plain');
});
