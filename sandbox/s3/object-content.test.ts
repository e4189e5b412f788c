import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentOf, joinContents, type ObjectContent, syntheticContent } from './object-content.ts';

const mebibyte = 1024 * 1024;

function bytesOf(content: ObjectContent, start = 0, end = content.sizeBytes): Buffer {
  return Buffer.concat([...content.read(start, end)]);
}

test('every slice of pieces and of joined contents is the slice of the whole', () => {
  const whole = Buffer.from('the quick brown fox');
  const pieces = [whole.subarray(0, 4), whole.subarray(4, 4), whole.subarray(4, 13), whole.subarray(13)];
  const contents = [contentOf(pieces), joinContents(pieces.map((piece) => contentOf([piece])))];
  for (const content of contents)
    for (let start = 0; start <= whole.length; start += 1)
      for (let end = start; end <= whole.length; end += 1)
        assert.deepEqual(bytesOf(content, start, end), whole.subarray(start, end));
});

test('synthetic bytes are the same whichever way they are read, and differ by seed and by block', () => {
  const content = syntheticContent(3 * mebibyte + 7, 42);
  const whole = bytesOf(content);
  assert.equal(whole.length, content.sizeBytes);
  assert.deepEqual(
    bytesOf(content, mebibyte - 3, 2 * mebibyte + 3),
    whole.subarray(mebibyte - 3, 2 * mebibyte + 3),
  );
  assert.notDeepEqual(whole.subarray(0, mebibyte), whole.subarray(mebibyte, 2 * mebibyte));
  assert.notDeepEqual(bytesOf(syntheticContent(100, 1)), bytesOf(syntheticContent(100, 2)));
});

test('a synthetic object of 50 TB answers for any range at once', () => {
  const content = syntheticContent(50e12, 7);
  assert.equal(bytesOf(content, 50e12 - 5, 50e12).length, 5);
});
