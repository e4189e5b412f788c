// The allowance of a caller: what it saves, what a large document costs, and that callers do not share it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/contract/manual-clock.ts';
import { CallerQuota } from './caller-quota.ts';

function open(perSec: number | null) {
  const clock = new ManualClock();
  return { clock, quota: new CallerQuota(perSec, clock) };
}

function countTaken(quota: CallerQuota, callerId: string, most = 10_000): number {
  for (let count = 0; count < most; count += 1) if (quota.begin(callerId) !== null) return count;
  return most;
}

test('twenty seconds of what was not used may come at once, then as much as grows', () => {
  const { quota, clock } = open(10);
  assert.equal(countTaken(quota, 'a'), 200);
  assert.equal(quota.begin('a'), 1);
  clock.advance(100);
  assert.equal(countTaken(quota, 'a'), 1);
  clock.advance(3_600_000);
  assert.equal(countTaken(quota, 'a'), 200, 'an hour saves no more');
});

test('a document larger than the allowance is taken whole, and its debt is told as a time', () => {
  const { quota, clock } = open(10);
  assert.equal(quota.begin('a'), null);
  quota.charge('a', 1_000);
  assert.equal(quota.begin('a'), 81);
  clock.advance(80_000);
  assert.equal(quota.begin('a'), 1);
  clock.advance(1_000);
  assert.equal(quota.begin('a'), null);
});

test('one caller takes nothing from another, and a document without changes costs one', () => {
  const { quota } = open(1);
  for (let count = 0; count < 20; count += 1) {
    assert.equal(quota.begin('a'), null);
    quota.charge('a', 0);
  }
  assert.equal(quota.begin('a'), 1);
  assert.equal(quota.begin('b'), null);
});

test('many callers are not remembered for ever, those in debt are', () => {
  const { quota, clock } = open(1);
  quota.begin('in debt');
  quota.charge('in debt', 100_000);
  for (let count = 0; count < 5_000; count += 1) quota.begin(`caller-${count}`);
  clock.advance(60_000);
  quota.begin('last');
  assert.notEqual(quota.begin('in debt'), null);
});

test('without a limit everybody may', () => {
  const { quota } = open(null);
  quota.charge('a', 1e9);
  assert.equal(quota.begin('a'), null);
  assert.throws(() => open(0), RangeError);
});
