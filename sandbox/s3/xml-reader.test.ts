import assert from 'node:assert/strict';
import { test } from 'node:test';
import { childNodes, childText, parseDocument } from './xml-reader.ts';
import { group, text } from './xml.ts';

const keys = [
  'a&b',
  '<x>',
  ' leading and trailing ',
  '0012',
  'true',
  '1e3',
  '&amp;',
  '&#65;',
  'é☃',
  ' ',
  'a\u0001b',
  'cr\rlf\n',
  '__proto__',
  ']]>',
];

for (const key of keys)
  test(`the key ${JSON.stringify(key)} survives being written and read`, () => {
    const xml = group('Delete', group('Object', text('Key', key)), group('Object', text('Key', 'other')));
    const [first, second] = childNodes(parseDocument(Buffer.from(xml), 'Delete'), 'Object');
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(childText(first, 'Key'), key);
    assert.equal(childText(second, 'Key'), 'other');
    assert.equal(childText(second, 'VersionId'), null);
  });

for (const broken of [
  '',
  'no xml',
  '<Delete>',
  '<Other/>',
  '<Delete><Object></Delete>',
  '<Delete>text</Delete>',
])
  test(`the document ${JSON.stringify(broken)} is refused`, () => {
    assert.throws(() => parseDocument(Buffer.from(broken), 'Delete'), { code: 'MalformedXML' });
  });
