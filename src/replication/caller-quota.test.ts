// The allowance of a caller: what it saves, what a large document costs, and that callers do not share it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/contract/manual-clock.ts';
import { CallerQuota } from './caller-quota.ts';

function open(perSec: number | null) {
  const clock = new ManualClock();
  return { clock, quota: new CallerQuota(perSec, clock) };
}

test('a minute of what was not used may come at once, then as much as grows', () => {
  const { quota, clock } = open(10);
  for (let count = 0; count < 600; count += 1) {
    assert.equal(quota.waitSecOf('a'), null);
    quota.charge('a', 1);
  }
  assert.equal(quota.waitSecOf('a'), 1);
  clock.advance(100);
  assert.equal(quota.waitSecOf('a'), null);
  quota.charge('a', 1);
  assert.equal(quota.waitSecOf('a'), 1);
  clock.advance(3_600_000);
  quota.charge('a', 599);
  assert.equal(quota.waitSecOf('a'), null, 'an hour saves no more than a minute');
  quota.charge('a', 1);
  assert.equal(quota.waitSecOf('a'), 1);
});

test('a document larger than the allowance is taken whole, and its debt is told as a time', () => {
  const { quota, clock } = open(10);
  quota.charge('a', 1_000);
  assert.equal(quota.waitSecOf('a'), 41);
  clock.advance(40_000);
  assert.equal(quota.waitSecOf('a'), 1);
  clock.advance(1_000);
  assert.equal(quota.waitSecOf('a'), null);
});

test('one caller takes nothing from another, and a document without changes costs one', () => {
  const { quota } = open(1);
  for (let count = 0; count < 60; count += 1) quota.charge('a', 0);
  assert.equal(quota.waitSecOf('a'), 1);
  assert.equal(quota.waitSecOf('b'), null);
});

test('many callers are not remembered for ever, those in debt are', () => {
  const { quota, clock } = open(1);
  quota.charge('in debt', 100_000);
  for (let count = 0; count < 5_000; count += 1) quota.charge(`caller-${count}`, 1);
  clock.advance(60_000);
  quota.charge('last', 1);
  assert.notEqual(quota.waitSecOf('in debt'), null);
});

test('without a limit everybody may', () => {
  const { quota } = open(null);
  quota.charge('a', 1e9);
  assert.equal(quota.waitSecOf('a'), null);
  assert.throws(() => open(0), RangeError);
});
