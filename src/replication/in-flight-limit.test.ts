import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../http/testing/manual-clock.ts';
import { InFlightLimit, mostLarge } from './in-flight-limit.ts';

/** A limit whose process works for a given share of its time, looked at so many times a quarter of a second apart. */
function watched(maxConcurrency: number): {
  readonly limit: InFlightLimit;
  readonly look: (times: number, busy: number, running?: number) => void;
  readonly holdBack: () => void;
} {
  const clock = new ManualClock();
  let share = 0;
  let isHeldBack = false;
  const limit = new InFlightLimit({
    maxConcurrency,
    clock,
    busyShare: () => share,
    isHeldBack: () => isHeldBack,
  });
  const look = (times: number, busy: number, running = Number.POSITIVE_INFINITY): void => {
    share = busy;
    for (let index = 0; index < times; index += 1) {
      clock.advance(250);
      limit.look(running);
    }
  };
  return { limit, look, holdBack: () => (isHeldBack = true) };
}

test('a process that idles with all places taken gets more of them, up to the bound', () => {
  const { limit, look } = watched(256);
  assert.equal(limit.value, 32);
  look(1, 0.1);
  assert.equal(limit.value, 40);
  look(20, 0.1);
  assert.equal(limit.value, 256);
});

test('places that nobody takes bring no more of them', () => {
  const { limit, look } = watched(256);
  look(20, 0.1, 20);
  assert.equal(limit.value, 32);
});

test('a process with enough to do keeps what it has, and one without a moment left gives places back', () => {
  const { limit, look } = watched(256);
  look(20, 0.1);
  look(20, 0.85);
  assert.equal(limit.value, 256);
  look(40, 1);
  assert.equal(limit.value, 32);
});

test('transfers that wait for memory bring no more places, however idle the process is', () => {
  const { limit, look, holdBack } = watched(256);
  look(20, 0.1);
  assert.equal(limit.value, 256);
  holdBack();
  look(40, 0.1);
  assert.equal(limit.value, 32);
});

test('the bound holds where it is below the number that it begins with', () => {
  const { limit, look } = watched(3);
  assert.equal(limit.value, 3);
  look(20, 0);
  look(20, 1);
  assert.equal(limit.value, 3);
});

test('it looks four times a second, however often it is asked', () => {
  const clock = new ManualClock();
  let asked = 0;
  const limit = new InFlightLimit({
    maxConcurrency: 256,
    clock,
    isHeldBack: () => false,
    busyShare: () => {
      asked += 1;
      return 0;
    },
  });
  for (let index = 0; index < 100; index += 1) limit.look(1_000);
  assert.equal(asked, 1);
});

test('a quarter of the places, from one to sixteen, may hold large objects', () => {
  assert.deepEqual([1, 4, 32, 64, 1024].map(mostLarge), [1, 1, 8, 16, 16]);
});
