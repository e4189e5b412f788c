// A few seconds of the soak: that it runs and finds nothing. `npm run soak` is the long one.
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { test } from 'node:test';
import { soak } from './soak.ts';

for (const deletes of ['ignore', 'mirror'] as const)
  test(`a few seconds of writes, lost and doubled notifications, troubles and kills end with both sides equal, deletes: ${deletes}`, async () => {
    const seed = randomInt(1_000_000_000);
    console.log(`seed ${seed}`);
    const report = await soak({
      durationMs: 3_000,
      seed,
      deletes,
      settings: { REPLICATOR_ENCRYPTION_KEY: randomBytes(32).toString('base64') },
      endsWithKill: true,
    });
    assert.deepEqual(report.violations, [], report.history.join('\n'));
    assert.ok(report.comparison.equal > 10, 'Something was replicated');
  });
