import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  askBrake,
  type BrakeLimits,
  type BrakeQuestion,
  type BrakeState,
  deletesWithin,
  limitOf,
  NEW_BRAKE,
  readBrakeState,
  rejectBrake,
  releaseBrake,
} from './delete-brake.ts';

const LIMITS: BrakeLimits = { count: 1000, sharePercent: 10, windowMs: 60_000 };
const WALL_MS = Date.UTC(2026, 0, 1);

function ask(state: BrakeState, question: Partial<BrakeQuestion> = {}): ReturnType<typeof askBrake> {
  return askBrake(state, {
    limits: LIMITS,
    changeAtMs: WALL_MS,
    isCounted: false,
    timeMs: 0,
    wallMs: WALL_MS,
    ...question,
  });
}

/** Asks so often; the answers by kind, and the state after them. */
function askOften(state: BrakeState, times: number, question: Partial<BrakeQuestion> = {}) {
  const kinds = { go: 0, held: 0, keep: 0, firsts: 0 };
  let now = state;
  for (let index = 0; index < times; index += 1) {
    const next = ask(now, question);
    now = next.state;
    kinds[next.answer.kind] += 1;
    if (next.answer.kind === 'held' && next.answer.isFirst) kinds.firsts += 1;
  }
  return { state: now, ...kinds };
}

const withObjects = (objects: number): BrakeState => ({ ...NEW_BRAKE, objects });

test('the limit is the lower of count and share, and a few deletes always pass the share', () => {
  const limit = (objects: number, limits: Partial<BrakeLimits> = {}): number =>
    limitOf(withObjects(objects), { ...LIMITS, ...limits });
  assert.equal(limit(0), 10);
  assert.equal(limit(5), 10);
  assert.equal(limit(200), 20);
  assert.equal(limit(219), 21);
  assert.equal(limit(1_000_000), 1000);
  assert.equal(limit(200, { count: 3 }), 3, 'the count knows no floor');
  assert.equal(limit(200, { sharePercent: 100 }), 1000, 'a share of 100 is none');
  assert.equal(limit(200, { count: 0 }), 0);
});

test('exactly the limit passes, the trip is told once, and everything after it is held', () => {
  const { state, go, held, firsts } = askOften(withObjects(200), 80);
  assert.deepEqual({ go, held, firsts }, { go: 20, held: 60, firsts: 1 });
  assert.deepEqual(state.trip, {
    atMs: WALL_MS,
    deletes: 20,
    limit: 20,
    windowMs: 60_000,
    objects: 180,
  });
  const later = askOften(state, 5, { timeMs: 10 * LIMITS.windowMs });
  assert.equal(later.held, 5, 'time alone never releases');
});

test('the share is taken of what was there before the deletes of the window', () => {
  const slowly = askOften(withObjects(1000), 1000, { limits: { ...LIMITS, count: 100_000 } });
  assert.equal(slowly.go, 100);
});

test('deletes that are older than the window count no more, and none earlier', () => {
  const full = askOften(withObjects(200), 20).state;
  const question = (timeMs: number) => ask(full, { timeMs }).answer.kind;
  assert.equal(question(59_999), 'held');
  assert.equal(question(60_999), 'held');
  // The window moves in steps of a sixtieth.
  assert.equal(question(61_001), 'go');
  assert.equal(deletesWithin(full, LIMITS, 59_999), 20);
  assert.equal(deletesWithin(full, LIMITS, 61_001), 0);
});

test('a time that goes back makes no old delete young and no young one old', () => {
  const later = ask(withObjects(200), { timeMs: 50_000 }).state;
  const back = ask(later, { timeMs: 0 }).state;
  assert.equal(back.timeMs, 50_000);
  assert.equal(deletesWithin(back, LIMITS, 0), 2);
});

test('an object state that was counted is not counted again', () => {
  const { state } = askOften(withObjects(200), 19);
  const again = askOften(state, 50, { isCounted: true });
  assert.equal(again.go, 50);
  assert.equal(again.state, state);
});

test('a release lets as many pass as were held, of changes from before it, and counts anew', () => {
  const tripped = askOften(withObjects(200), 80).state;
  const released = releaseBrake(tripped, { held: 60, changesUpToMs: WALL_MS + 100 });
  const younger = askOften(released, 18, { changeAtMs: WALL_MS + 101 });
  assert.deepEqual([younger.go, younger.held], [18, 0], 'they use the limit, which is 10 % of 180');
  const all = askOften(younger.state, 60);
  assert.deepEqual([all.go, all.held, all.firsts], [60, 0, 0]);
  const more = askOften(all.state, 1);
  assert.deepEqual([more.go, more.held, more.firsts], [0, 1, 1], 'one more than was released');
});

test('a reject keeps the objects of all changes before it, and younger deletes are counted anew', () => {
  const tripped = askOften(withObjects(200), 80).state;
  const rejected = rejectBrake(tripped, WALL_MS);
  const old = askOften(rejected, 100);
  assert.equal(old.keep, 100);
  assert.equal(old.state, rejected);
  const young = askOften(rejected, 100, { changeAtMs: WALL_MS + 1 });
  assert.deepEqual([young.go, young.held], [18, 82]);
  assert.equal(ask(young.state).answer.kind, 'keep', 'also while the brake is tripped again');
  assert.equal(rejectBrake(rejected, WALL_MS - 50).keepChangesUpToMs, WALL_MS, 'it never goes back');
  assert.equal(
    ask(rejected, { isCounted: true }).answer.kind,
    'keep',
    'a delete that was sent once is not repeated',
  );
});

test('whatever happens, no window holds more deletes than its limit, and a state survives being written down', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 40_000 }), isRelease: fc.boolean() }), {
        maxLength: 200,
      }),
      fc.integer({ min: 0, max: 300 }),
      (steps, objects) => {
        const limits = { ...LIMITS, count: 15 };
        let state = withObjects(objects);
        let timeMs = 0;
        let passed: number[] = [];
        for (const { afterMs, isRelease } of steps) {
          timeMs += afterMs;
          if (isRelease && state.trip !== null) {
            state = releaseBrake(state, { held: 0, changesUpToMs: WALL_MS });
            passed = [];
          }
          const next = ask(state, { limits, timeMs });
          state = readBrakeState(JSON.stringify(next.state));
          assert.deepEqual(state, next.state);
          if (next.answer.kind === 'go') passed.push(timeMs);
          passed = passed.filter((atMs) => atMs > timeMs - limits.windowMs);
          assert.ok(passed.length <= 15);
          assert.ok(state.deletes.length <= 62);
        }
      },
    ),
  );
});

test('a note that was damaged is no brake', () => {
  for (const text of ['', 'null', '{}', '[]', JSON.stringify({ ...NEW_BRAKE, objects: '7' })]) {
    assert.throws(() => readBrakeState(text));
  }
  assert.throws(() => readBrakeState(JSON.stringify({ ...NEW_BRAKE, trip: { atMs: 1 } })));
  assert.throws(() => readBrakeState(JSON.stringify({ ...NEW_BRAKE, deletes: [{ fromMs: 1 }] })));
});
