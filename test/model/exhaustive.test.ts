// The exhaustive search as a test, over worlds small enough for it: it holds, it can fail, and leaving a history at a
// known state loses nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explore } from './exhaustive.ts';
import { PLANTED_MISTAKES } from './planted-mistakes.ts';
import type { Planted } from './planted.ts';
import type { SmallWorldOptions } from './small-world.ts';
import { namedFleet, namedWorld, SMALL_FLEETS, SMALL_WORLDS } from './small-worlds.ts';
import type { SmallFleetOptions } from './small-fleet.ts';

const [fresh] = SMALL_WORLDS;
assert.ok(fresh);
const quiet: SmallWorldOptions = { ...fresh, troubleCount: 0 };
const onePut: SmallWorldOptions = { ...fresh, script: ['put a'] };

const [firstFleet] = SMALL_FLEETS;
assert.ok(firstFleet);
const quietFleet: SmallFleetOptions = { ...firstFleet, troubleCount: 0 };
const sharing: SmallFleetOptions = { ...quietFleet, mostHeld: 2 };

for (const { text, create: world } of [
  namedWorld(quiet),
  namedWorld(onePut),
  namedFleet(quietFleet),
  namedFleet(sharing),
]) {
  test(`no invariant breaks in any history of: ${text}`, async (context) => {
    const { violation, history, isCut, states, runCount } = await explore({ world, planted: null });
    context.diagnostic(`${states.size} states, ${runCount} histories`);
    assert.equal(violation, null, history.join('\n'));
    assert.equal(isCut, false);
  });

  if (text === namedFleet(sharing).text) continue;
  test(`nothing new lies behind a known state of: ${text}`, async (context) => {
    const left = await explore({ world, planted: null });
    const whole = await explore({ world, planted: null, leavesKnownStates: false });
    context.diagnostic(`${left.runCount} histories instead of ${whole.runCount}`);
    assert.ok(whole.runCount > left.runCount);
    assert.deepEqual([...whole.states].toSorted(), [...left.states].toSorted());
  });
}

function mistake(name: string): Planted {
  const planted = PLANTED_MISTAKES.find((known) => known.name === name);
  assert.ok(planted);
  return planted;
}

for (const [name, troubles] of [
  ['dirty-cleared-at-finish', []],
  ['lease-not-checked', ['pause']],
  ['owed-forgotten', ['late']],
  ['no-settling-after-takeover', ['crash']],
] as const) {
  test(`the planted mistake ${name} is found in a small world`, async (context) => {
    const planted = mistake(name);
    const { create: world } = namedWorld({ ...fresh, troubles });
    const found = await explore({ world, planted });
    context.diagnostic(`${found.violation?.message ?? 'nothing'} after ${found.runCount} histories`);
    assert.ok(found.violation !== null);
    assert.ok(found.history.some((line) => line.includes('finishes')));
  });
}

const versioned = { ...quietFleet, isVersioned: true, before: ['put a'] } as const;
for (const [name, world] of [
  ['no-look-where-mirrored', quietFleet],
  ['no-look-where-versioned', { ...versioned, script: ['put b', 'undo'], deletes: 'ignore' }],
  ['no-look-after-delete', { ...versioned, script: ['delete', 'undo'] }],
  ['difference-left', quietFleet],
  ['acknowledged-at-commit', { ...firstFleet, troubles: ['crash'] }],
  ['joined-after-first-look', { ...sharing, script: ['put a', 'put b'], deletes: 'ignore' }],
  ['taken-over-forgotten', { ...firstFleet, troubles: ['crash'] }],
  ['unanswered-forgotten', { ...firstFleet, troubles: ['late'] }],
] as const satisfies readonly (readonly [string, SmallFleetOptions])[]) {
  test(`the planted mistake ${name} is found in a small world without a database`, async (context) => {
    const found = await explore({ world: namedFleet(world).create, planted: mistake(name) });
    context.diagnostic(`${found.violation?.message ?? 'nothing'} after ${found.runCount} histories`);
    assert.equal(found.violation?.invariant, 'I2');
  });
}
