// A short run of the workers without a database, so that they are known to work: `npm run test:stateless` is the long
// one. Most of its time is the visibility of what the last killed worker held, and the grace after it.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { runFleetSqs } from './fleet-sqs.ts';

test('three workers without a database that are killed again and again bring every object over and leave no dead letter', async () => {
  const seed = randomInt(1_000_000_000);
  console.log(`seed ${seed}`);
  const { violations, counts } = await runFleetSqs({
    workers: 3,
    objects: 250,
    seed,
    killEveryMs: 1_500,
    maxKills: 3,
    writeOverMs: 5_000,
    isVersioned: true,
    tell: console.log,
  });
  assert.deepEqual(violations, []);
  assert.ok((counts.get('kills') ?? 0) > 0);
  // Some are deleted at the source; how many, the seed decides.
  assert.ok((counts.get('objects compared') ?? 0) > 150);
});
