// One object on which every attempt goes wrong, in each way it can, never keeps the others from being copied.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Fault, type FaultCode } from '../core/faults.ts';
import type { ObjectSource } from '../core/object-source.ts';
import type { Transfer } from '../core/transfer.ts';
import { LEASE_MS, RULE, World } from './testing/world.ts';
import { Worker } from './worker.ts';

const running: Worker[] = [];
afterEach(async () => {
  for (const worker of running.splice(0)) await worker.stop(0);
});

const MAX_CONCURRENCY = 4;
/** More than run at once: poison alone could fill every slot. */
const POISONED = Array.from({ length: 6 }, (_, index) => `poisoned/${index}`);
const GOOD = Array.from({ length: 30 }, (_, index) => `good/${index}`);

type Poison = (world: World, signal: AbortSignal) => Promise<never>;

/** What each attempt on a poisoned object does, and how such an object ends; null: it is tried for ever. */
const POISONS: readonly (readonly [name: string, end: FaultCode | null, poison: Poison])[] = [
  [
    'throws an error that only a mistake of ours throws',
    'bug',
    async () => {
      throw new TypeError('undefined is not a function');
    },
  ],
  ['trips an assertion', 'bug', async () => assert.fail('This cannot be')],
  [
    'throws what nobody knows',
    'unexpected',
    async () => {
      throw new Error('Who knows');
    },
  ],
  [
    'fails with a fault that counts',
    'source_error',
    async () => {
      throw new Fault('source_error', 'The source answered 500');
    },
  ],
  [
    'hangs until it is given up',
    'source_read_broken',
    async (world, signal) => {
      await world.clock.sleep(25_000, signal);
      throw new Fault('source_read_broken', 'Nothing came for 25 s');
    },
  ],
  [
    'hangs for longer than its lease',
    'source_read_broken',
    async (world, signal) => {
      await world.clock.sleep(10 * LEASE_MS, signal);
      throw new Fault('source_read_broken', 'Nothing came');
    },
  ],
  [
    'looks as if the whole store were down',
    null,
    async () => {
      throw new Fault('source_unreachable', 'The connection was refused');
    },
  ],
];

function startPoisonedWorker(world: World, poison: Poison): void {
  const isPoisoned = (key: string): boolean => key.startsWith('poisoned/');
  const source: Partial<ObjectSource> = {
    read: async (request, signal) =>
      isPoisoned(request.location.key) ? poison(world, signal) : world.source.read(request, signal),
    look: async (location, signal) =>
      isPoisoned(location.key) ? poison(world, signal) : world.source.look(location, signal),
  };
  const worker = new Worker({
    queue: world.queue,
    rules: [RULE],
    stores: world.stores({ source }),
    clock: world.clock,
    random: { next: () => 0.5 },
    happenings: world.happenings(),
    maxConcurrency: MAX_CONCURRENCY,
    maxAttempts: 3,
    backoff: { baseMs: 1000, capMs: 300_000 },
    leaseMs: LEASE_MS,
  });
  running.push(worker);
  worker.start();
}

async function until<Found>(what: string, find: () => Promise<Found | null>): Promise<Found> {
  for (let turn = 0; turn < 1_000_000; turn += 1) {
    const found = await find();
    if (found !== null) return found;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  throw new Error(`Waited in vain for ${what}`);
}

async function transfersOf(world: World, ids: readonly string[]): Promise<Transfer[]> {
  const found = await Promise.all(ids.map((id) => world.queue.get(id)));
  return found.filter((transfer) => transfer !== null);
}

for (const [name, end, poison] of POISONS) {
  test(`a poisoned object that ${name} never keeps the others from being copied`, async () => {
    const world = new World();
    for (const key of [...POISONED, ...GOOD])
      world.source.put({ bucket: 'from', key }, Buffer.from(`bytes of ${key}`), { metadata: {} });
    // Poison comes first, and is due first.
    const poisoned: string[] = [];
    for (const key of POISONED) poisoned.push(await world.accept({ key }));
    startPoisonedWorker(world, poison);
    const good: string[] = [];
    for (const key of GOOD) good.push(await world.accept({ key }));

    await until('all good objects', async () =>
      (await transfersOf(world, good)).every(({ status }) => status === 'done') ? true : null,
    );
    for (const { outcome } of await transfersOf(world, good)) assert.equal(outcome, 'replicated');
    for (const { status } of await transfersOf(world, poisoned)) assert.notEqual(status, 'done');
    if (end === null) return;
    const parked = await until('the end of the poisoned ones', async () => {
      const all = await transfersOf(world, poisoned);
      return all.every(({ status }) => status === 'parked') ? all : null;
    });
    for (const { fault } of parked) assert.equal(fault?.code, end);
    // What comes later is copied as ever.
    world.source.put({ bucket: 'from', key: 'later' }, Buffer.from('later'), { metadata: {} });
    const later = await world.accept({ key: 'later' });
    await until('a later object', async () =>
      (await world.queue.get(later))?.status === 'done' ? true : null,
    );
  });
}
