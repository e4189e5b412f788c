// A store that answers with errors of its own: to every object it is waited out, to single objects it is not.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Fault } from '../core/faults.ts';
import { LEASE_MS, RULE, World } from './testing/world.ts';
import { Worker } from './worker.ts';

const NEVER = new AbortController().signal;
const HOUR_MS = 3_600_000;
let worker: Worker | null = null;

afterEach(async () => worker?.stop(0));

/** A worker on a target that answers inserts of some objects with an error, and looks at all of them. */
function start(world: World, fails: (key: string) => boolean): void {
  worker = new Worker({
    queue: world.queue,
    rules: [RULE],
    stores: world.stores({
      target: {
        insert: async (request, signal) => {
          const { key } = request.location;
          // As the real one: a write that was answered 500 may have landed all the same.
          if (fails(key)) return { kind: 'unanswered', fault: new Fault('target_error', `500 for ${key}`) };
          return world.target.insert(request, signal);
        },
      },
    }),
    clock: world.clock,
    random: { next: () => 0.5 },
    happenings: world.happenings(),
    maxConcurrency: 8,
    maxAttempts: 3,
    backoff: { baseMs: 1000, capMs: 300_000 },
    leaseMs: LEASE_MS,
  });
  worker.start();
}

async function putAll(world: World, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const key = `key-${index}`;
    world.source.put({ bucket: 'from', key }, Buffer.from(key));
    ids.push(await world.accept({ key, sizeBytes: key.length }));
  }
  return ids;
}

function countHeld(world: World, count: number): number {
  const keys = Array.from({ length: count }, (_, index) => `key-${index}`);
  return keys.filter((key) => world.target.bytesOf({ bucket: 'to', key }) !== null).length;
}

test('errors that every object gets are waited out: nothing parks, and all is there within a minute of the end', async () => {
  const world = new World();
  let isErroneous = true;
  start(world, () => isErroneous);
  await putAll(world, 40);
  await world.clock.sleep(600_000, NEVER);
  assert.equal((await world.queue.counts()).byStatus.parked, 0);
  isErroneous = false;
  await world.clock.sleep(60_000, NEVER);
  assert.equal(countHeld(world, 40), 40);
});

test('errors of a few objects count as ever, however many others are copied', async () => {
  const world = new World();
  const poisoned = new Set(['key-1', 'key-2', 'key-3']);
  start(world, (key) => poisoned.has(key));
  await putAll(world, 20);
  await world.clock.sleep(60_000, NEVER);
  assert.equal(countHeld(world, 20), 17);
  assert.equal((await world.queue.counts()).byStatus.parked, 3);
});

test('objects that only get errors are parked in the end, also when nothing else is left', async () => {
  const world = new World();
  start(world, () => true);
  await putAll(world, 10);
  await world.clock.sleep(HOUR_MS, NEVER);
  assert.equal((await world.queue.counts()).byStatus.parked, 0);
  await world.clock.sleep(HOUR_MS, NEVER);
  assert.equal((await world.queue.counts()).byStatus.parked, 10);
});
