// Objects that can never be read, among many that can.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notification, patternBytes, Pipeline, SOURCE_BUCKET } from './pipeline.ts';

test('objects whose reads stall, break or fail for ever park, and twenty beside them arrive', async () => {
  await using pipeline = await Pipeline.open({ source: { bodyIdleTimeoutMs: 200 }, maxConcurrency: 2 });
  const poisoned = {
    stalls: { kind: 'stall_response', afterBytes: 100 },
    breaks: { kind: 'cut_response', afterBytes: 100 },
    fails: { kind: 'status', status: 500, code: 'InternalError' },
  } as const;
  for (const [key, effect] of Object.entries(poisoned)) {
    await pipeline.s3.putObject(SOURCE_BUCKET, key, patternBytes(5_000));
    pipeline.s3.faults.add({
      match: { method: 'GET', path: `/${SOURCE_BUCKET}/${key}` },
      effect,
      times: Number.POSITIVE_INFINITY,
    });
  }
  const good = Array.from({ length: 20 }, (_, index) => `good/${index}`);
  for (const key of good) await pipeline.s3.putObject(SOURCE_BUCKET, key, `bytes of ${key}`);
  // Poison comes first, and fills every slot.
  await pipeline.take(notification([...Object.keys(poisoned), ...good]));
  for (const key of good) {
    assert.equal((await pipeline.ended(key)).outcome, 'replicated', key);
    pipeline.assertEqual(key);
  }
  for (const key of Object.keys(poisoned)) {
    assert.equal((await pipeline.ended(key)).status, 'parked', key);
    assert.equal(pipeline.targetBytes(key), null);
  }
});
