// Every way in carries the same objects, with doubled and overtaken messages. `npm run test:ways-in` is the long one.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { runWay } from './run-way.ts';
import { WAYS } from './ways.ts';

const OBJECTS = 60;

for (const way of WAYS) {
  const seed = randomInt(1_000_000_000);
  test(`${OBJECTS} objects arrive complete through ${way.name} (seed ${seed})`, async () => {
    const report = await runWay(way, OBJECTS, seed);
    assert.deepEqual(report.differences, []);
    assert.equal(report.equal, OBJECTS);
    assert.equal(report.deadLetters, 0);
  });
}
