import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../core/clock.ts';
import type { DurableNotes } from '../core/durable-notes.ts';
import type { TargetToken } from '../core/object.ts';
import type { Rule } from '../core/rule.ts';
import { openMemoryNotes } from '../queues/memory/memory-notes.ts';
import { type BrakeView, DeleteBrake } from './delete-brake.ts';
import { RULE, withMethods } from './testing/world.ts';

const MIRROR: Rule = {
  ...RULE,
  deletes: 'mirror',
  deleteBrake: { count: 1000, sharePercent: 10, windowMs: 3_600_000 },
};
const NOW_MS = Date.UTC(2026, 0, 1);

/** One process with a brake over notes that may outlive it. */
function openBrake(notes: DurableNotes = openMemoryNotes(), wallMs = NOW_MS) {
  const time = { wallMs, monotonicMs: 1_000 };
  const clock: Clock = {
    nowMs: () => time.wallMs,
    monotonicMs: () => time.monotonicMs,
    sleep: async () => {},
  };
  const tripped: string[] = [];
  const troubles: string[] = [];
  const brake = new DeleteBrake({
    notes,
    clock,
    happenings: {
      brakeTripped: ({ ruleName }) => void tripped.push(ruleName),
      workerTroubled: ({ doing }) => void troubles.push(doing),
    },
  });
  const ask = async (key: string, options: { token?: string; rule?: Rule; changeAtMs?: number } = {}) => {
    const { token = `${key}/1`, rule = MIRROR, changeAtMs = NOW_MS } = options;
    const target = { bucket: 'to', key };
    return (await brake.ask({ rule, target, token: token as TargetToken, changeAtMs })).kind;
  };
  /** Asks for so many keys at once; how often each answer came. */
  const askMany = async (prefix: string, count: number) => {
    const kinds = await Promise.all(Array.from({ length: count }, (_, index) => ask(`${prefix}${index}`)));
    return {
      go: kinds.filter((kind) => kind === 'go').length,
      held: kinds.filter((kind) => kind === 'held').length,
    };
  };
  const view = async (): Promise<BrakeView> => {
    const [first] = await brake.views([MIRROR]);
    assert.ok(first !== undefined);
    return first;
  };
  return { brake, ask, askMany, view, tripped, troubles, time };
}

test('a trip outlives the process, and is told once', async () => {
  const notes = openMemoryNotes();
  const first = openBrake(notes);
  await first.brake.objectsCounted(MIRROR.name, 200);
  assert.deepEqual(await first.askMany('a', 80), { go: 20, held: 60 });
  assert.deepEqual(first.tripped, [MIRROR.name]);
  const second = openBrake(notes, NOW_MS + 90 * 24 * 3_600_000);
  assert.deepEqual(await second.askMany('b', 5), { go: 0, held: 5 });
  assert.deepEqual(second.tripped, []);
  const { trip, objects } = await second.view();
  assert.deepEqual([trip?.deletes, trip?.limit, trip?.atMs, objects], [20, 20, NOW_MS, 180]);
});

test('a delete is counted on the disk before it may be sent', async () => {
  const notes = openMemoryNotes();
  const { ask } = openBrake(notes);
  assert.equal(await ask('one'), 'go');
  assert.equal((await openBrake(notes).view()).deletes, 1);
});

test('many deletes at once cost few writes', async () => {
  const inner = openMemoryNotes();
  let writes = 0;
  const notes = withMethods<DurableNotes>(inner, {
    write: async (...args) => {
      writes += 1;
      return inner.write(...args);
    },
  });
  const { brake, askMany } = openBrake(notes);
  await brake.objectsCounted(MIRROR.name, 100_000);
  writes = 0;
  assert.deepEqual(await askMany('a', 500), { go: 500, held: 0 });
  assert.ok(writes <= 2, `${writes} writes`);
});

