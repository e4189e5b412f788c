import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deadline } from './deadline.ts';

/** Nothing else of the loop runs meanwhile. */
function standStill(ms: number): void {
  const endsAtMs = performance.now() + ms;
  while (performance.now() < endsAtMs);
}

test('a moment that is moved on again and again is told once, when it has passed', async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  let told = 0;
  const deadline = new Deadline(() => {
    told += 1;
    resolve(performance.now());
  });
  let armedAtMs = 0;
  for (let count = 0; count < 5; count += 1) {
    armedAtMs = performance.now();
    deadline.arm(400);
    await sleep(10);
    assert.equal(told, 0);
  }
  // The timer holds no process.
  const holding = setInterval(() => {}, 1_000);
  assert.ok((await promise) - armedAtMs >= 399);
  clearInterval(holding);
  assert.equal(told, 1);
  assert.ok(!deadline.isPast, 'it was told');
});

test('a moment that is moved nearer is told at the nearer one, and a disarmed one never', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let told = 0;
  const deadline = new Deadline(() => {
    told += 1;
    resolve();
  });
  const holding = setInterval(() => {}, 1_000);
  deadline.arm(60_000);
  deadline.arm(5);
  await promise;
  clearInterval(holding);
  deadline.arm(5);
  deadline.disarm();
  await sleep(20);
  assert.equal(told, 1);
  deadline.end();
});

test('a moment is past for whoever asks before the timer could tell', () => {
  const deadline = new Deadline(() => {});
  deadline.arm(5);
  assert.ok(!deadline.isPast);
  standStill(10);
  assert.ok(deadline.isPast);
  deadline.end();
  assert.ok(!deadline.isPast);
});
