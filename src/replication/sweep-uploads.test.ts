import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../core/faults.ts';
import type { ObjectTarget } from '../core/object-target.ts';
import { startSweepingUploads } from './sweep-uploads.ts';
import { worldWithCutUpload } from './testing/cut-upload.ts';
import { withMethods, type World } from './testing/world.ts';

const { signal } = new AbortController();
const HOUR_MS = 3_600_000;

/** Sweeps until something was told, or the time is over; returns what was told. */
async function sweep(world: World, ms: number, target: Partial<ObjectTarget> = {}): Promise<unknown[]> {
  const untilMs = world.clock.nowMs() + ms;
  const sweeping = startSweepingUploads({
    queue: world.queue,
    target: withMethods<ObjectTarget>(world.target, target),
    clock: world.clock,
    happenings: world.happenings(),
  });
  while (world.told.length === 0 && world.clock.nowMs() < untilMs) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await sweeping.stop();
  return world.told.splice(0).map(({ name, event }) => [name, event]);
}

test('the upload of a transfer that rested for a day is cancelled at the target and forgotten', async () => {
  const { world, checkpoint } = await worldWithCutUpload();
  assert.deepEqual(await sweep(world, 23 * HOUR_MS), [], 'it may still be of use');
  assert.equal((await world.target.uploadProgress(checkpoint.session, signal)).kind, 'open');
  const swept = ['uploadsSwept', { cancelled: 1, expired: 0, unreadable: 0, left: 0 }];
  assert.deepEqual(await sweep(world, 3 * HOUR_MS), [swept]);
  assert.equal((await world.target.uploadProgress(checkpoint.session, signal)).kind, 'lost');
  assert.deepEqual(await sweep(world, 48 * HOUR_MS), [], 'once');
});

test('an upload that has ended by itself is forgotten without a call', async () => {
  const { world } = await worldWithCutUpload();
  world.clock.advance(7 * 24 * HOUR_MS);
  const cancelUpload = async (): Promise<never> => {
    throw new Error('called');
  };
  const swept = ['uploadsSwept', { cancelled: 0, expired: 1, unreadable: 0, left: 0 }];
  assert.deepEqual(await sweep(world, HOUR_MS, { cancelUpload }), [swept]);
});

test('a target that refuses the cancel keeps nothing from being forgotten', async () => {
  const { world } = await worldWithCutUpload();
  world.clock.advance(25 * HOUR_MS);
  const cancelUpload = async (): Promise<never> => {
    throw new Fault('target_unreachable', 'down on purpose');
  };
  const swept = ['uploadsSwept', { cancelled: 0, expired: 0, unreadable: 0, left: 1 }];
  assert.deepEqual(await sweep(world, HOUR_MS, { cancelUpload }), [swept]);
  assert.equal((await world.queue.forgetStaleUploads({ beforeMs: Infinity, limit: 1 })).length, 0);
});
