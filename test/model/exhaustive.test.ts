// The exhaustive search as a test, over worlds small enough for it: it holds, it can fail, and leaving a history at a
// known state loses nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explore } from './exhaustive.ts';
import { PLANTED_MISTAKES } from './planted-mistakes.ts';
import type { SmallWorldOptions } from './small-world.ts';
import { describeWorld, SMALL_WORLDS } from './small-worlds.ts';

const [fresh] = SMALL_WORLDS;
assert.ok(fresh);
const quiet: SmallWorldOptions = { ...fresh, troubleCount: 0 };
const onePut: SmallWorldOptions = { ...fresh, script: ['put a'] };

for (const world of [quiet, onePut]) {
  test(`no invariant breaks in any history of: ${describeWorld(world)}`, async (context) => {
    const { violation, history, isCut, states, runCount } = await explore({ world, planted: null });
    context.diagnostic(`${states.size} states, ${runCount} histories`);
    assert.equal(violation, null, history.join('\n'));
    assert.equal(isCut, false);
  });

  test(`nothing new lies behind a known state of: ${describeWorld(world)}`, async (context) => {
    const left = await explore({ world, planted: null });
    const whole = await explore({ world, planted: null, leavesKnownStates: false });
    context.diagnostic(`${left.runCount} histories instead of ${whole.runCount}`);
    assert.ok(whole.runCount > left.runCount);
    assert.deepEqual([...whole.states].toSorted(), [...left.states].toSorted());
  });
}

for (const [name, troubles] of [
  ['dirty-cleared-at-finish', []],
  ['lease-not-checked', ['pause']],
  ['owed-forgotten', ['late']],
  ['no-settling-after-takeover', ['crash']],
] as const) {
  test(`the planted mistake ${name} is found in a small world`, async (context) => {
    const planted = PLANTED_MISTAKES.find((known) => known.name === name);
    assert.ok(planted);
    const found = await explore({ world: { ...fresh, troubles }, planted });
    context.diagnostic(`${found.violation?.message ?? 'nothing'} after ${found.runCount} histories`);
    assert.ok(found.violation !== null);
    assert.ok(found.history.some((line) => line.includes('finishes')));
  });
}
