// A short run of the fleet, so that it is known to work: `npm run test:fleet` is the long one. Most of its time is the
// lease of the last process that was killed.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { POSTGRES_MISSING } from '../postgres-server.ts';
import { runFleet } from './fleet.ts';

test(
  'three processes that are killed again and again, on a database that crashes once, write every object once and lose none',
  { skip: POSTGRES_MISSING ?? false },
  async () => {
    const seed = randomInt(1_000_000_000);
    console.log(`seed ${seed}`);
    const { violations, counts } = await runFleet({
      processes: 3,
      transfers: 500,
      seed,
      killEveryMs: 1_000,
      maxKills: 4,
      announceOverMs: 6_000,
      databaseRestart: 'immediate',
      tell: console.log,
    });
    assert.deepEqual(violations, []);
    assert.equal(counts.get('kills'), 4);
    assert.equal(counts.get('objects written'), 500);
  },
);
