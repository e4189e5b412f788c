// A target that takes one change a second of one name: what the worker sends, and when.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { Clock } from '../core/clock.ts';
import { Fault } from '../core/faults.ts';
import type { ObjectTarget } from '../core/object-target.ts';
import type { Rule } from '../core/rule.ts';
import { LEASE_MS, RULE, SOURCE, World } from './testing/world.ts';
import { Worker } from './worker.ts';

const INTERVAL_MS = 1000;
const NEVER = new AbortController().signal;
const running: Worker[] = [];
afterEach(async () => {
  for (const worker of running.splice(0)) await worker.stop(0);
});

/** Refuses as Google does, and notes every change of the one name that went through. */
function strictTarget(world: World): {
  ports: Partial<ObjectTarget>;
  changesAtMs: number[];
  refused: number;
} {
  const seen = { changesAtMs: [] as number[], refused: 0, ports: {} as Partial<ObjectTarget> };
  const check = (): void => {
    const nowMs = world.clock.monotonicMs();
    const lastMs = seen.changesAtMs.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (nowMs - lastMs < INTERVAL_MS) {
      seen.refused += 1;
      throw new Fault('target_throttled', 'one change a second', { details: { scope: 'object' } });
    }
    seen.changesAtMs.push(nowMs);
  };
  seen.ports = {
    insert: async (request, signal) => {
      check();
      return world.target.insert(request, signal);
    },
    updateMetadata: async (request, signal) => {
      check();
      return world.target.updateMetadata(request, signal);
    },
    remove: async (request, signal) => {
      check();
      return world.target.remove(request, signal);
    },
  };
  return seen;
}

function start(
  world: World,
  target: Partial<ObjectTarget>,
  options: { rule?: Rule; clock?: Clock } = {},
): void {
  const { rule = RULE, clock = world.clock } = options;
  const worker = new Worker({
    queue: world.queue,
    rules: [rule],
    stores: { ...world.stores({ target }), clock },
    clock,
    random: { next: () => 0.5 },
    happenings: world.happenings(),
    maxConcurrency: 4,
    maxAttempts: 3,
    backoff: { baseMs: 1000, capMs: 300_000 },
    leaseMs: LEASE_MS,
  });
  running.push(worker);
  worker.start();
}

async function until(world: World, longestMs: number, isSo: () => boolean): Promise<void> {
  const startMs = world.clock.monotonicMs();
  while (!isSo()) {
    assert.ok(world.clock.monotonicMs() - startMs <= longestMs, `Not within ${longestMs} ms`);
    await world.clock.sleep(10, NEVER);
  }
}

const count = (world: World, name: string): number =>
  world.told.filter((entry) => entry.name === name).length;

/** Waits until nothing is due any more. */
async function rest(world: World): Promise<void> {
  for (;;) {
    const { byStatus } = await world.queue.counts();
    if (byStatus.queued + byStatus.copying + byStatus.settling === 0) return;
    await world.clock.sleep(50, NEVER);
  }
}

test('one name overwritten a hundred times a second ends at its last version, with one write a second', async () => {
  const world = new World({ sameNameIntervalMs: INTERVAL_MS });
  const target = strictTarget(world);
  start(world, target.ports);
  for (let version = 1; version <= 500; version += 1) {
    world.put(`version ${version}`);
    await world.accept();
    await world.clock.sleep(10, NEVER);
  }
  await until(world, 2 * INTERVAL_MS, () => world.targetText() === 'version 500');
  await rest(world);
  assert.equal(world.targetText(), 'version 500');
  assert.equal(target.refused, 0, 'The target never had to refuse');
  const writes = target.changesAtMs.length;
  assert.ok(writes >= 5 && writes <= 7, `${writes} writes in five seconds`);
  const attempts = count(world, 'transferStarted');
  assert.ok(attempts <= 3 * writes, `${attempts} attempts for 500 changes`);
  assert.equal(count(world, 'transferRetrying'), 0);
  assert.equal(count(world, 'transferParked'), 0);
  assert.ok(world.calls.length <= 8 * writes, `${world.calls.length} requests for 500 changes`);
});

test('a change right after a write waits for the rest of the interval; no attempt is counted, no fault noted', async () => {
  const world = new World({ sameNameIntervalMs: INTERVAL_MS });
  const target = strictTarget(world);
  start(world, target.ports);
  world.put('one');
  await world.accept();
  await until(world, 1000, () => world.targetText() === 'one');
  await world.clock.sleep(400, NEVER);
  world.put('two');
  const id = await world.accept();
  await until(world, 100, () => count(world, 'transferSpaced') === 1);
  const waiting = await world.queue.get(id);
  assert.deepEqual([waiting?.status, waiting?.attemptCount, waiting?.fault], ['queued', 0, null]);
  await until(world, 700, () => world.targetText() === 'two');
  const [first = 0, second = 0] = target.changesAtMs;
  assert.ok(
    second - first >= INTERVAL_MS && second - first < INTERVAL_MS + 100,
    `${second - first} ms apart`,
  );
  const spaced = world.told.find(({ name }) => name === 'transferSpaced');
  assert.ok(Number(spaced?.event['retryInMs']) <= 600);
});

test('a change that needs no effect ends at once', async () => {
  const world = new World({ sameNameIntervalMs: INTERVAL_MS });
  const target = strictTarget(world);
  start(world, target.ports);
  world.put('one');
  await world.accept();
  await until(world, 1000, () => world.targetText() === 'one');
  await world.accept();
  await until(world, 100, () => count(world, 'transferFinished') === 2);
  assert.equal(count(world, 'transferSpaced'), 0);
  assert.equal(target.changesAtMs.length, 1);
});

test('new metadata and a mirrored delete of a name that was just written wait as well', async () => {
  const rule: Rule = { ...RULE, deletes: 'mirror' };
  const world = new World({ sameNameIntervalMs: INTERVAL_MS });
  const target = strictTarget(world);
  start(world, target.ports, { rule });
  world.put('one', { colour: 'red' });
  await world.accept({}, rule);
  await until(world, 1000, () => world.targetText() === 'one');
  world.put('one', { colour: 'blue' });
  await world.accept({}, rule);
  await until(world, 1100, () => target.changesAtMs.length === 2);
  world.source.remove(SOURCE);
  await world.accept({ kind: 'removed' }, rule);
  await until(world, 1100, () => world.targetText() === null);
  assert.equal(target.refused, 0);
  assert.equal(count(world, 'transferSpaced'), 2);
});

test('a wall clock that jumps never delays a change by more than the interval', async () => {
  for (const jumpMs of [-3_600_000, -500, 3_600_000]) {
    const world = new World({ sameNameIntervalMs: INTERVAL_MS });
    let offsetMs = 0;
    const clock: Clock = {
      nowMs: () => world.clock.nowMs() + offsetMs,
      monotonicMs: () => world.clock.monotonicMs(),
      sleep: (ms, signal) => world.clock.sleep(ms, signal),
    };
    start(world, {}, { clock });
    world.put('one');
    await world.accept();
    await until(world, 1000, () => world.targetText() === 'one');
    offsetMs = jumpMs;
    world.put('two');
    await world.accept();
    await until(world, INTERVAL_MS + 200, () => world.targetText() === 'two');
  }
});

test('a target without such a limit is never waited for', async () => {
  const world = new World();
  start(world, {});
  for (const text of ['one', 'two', 'three']) {
    world.put(text);
    await world.accept();
    await until(world, 50, () => world.targetText() === text);
  }
  assert.equal(count(world, 'transferSpaced'), 0);
});
