import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { test } from 'node:test';
import { gatherLines } from './gathered-lines.ts';

function gathered(): { readonly lines: ReturnType<typeof gatherLines>; readonly writes: string[] } {
  const writes: string[] = [];
  return { lines: gatherLines((text) => writes.push(text)), writes };
}

test('whoever goes on for the same reason has its line in the same write, before what follows from it', async () => {
  const { lines, writes } = gathered();
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = promise.then(() => lines.write('one\n'));
  const second = promise.then(() => lines.write('two\n'));
  resolve();
  await Promise.all([first, second]);
  assert.deepEqual(writes, ['one\ntwo\n']);
  lines.write('three\n');
  await Promise.resolve();
  assert.deepEqual(writes, ['one\ntwo\n', 'three\n']);
});

test('lines written one after the other go out in one write, in their order', async () => {
  const { lines, writes } = gathered();
  lines.write('one\n');
  lines.write('two\n');
  assert.deepEqual(writes, []);
  await nextTurn();
  assert.deepEqual(writes, ['one\ntwo\n']);
  lines.write('three\n');
  await nextTurn();
  assert.deepEqual(writes, ['one\ntwo\n', 'three\n']);
});

test('much text does not wait', () => {
  const { lines, writes } = gathered();
  const line = `${'x'.repeat(1_000)}\n`;
  for (let count = 0; count < 100; count += 1) lines.write(line);
  lines.flush();
  assert.equal(writes.join(''), line.repeat(100));
  assert.equal(writes.length, 2);
});

test('a flush writes at once what is held, and nothing where nothing is', async () => {
  const { lines, writes } = gathered();
  lines.write('last words\n');
  lines.flush();
  assert.deepEqual(writes, ['last words\n']);
  lines.flush();
  await nextTurn();
  assert.deepEqual(writes, ['last words\n']);
});