test('two processes on the same notes stay within one limit', async () => {
  const notes = openMemoryNotes();
  const processes = [openBrake(notes), openBrake(notes), openBrake(notes)];
  const answers = await Promise.all(processes.map(({ askMany }, index) => askMany(`${index}-`, 10)));
  assert.equal(
    answers.reduce((sum, { go }) => sum + go, 0),
    10,
  );
  assert.equal(processes.flatMap(({ tripped }) => tripped).length, 1);
});

test('where the notes fail nothing may be deleted, and the next try is counted as usual', async () => {
  const inner = openMemoryNotes();
  let isBroken = true;
  const notes = withMethods<DurableNotes>(inner, {
    write: async (...args) => {
      if (isBroken) throw new Error('disk full');
      return inner.write(...args);
    },
  });
  const { brake, ask, view, troubles } = openBrake(notes);
  await assert.rejects(ask('one'), /disk full/);
  brake.objectAppeared(MIRROR.name);
  await brake.close();
  assert.equal(troubles.length, 2, 'told at the try and at the close');
  isBroken = false;
  assert.equal(await ask('one'), 'go');
  const { deletes, objects } = await view();
  assert.deepEqual([deletes, objects], [1, 0], 'the object that appeared is counted, and the delete of one');
});

test('the same object state is counted once, however often its delete is tried', async () => {
  const { ask, view } = openBrake();
  for (let index = 0; index < 50; index += 1) assert.equal(await ask('one'), 'go');
  assert.equal((await view()).deletes, 1);
  assert.equal(await ask('one', { token: 'one/2' }), 'go');
  assert.equal((await view()).deletes, 2, 'it was written again meanwhile');
});

test('objects are counted as they appear and disappear, and a count from outside wins', async () => {
  const notes = openMemoryNotes();
  const { brake, askMany, view } = openBrake(notes);
  for (let index = 0; index < 250; index += 1) brake.objectAppeared(MIRROR.name);
  await askMany('a', 25);
  assert.deepEqual([(await view()).objects, (await view()).limit], [225, 25]);
  for (let index = 0; index < 3; index += 1) brake.objectAppeared(MIRROR.name);
  await brake.close();
  assert.equal((await openBrake(notes).view()).objects, 228);
  await brake.objectsCounted(MIRROR.name, 5_000);
  assert.equal((await view()).objects, 5_000);
});

test('a crash forgets at most one percent of the objects that appeared', async () => {
  const notes = openMemoryNotes();
  const { brake } = openBrake(notes);
  for (let index = 0; index < 2_000; index += 1) {
    brake.objectAppeared(MIRROR.name);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const { objects } = await openBrake(notes).view();
  assert.ok(objects >= 1_980 && objects <= 2_000, `${objects} of 2000`);
});

test('a wall clock that jumps while the process runs moves no window', async () => {
  const { askMany, ask, time } = openBrake();
  assert.deepEqual(await askMany('a', 10), { go: 10, held: 0 });
  time.wallMs += 365 * 24 * 3_600_000;
  assert.equal(await ask('after the jump'), 'held');

  const other = openBrake();
  await other.askMany('a', 10);
  other.time.wallMs -= 365 * 24 * 3_600_000;
  other.time.monotonicMs += 3_661_000;
  assert.equal(await other.ask('an hour later'), 'go');
});

test('a wall clock that was set back between two runs does not stop the window', async () => {
  const notes = openMemoryNotes();
  const first = openBrake(notes);
  await first.askMany('a', 10);
  const second = openBrake(notes, NOW_MS - 365 * 24 * 3_600_000);
  assert.equal((await second.view()).deletes, 10);
  second.time.monotonicMs += 3_661_000;
  assert.equal(await second.ask('an hour later'), 'go');
});

test('rules have brakes of their own', async () => {
  const { askMany, ask } = openBrake();
  assert.deepEqual(await askMany('a', 11), { go: 10, held: 1 });
  assert.equal(await ask('b', { rule: { ...MIRROR, name: 'other' } }), 'go');
});
