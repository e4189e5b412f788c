import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, machineClock } from './sandbox-clock.ts';

test('a clock moved by hand runs what became due in order, each at its own time', () => {
  const clock = new ManualClock(1000);
  const ran: [string, number][] = [];
  const note = (name: string) => () => void ran.push([name, clock.nowMs()]);
  clock.at(3000, note('late'));
  clock.at(2000, () => {
    note('early')();
    clock.at(2500, note('nested'));
  });
  const cancel = clock.at(2200, note('cancelled'));
  clock.at(9000, note('never'));
  cancel();
  clock.advance(500);
  assert.deepEqual(ran, []);
  clock.advance(4500);
  assert.deepEqual(ran, [
    ['early', 2000],
    ['nested', 2500],
    ['late', 3000],
  ]);
  assert.equal(clock.nowMs(), 6000);
});

test('what is due already runs soon, but not before the call returned', async () => {
  for (const clock of [new ManualClock(1000), machineClock]) {
    let hasRun = false;
    const ran = new Promise<void>((resolve) => {
      clock.at(clock.nowMs(), () => {
        hasRun = true;
        resolve();
      });
    });
    assert.equal(hasRun, false);
    // The machine's own timers keep no process alive.
    const alive = setInterval(() => {}, 1000);
    await ran;
    clearInterval(alive);
  }
});
