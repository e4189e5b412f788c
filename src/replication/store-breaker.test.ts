import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../core/faults.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { RetryBudget } from './retry-budget.ts';
import { StoreBreaker } from './store-breaker.ts';

class HandClock {
  ms = 1_000_000;
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
  async sleep(): Promise<void> {}
}

const DOWN = new Fault('target_unavailable', '503');

function openBreaker() {
  const clock = new HandClock();
  const told: string[] = [];
  const breaker = new StoreBreaker({
    clock,
    backoff: { baseMs: 1_000, capMs: 300_000 },
    random: { next: () => 0.999 },
    onDown: ({ sinceMs }) => void told.push(`down since ${sinceMs}`),
    onUp: ({ downForMs, probeCount }) => void told.push(`up after ${downForMs} ms, ${probeCount} probes`),
  });
  const fail = (times: number, call: 'read' | 'write' = 'read', fault = DOWN): void => {
    for (let time = 0; time < times; time += 1) breaker.failed(call, fault);
  };
  return { breaker, clock, told, fail };
}

test('failures in a row open the breaker once; its time is that of the first; one success closes it', () => {
  const { breaker, clock, told, fail } = openBreaker();
  fail(1);
  clock.ms += 3_000;
  fail(3);
  assert.deepEqual([breaker.outage, told], [null, []]);
  fail(4);
  assert.deepEqual(told, ['down since 1000000']);
  assert.equal(breaker.outage?.sinceMs, 1_000_000);
  clock.ms += 500;
  breaker.answered('read');
  assert.deepEqual(told, ['down since 1000000', 'up after 500 ms, 0 probes']);
  assert.equal(breaker.outage, null);
});

test('failures with successes between them never open the breaker', () => {
  const { breaker, fail } = openBreaker();
  for (let round = 0; round < 20; round += 1) {
    fail(4);
    breaker.answered('read');
  }
  assert.equal(breaker.outage, null);
});

test('looks that succeed do not hide that every write fails, and do not end it', () => {
  const { breaker, told, fail } = openBreaker();
  for (let round = 0; round < 5; round += 1) {
    breaker.answered('read');
    fail(1, 'write');
  }
  assert.equal(told.length, 1);
  breaker.answered('read');
  assert.notEqual(breaker.outage, null);
  breaker.answered('write');
  assert.equal(breaker.outage, null);
});

test('a write that succeeds shows that the store is there: it ends what failed looks began', () => {
  const { breaker, fail } = openBreaker();
  fail(5, 'read');
  breaker.answered('write');
  assert.equal(breaker.outage, null);
  fail(4, 'read');
  breaker.answered('write');
  fail(4, 'read');
  assert.equal(breaker.outage, null);
});

test('probes come at growing distances, never more than 15 s apart', () => {
  const { breaker, clock, fail } = openBreaker();
  fail(5);
  const waits: number[] = [];
  for (let probe = 0; probe < 8; probe += 1) {
    const waitMs = breaker.msUntilProbe();
    waits.push(waitMs);
    clock.ms += waitMs;
    assert.equal(breaker.msUntilProbe(), 0);
    breaker.probeBegun();
    fail(1);
    breaker.probeEnded();
  }
  assert.deepEqual(waits, [999, 1999, 3998, 7996, 14_992, 14_992, 14_992, 14_992]);
});

test('a probe waits as long as the store asks for, up to 15 s', () => {
  for (const [retryAfterMs, waitMs] of [
    [7_000, 7_000],
    [3_600_000, 15_000],
  ] as const) {
    const { breaker, fail } = openBreaker();
    fail(5, 'read', new Fault('target_unavailable', '503', { retryAfterMs }));
    assert.equal(breaker.msUntilProbe(), waitMs);
  }
});

test('failures of what was under way when the breaker opened do not put the next probe off', () => {
  const { breaker, clock, fail } = openBreaker();
  fail(5);
  clock.ms += breaker.msUntilProbe();
  fail(100);
  assert.equal(breaker.msUntilProbe(), 0);
});

test('a probe that hangs holds the next one back for 15 s; one that asked nothing, not at all', () => {
  const { breaker, clock, fail } = openBreaker();
  fail(5);
  clock.ms += breaker.msUntilProbe();
  breaker.probeBegun();
  assert.equal(breaker.msUntilProbe(), 15_000);
  clock.ms += 15_000;
  assert.equal(breaker.msUntilProbe(), 0);
  breaker.probeBegun();
  breaker.probeEnded();
  assert.equal(breaker.msUntilProbe(), 0);
});

test('the limit is halved by what is refused together, once, and never below one', () => {
  const clock = new HandClock();
  const limit = new ConcurrencyLimit(32, clock);
  const seen: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    for (let refused = 0; refused < 32; refused += 1) limit.throttled(null);
    seen.push(limit.value);
    clock.ms += 1_000;
  }
  assert.deepEqual(seen, [16, 8, 4, 2, 1, 1, 1]);
});

test('the limit grows by one step a second while requests succeed, back to where it began', () => {
  const clock = new HandClock();
  const limit = new ConcurrencyLimit(4, clock);
  limit.throttled(null);
  const seen: number[] = [];
  for (let second = 0; second < 4; second += 1) {
    for (let answer = 0; answer < 100; answer += 1) limit.succeeded();
    seen.push(limit.value);
    clock.ms += 1_000;
  }
  assert.deepEqual(seen, [2, 3, 4, 4]);
  const wide = new ConcurrencyLimit(320, clock);
  wide.throttled(null);
  clock.ms += 1_000;
  wide.succeeded();
  assert.equal(wide.value, 170);
});

test('retries beyond the budget take their turns, five a second; successes and time fill it again', () => {
  const clock = new HandClock();
  const budget = new RetryBudget(clock);
  const take = (times: number): number[] => Array.from({ length: times }, () => budget.take());
  assert.ok(take(50).every((waitMs) => waitMs === 0));
  assert.deepEqual(take(3), [200, 400, 600]);
  clock.ms += 400;
  assert.deepEqual(take(1), [400]);
  for (let success = 0; success < 30; success += 1) budget.succeeded();
  assert.deepEqual(take(2), [0, 200]);
  clock.ms += 3_600_000;
  assert.ok(take(50).every((waitMs) => waitMs === 0));
  assert.deepEqual(take(1), [200]);
});

test('where one at a time is too many, pauses grow up to 15 s; a success ends them', () => {
  const clock = new HandClock();
  const limit = new ConcurrencyLimit(1, clock);
  for (let refused = 0; refused < 4; refused += 1) limit.throttled(null);
  assert.equal(limit.pauseLeftMs, 0);
  const pauses: number[] = [];
  for (let pause = 0; pause < 6; pause += 1) {
    limit.throttled(pause === 0 ? 3_000 : null);
    pauses.push(limit.pauseLeftMs);
    clock.ms += limit.pauseLeftMs;
  }
  assert.deepEqual(pauses, [3_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
  limit.throttled(3_600_000);
  assert.equal(limit.pauseLeftMs, 15_000);
  limit.succeeded();
  assert.equal(limit.pauseLeftMs, 0);
});

test('a store that asks for fewer requests is believed at once, however far the limit is above what may run', () => {
  const limit = new ConcurrencyLimit(256, new HandClock());
  limit.throttled(null, 32);
  assert.equal(limit.value, 16);
});
