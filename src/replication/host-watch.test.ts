import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { OverloadHappenings } from '../core/overload.ts';
import { ManualClock } from '../http/testing/manual-clock.ts';
import { startHostWatch } from './host-watch.ts';
import { IntakeGate } from './intake-gate.ts';

const RESERVE = 1600;

/** A watch over a machine that is whatever the test says; `round` lets one second pass. */
async function watchMachine(t: TestContext, first: { readonly free: number | Error | 'none' }) {
  const clock = new ManualClock();
  const told: string[] = [];
  const happenings: OverloadHappenings = {
    intakeRefused: () => {},
    overloadBegan: ({ reason }) => told.push(`begin ${reason}`),
    overloadEnded: ({ reason }) => told.push(`end ${reason}`),
    diskSpaceLow: ({ freeBytes }) => told.push(`low ${freeBytes}`),
    diskSpaceUnknown: () => told.push('unknown'),
  };
  const gate = new IntakeGate({ clock, happenings });
  let free: number | Error | 'none' | null = first.free;
  let loopLagMs = 0;
  let asked = 0;
  const never = new Promise<number>(() => {});
  const watch = await startHostWatch({
    sensors: {
      async freeDiskBytes() {
        asked += 1;
        if (free instanceof Error) throw free;
        if (free === 'none') return null;
        return free ?? never;
      },
      loopLagMs: () => loopLagMs,
    },
    gate,
    clock,
    happenings,
    minFreeDiskBytes: RESERVE,
  });
  t.after(() => watch.stop());
  return {
    gate,
    told,
    watch,
    asked: () => asked,
    /** `free` null: the disk does not answer. */
    round: async (now: { readonly free?: number | Error | null; readonly loopLagMs?: number }) => {
      if (now.free !== undefined) ({ free } = now);
      ({ loopLagMs = 0 } = now);
      await clock.untilSomebodySleeps();
      clock.advance(1_000);
      await clock.untilSomebodySleeps();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('below the reserve nothing is accepted; when the space returns it is, by itself', async (t) => {
  const { gate, told, round, watch } = await watchMachine(t, { free: 10_000 });
  await round({ free: RESERVE });
  assert.equal(gate.askHost(), null);
  await round({ free: RESERVE - 1 });
  const refusal = gate.askHost();
  assert.equal(refusal?.reason, 'disk_reserve');
  assert.match(refusal?.detail ?? '', /1599 bytes free; 1600 .*MIN_FREE_DISK_BYTES/);
  assert.equal(watch.state().freeDiskBytes, RESERVE - 1);
  await round({ free: RESERVE + 1 });
  assert.notEqual(gate.askHost(), null, 'A little above the reserve it does not flap');
  await round({ free: RESERVE + RESERVE / 16 });
  assert.equal(gate.askHost(), null);
  assert.deepEqual(told, [`low ${RESERVE}`, 'begin disk_reserve', 'end disk_reserve']);
});

test('the disk is full when the service starts: the first request is refused', async (t) => {
  const { gate } = await watchMachine(t, { free: 0 });
  assert.equal(gate.askHost()?.reason, 'disk_reserve');
});

test('a disk that fills up is warned of once, before anything is refused, and again after there was space', async (t) => {
  const { told, round } = await watchMachine(t, { free: 10_000 });
  for (const free of [2 * RESERVE - 1, 2 * RESERVE + 99, 2 * RESERVE - 1, 10_000, 2 * RESERVE - 1])
    await round({ free });
  assert.deepEqual(told, ['low 3199', 'low 3199']);
});

test('free space that cannot be read refuses nothing, and is said once', async (t) => {
  const { gate, told, round, watch } = await watchMachine(t, { free: 0 });
  await round({ free: new Error('no such file') });
  await round({});
  assert.equal(gate.askHost(), null);
  assert.equal(watch.state().freeDiskBytes, null);
  assert.deepEqual(told, ['begin disk_reserve', 'unknown', 'end disk_reserve']);
});

test('a disk that does not answer is asked once, and the rest is watched on', async (t) => {
  const { gate, round, asked } = await watchMachine(t, { free: 10_000 });
  const before = asked();
  await round({ free: null });
  await round({ loopLagMs: 5_000 });
  await round({ loopLagMs: 5_000 });
  assert.equal(asked(), before + 1);
  assert.equal(gate.askHost()?.reason, 'event_loop');
});

test('one long pause refuses nothing; a process that stays late does, until it keeps up', async (t) => {
  const { gate, told, round, watch } = await watchMachine(t, { free: 10_000 });
  await round({ loopLagMs: 8_000 });
  assert.equal(gate.askHost(), null);
  assert.equal(watch.state().loopLagMs, 8_000);
  await round({ loopLagMs: 10 });
  await round({ loopLagMs: 1_001 });
  await round({ loopLagMs: 1_001 });
  assert.match(gate.askHost()?.detail ?? '', /late by 1001 ms; 1000 ms are the limit/);
  await round({ loopLagMs: 1_000 });
  assert.equal(gate.askHost(), null);
  assert.deepEqual(told, ['begin event_loop', 'end event_loop']);
});

test('where the queue has no disk of this machine, nothing is refused and nothing is unknown', async (t) => {
  const { gate, told, round, watch } = await watchMachine(t, { free: 'none' });
  await round({});
  assert.deepEqual([gate.hostTroubles, told, watch.state().freeDiskBytes], [[], [], null]);
});
