// What every driver of the notes port promises.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DurableNotes } from '../../src/core/durable-notes.ts';

/** Registers the contract for a driver. `withNotes` runs a body with empty notes and closes them afterwards. */
export function promiseDurableNotes(
  driver: string,
  withNotes: (body: (notes: DurableNotes) => Promise<void>) => Promise<void>,
): void {
  const promise = (behaviour: string, body: (notes: DurableNotes) => Promise<void>): void => {
    test(`notes in ${driver}: ${behaviour}`, () => withNotes(body));
  };

  promise('a note that was written is read back, character by character', async (notes) => {
    const value = '{"key":"a\u0000b é 🙂\\n"}';
    assert.equal(await notes.read('a'), null);
    assert.equal(await notes.write('a', value, null), true);
    assert.equal((await notes.read('a'))?.value, value);
  });

  promise('a write on an old version changes nothing', async (notes) => {
    await notes.write('a', 'one', null);
    const first = await notes.read('a');
    assert(first !== null);
    assert.equal(await notes.write('a', 'two', first.version), true);
    assert.equal(await notes.write('a', 'lost', first.version), false);
    assert.equal((await notes.read('a'))?.value, 'two');
  });

  promise('of two writers that saw no note, one wins', async (notes) => {
    const answers = await Promise.all([notes.write('a', 'x', null), notes.write('a', 'y', null)]);
    assert.deepEqual(answers.toSorted(), [false, true]);
  });

  promise('a write to a note that is gone changes nothing', async (notes) => {
    assert.equal(await notes.write('a', 'x', 7), false);
    assert.equal(await notes.read('a'), null);
  });

  promise('a removed note is gone, and its version never comes back', async (notes) => {
    await notes.write('a', 'x', null);
    const old = await notes.read('a');
    assert(old !== null);
    assert.equal(await notes.remove('a', old.version + 1), false);
    assert.equal(await notes.remove('a', old.version), true);
    assert.equal(await notes.remove('a', old.version), false);
    await notes.write('a', 'anew', null);
    assert.equal(await notes.write('a', 'by the old one', old.version), false);
    assert.equal((await notes.read('a'))?.value, 'anew');
  });

  promise('a listing has exactly the names of a prefix, in order of their bytes', async (notes) => {
    for (const name of ['run:b', 'run:a', 'run', 'runs', 'run:é', 'Run:a', 'run:%']) {
      await notes.write(name, name, null);
    }
    const found = await notes.list('run:');
    assert.deepEqual(
      found.map(({ name, value }) => [name, value]),
      ['run:%', 'run:a', 'run:b', 'run:é'].map((name) => [name, name]),
    );
    assert.equal((await notes.list('none')).length, 0);
  });
}
