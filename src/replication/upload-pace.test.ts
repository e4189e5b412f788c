import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../test/contract/manual-clock.ts';
import { UploadPace } from './upload-pace.ts';

const MINUTE_MS = 60_000;

test('an upload whose rest does not fit into the life of its session is told of once', () => {
  const clock = new ManualClock();
  const pace = new UploadPace(clock, clock.nowMs() + 11 * MINUTE_MS);
  clock.advance(MINUTE_MS - 1);
  pace.moved(100);
  assert.equal(pace.judge(1_000_000), null, 'too early to tell');
  clock.advance(1);
  assert.equal(pace.judge(1_000), null, 'ten minutes are needed, ten are left');
  assert.deepEqual(pace.judge(1_001), { neededMs: 10 * MINUTE_MS + 600, leftMs: 10 * MINUTE_MS });
  assert.equal(pace.judge(1_000_000), null, 'told already');
});

test('an upload that stands still has no pace', () => {
  const clock = new ManualClock();
  const pace = new UploadPace(clock, clock.nowMs());
  clock.advance(10 * MINUTE_MS);
  assert.equal(pace.judge(1), null);
});
