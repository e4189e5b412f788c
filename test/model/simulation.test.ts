// The simulation as a test: new seeds in each run, printed so that a failure can be played again, and planted
// mistakes, because a search that finds nothing proves nothing unless it can find something.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLANTED_MISTAKES, withinSeeds } from './planted-mistakes.ts';
import { Choices } from './choices.ts';
import { searchSeeds, shortestHistory } from './search.ts';
import { runWorld } from './world.ts';

const SEARCH_MS = 3_000;
const firstSeed = Date.now() % 1_000_000_000;

for (const mode of ['queue', 'stateless'] as const) {
  test(`no invariant breaks in any history of the new seeds, mode ${mode}`, async (context) => {
    const endAtMs = performance.now() + SEARCH_MS;
    const found = await searchSeeds({
      firstSeed,
      seedCount: 2_000,
      planted: null,
      mode,
      goesOn: () => performance.now() < endAtMs,
    });
    context.diagnostic(`seeds ${firstSeed} to ${firstSeed + found.seedCount - 1}: ${found.stepCount} steps`);
    if (found.failedSeed === null) return;
    const { history } = await shortestHistory(found.failedSeed, null, mode);
    assert.fail(
      `Again with: npm run simulate -- --seed ${found.failedSeed} --mode ${mode}\n${history.join('\n')}`,
    );
  });

  test(`a seed gives the same history each time, mode ${mode}`, async () => {
    const [one, other] = [
      await runWorld(Choices.ofSeed(firstSeed), null, true, mode),
      await runWorld(Choices.ofSeed(firstSeed), null, true, mode),
    ];
    assert.deepEqual(one.history, other.history);
  });
}

for (const name of [
  'delete-no-metageneration',
  'write-no-generation',
  'delete-anything',
  'metadata-not-compared',
  'dirty-cleared-at-finish',
  'forbidden-is-absent',
  'parking-drops-a-change',
  'answer-before-commit',
  'retry-without-bound',
  'no-look-where-mirrored',
  'acknowledged-at-commit',
  'unanswered-forgotten',
]) {
  test(`the planted mistake ${name} is found`, async (context) => {
    const planted = PLANTED_MISTAKES.find((known) => known.name === name);
    assert.ok(planted);
    const found = await searchSeeds({ firstSeed, seedCount: withinSeeds(planted), planted });
    context.diagnostic(
      `${found.invariant ?? 'nothing'} after ${found.seedCount} seeds from ${firstSeed} on: ${planted.what}`,
    );
    assert.ok(found.failedSeed !== null, `not found from seed ${firstSeed} on`);
  });
}

test('a shortened history still fails, and is no longer than the one it was made from', async () => {
  const planted = PLANTED_MISTAKES.find(({ name }) => name === 'delete-anything') ?? null;
  const { failedSeed, invariant } = await searchSeeds({ firstSeed: 1, seedCount: 500, planted });
  assert.ok(failedSeed !== null);
  const whole = await runWorld(Choices.ofSeed(failedSeed), planted, true);
  const shortened = await shortestHistory(failedSeed, planted, 'queue', 200);
  assert.equal(shortened.violation?.invariant, invariant);
  assert.ok(shortened.history.length <= whole.history.length);
});
