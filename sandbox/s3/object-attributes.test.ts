import assert from 'node:assert/strict';
import { test } from 'node:test';
import { S3Error } from './errors.ts';
import { decodeEncodedWords, encodeHeaderText, readAttributes } from './object-attributes.ts';

test('printable ASCII stays, everything else becomes mail-safe and decodes to itself', () => {
  assert.equal(encodeHeaderText('plain = text?'), 'plain = text?');
  assert.equal(encodeHeaderText('ключ'), '=?UTF-8?B?0LrQu9GO0Yc=?=');
  assert.equal(encodeHeaderText('Miniö = ok'), '=?UTF-8?Q?Mini=C3=B6_=3D_ok?=');
  for (const text of ['ключ', 'line\nbreak', 'a=b?c_d é', '☃'.repeat(100), `${'plain '.repeat(30)}é`])
    assert.equal(decodeEncodedWords(encodeHeaderText(text)), text);
});

test('UTF-8 sent raw in a header comes back doubly encoded, as from the service', () => {
  const sent = Buffer.from('ÄMÄZÕÑ S3').toString('latin1');
  assert.equal(encodeHeaderText(decodeEncodedWords(sent)), '=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?=');
});

test('aws-chunked is no content encoding of an object', () => {
  assert.equal(
    readAttributes({ 'content-encoding': 'gzip, aws-chunked' }).systemHeaders['content-encoding'],
    'gzip',
  );
  assert.equal(
    readAttributes({ 'content-encoding': 'aws-chunked' }).systemHeaders['content-encoding'],
    undefined,
  );
});

test('user metadata over 2 KB is refused', () => {
  assert.equal(readAttributes({ 'x-amz-meta-a': 'x'.repeat(2047) }).metadata['a']?.length, 2047);
  assert.throws(
    () => readAttributes({ 'x-amz-meta-a': 'x'.repeat(2048) }),
    (error) => error instanceof S3Error && error.code === 'MetadataTooLarge',
  );
});
