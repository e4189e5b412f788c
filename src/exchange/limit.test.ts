import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Limit } from './limit.ts';

test('a promise is raced against the limit', async () => {
  const stopping = new AbortController();
  const limit = new Limit(stopping.signal, 60_000);
  assert.equal(await limit.race(Promise.resolve(7)), 7);
  const reason = new Error('enough');
  const raced = limit.race(new Promise(() => {}));
  stopping.abort(reason);
  await assert.rejects(raced, reason);
  await assert.rejects(limit.race(Promise.resolve(7)), reason);
  limit.end();
});
