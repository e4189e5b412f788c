// The worker while a store is down, comes and goes, or asks for fewer requests.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Fault, type FaultCode } from '../core/faults.ts';
import type { ObjectSource } from '../core/object-source.ts';
import type { ObjectTarget } from '../core/object-target.ts';
import type { TransferStatus } from '../core/transfer.ts';
import { LEASE_MS, RULE, World } from './testing/world.ts';
import { Worker } from './worker.ts';

const NEVER = new AbortController().signal;
const running: Worker[] = [];
afterEach(async () => {
  for (const worker of running.splice(0)) await worker.stop(0);
});

/** What a store answers to every call now; null: what it holds. */
type Trouble = (key: string) => FaultCode | null;

/** Stores that can be put into trouble, and the calls that reached each of them, with the time. */
class TroubledStores {
  source: Trouble = () => null;
  target: Trouble = () => null;
  readonly calls: { readonly store: string; readonly key: string; readonly atMs: number }[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  readonly ports = (): { source: Partial<ObjectSource>; target: Partial<ObjectTarget> } => {
    const { source, target } = this.#world;
    return {
      source: {
        look: async (at, signal) => {
          this.#check('source', at.key);
          return source.look(at, signal);
        },
        read: async (request, signal) => {
          this.#check('source', request.location.key);
          return source.read(request, signal);
        },
      },
      target: {
        look: async (at, signal) => {
          this.#check('target', at.key);
          return target.look(at, signal);
        },
        insert: async (request, signal) => {
          const fault = this.#faultOf('target', request.location.key);
          // As the real one: a write that was answered 503 may have landed all the same.
          if (fault?.code === 'target_unavailable') return { kind: 'unanswered', fault };
          if (fault !== null) throw fault;
          return target.insert(request, signal);
        },
      },
    };
  };

  #check(store: 'source' | 'target', key: string): void {
    const fault = this.#faultOf(store, key);
    if (fault !== null) throw fault;
  }

  #faultOf(store: 'source' | 'target', key: string): Fault | null {
    this.calls.push({ store, key, atMs: this.#world.clock.nowMs() });
    const code = this[store](key);
    return code === null ? null : new Fault(code, `${code} on purpose`);
  }

  count(store: string, key?: string): number {
    return this.calls.filter((call) => call.store === store && (key === undefined || call.key === key))
      .length;
  }
}

function start(world: World, stores: TroubledStores, maxConcurrency = 8, ports = stores.ports()): Worker {
  let turn = 0;
  const worker = new Worker({
    queue: world.queue,
    rules: [RULE],
    stores: world.stores(ports),
    clock: world.clock,
    random: {
      next: () => {
        turn += 1;
        return ((turn * 37) % 100) / 100;
      },
    },
    happenings: world.happenings(),
    maxConcurrency,
    maxAttempts: 3,
    backoff: { baseMs: 1000, capMs: 300_000 },
    leaseMs: LEASE_MS,
  });
  running.push(worker);
  worker.start();
  return worker;
}

async function put(world: World, key: string, text = key): Promise<string> {
  world.source.put({ bucket: 'from', key }, Buffer.from(text));
  return world.accept({ key, sizeBytes: text.length });
}

function holds(world: World, key: string, text = key): boolean {
  const bytes = world.target.bytesOf({ bucket: 'to', key });
  return bytes !== null && Buffer.from(bytes).toString() === text;
}

/** Lets time pass until this holds, at most so long; returns how long it took. */
async function until(world: World, longestMs: number, isSo: () => boolean): Promise<number> {
  const startMs = world.clock.nowMs();
  while (!isSo()) {
    assert.ok(world.clock.nowMs() - startMs <= longestMs, `It did not come about within ${longestMs} ms`);
    await world.clock.sleep(100, NEVER);
  }
  return world.clock.nowMs() - startMs;
}

async function statusCount(world: World, status: Exclude<TransferStatus, 'done'>): Promise<number> {
  return (await world.queue.counts()).byStatus[status];
}

const told = (world: World, name: string): Record<string, unknown>[] =>
  world.told.filter((entry) => entry.name === name).map(({ event }) => event);

/** Every log line at info or above that a person would see of transfers that could not be done. */
const warnings = (world: World): number =>
  told(world, 'transferRetrying').filter(({ isStoreDown }) => isStoreDown !== true).length;

test('a target that is down for five minutes: changes are taken, nothing parks or counts, all is there soon after', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  stores.target = () => 'target_unavailable';
  const worker = start(world, stores);
  const keys = Array.from({ length: 1000 }, (_, index) => `k${index}`);
  const startMs = world.clock.nowMs();
  for (const key of keys) {
    await put(world, key);
    await world.clock.sleep(300, NEVER);
  }
  assert.ok(world.clock.nowMs() - startMs >= 300_000);
  assert.equal(await statusCount(world, 'parked'), 0);
  const [, target] = worker.storeStates();
  assert.equal(target?.down?.fault.code, 'target_unavailable');
  assert.ok((target.down.sinceMs ?? 0) - startMs < 15_000, 'Since when is told from the first failure on');
  assert.equal(worker.storeStates()[0]?.down, null, 'The source is up');
  const probes = told(world, 'transferStarted').filter(({ isProbe }) => isProbe === true).length;
  assert.ok(probes >= 20 && probes <= 45, `${probes} probes in five minutes`);
  assert.ok(stores.count('target') < 120, `${stores.count('target')} requests`);

  stores.target = () => null;
  const tookMs = await until(world, 60_000, () => keys.every((key) => holds(world, key)));
  assert.ok(tookMs <= 60_000);
  assert.deepEqual([told(world, 'storeDown').length, told(world, 'storeUp').length], [1, 1]);
  const [up] = told(world, 'storeUp');
  assert.equal(up?.['store'], 'target');
  assert.ok(Number(up['downForMs']) >= 290_000);
  assert.ok(Number(up['waitingCount']) >= 990, `${String(up['waitingCount'])} waited`);
  assert.ok(warnings(world) <= 10, `${warnings(world)} warnings before the state was told`);
  // What had sent an effect looks once more, one grace later; nothing ever counted an attempt.
  await until(world, 200_000, () => world.told.filter(isDone).length >= keys.length);
  const { transfers } = await world.queue.list({ filter: {}, cursor: null, limit: 100 });
  assert.ok(transfers.every(({ status, attemptCount }) => status === 'done' && attemptCount === 0));
  assert.equal(told(world, 'transferParked').length, 0);
  assert.deepEqual(
    worker.storeStates().map(({ down }) => down),
    [null, null],
  );
});

function isDone({ name, event }: { name: string; event: Record<string, unknown> }): boolean {
  return name === 'transferFinished' && event['status'] === 'done';
}

test('a source that is down at the start is told, and everything goes on when it comes', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  stores.source = () => 'source_unreachable';
  for (let index = 0; index < 50; index += 1) await put(world, `k${index}`);
  const worker = start(world, stores);
  await until(world, 30_000, () => worker.storeStates()[0]?.down !== null);
  await world.clock.sleep(60_000, NEVER);
  assert.equal(told(world, 'storeDown').length, 1);
  stores.source = () => null;
  await until(world, 60_000, () => holds(world, 'k0') && holds(world, 'k49'));
  assert.equal(told(world, 'storeUp').length, 1);
});

test('credentials that cannot be had belong to the store whose call needed them', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  stores.target = () => 'credentials_unavailable';
  for (let index = 0; index < 8; index += 1) await put(world, `k${index}`);
  const worker = start(world, stores);
  await until(world, 30_000, () => worker.storeStates().some(({ down }) => down !== null));
  assert.deepEqual(
    worker.storeStates().map(({ store, down }) => [store, down?.fault.code ?? null]),
    [
      ['source', null],
      ['target', 'credentials_unavailable'],
    ],
  );
});

test('both stores down at once: each is told, and each when it is back', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  for (let index = 0; index < 20; index += 1) await put(world, `old${index}`);
  const worker = start(world, stores);
  await until(world, 30_000, () => holds(world, 'old19'));
  stores.source = () => 'source_unreachable';
  stores.target = () => 'target_unreachable';
  // New small objects ask the source first, known ones the target.
  for (let index = 0; index < 20; index += 1) {
    await put(world, `new${index}`);
    await put(world, `old${index}`, 'second');
  }
  await until(world, 60_000, () => worker.storeStates().every(({ down }) => down !== null));
  await world.clock.sleep(120_000, NEVER);
  const asked = stores.calls.length;
  await world.clock.sleep(120_000, NEVER);
  assert.ok(stores.calls.length - asked <= 30, `${stores.calls.length - asked} requests in two minutes`);
  stores.source = () => null;
  await world.clock.sleep(60_000, NEVER);
  assert.equal(holds(world, 'new0'), false);
  stores.target = () => null;
  await until(world, 60_000, () => holds(world, 'new19') && holds(world, 'old19', 'second'));
  assert.equal(told(world, 'storeDown').length, 2);
  assert.equal(told(world, 'storeUp').length, 2);
  assert.equal(told(world, 'transferParked').length, 0);
});

test('a store that comes and goes: as many lines as changes of state, no attempt counted, all copied', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  const startMs = world.clock.nowMs();
  // Down for 20 s, up for 5 s, and so on.
  stores.target = () => ((world.clock.nowMs() - startMs) % 25_000 < 20_000 ? 'target_unavailable' : null);
  start(world, stores, 2);
  const keys = Array.from({ length: 200 }, (_, index) => `k${index}`);
  for (const key of keys) {
    await put(world, key);
    await world.clock.sleep(500, NEVER);
  }
  await until(world, 200_000, () => keys.every((key) => holds(world, key)));
  const states = world.told.filter(({ name }) => name === 'storeDown' || name === 'storeUp');
  assert.ok(states.length >= 2 && states.length <= 20, `${states.length} lines`);
  for (const [index, { name }] of states.entries())
    assert.equal(name, index % 2 === 0 ? 'storeDown' : 'storeUp', 'They take turns');
  assert.equal(told(world, 'transferParked').length, 0);
  stores.target = () => null;
  await until(world, 300_000, () => world.told.filter(isDone).length >= keys.length);
  const { transfers } = await world.queue.list({ filter: {}, cursor: null, limit: 100 });
  assert.ok(transfers.every(({ attemptCount }) => attemptCount === 0));
});

test('one object that the store answers 503 holds nobody up, opens nothing, and is asked less and less', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  stores.target = (key) => (key === 'bad' ? 'target_unavailable' : null);
  start(world, stores);
  await put(world, 'bad');
  for (let index = 0; index < 600; index += 1) {
    await put(world, `k${index}`);
    await world.clock.sleep(500, NEVER);
  }
  assert.ok(holds(world, 'k598'));
  assert.equal(told(world, 'storeDown').length, 0);
  const asked = stores.count('target', 'bad');
  // Two requests each time, a write and a look; the pauses grow to 15 s, half of that on average.
  assert.ok(asked >= 20 && asked <= 140, `${asked} requests in five minutes`);
  assert.equal(told(world, 'transferParked').length, 0);
});

test('one object that fails with errors of its own is parked in the end and opens nothing', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  stores.target = (key) => (key === 'bad' ? 'target_error' : null);
  start(world, stores);
  await put(world, 'bad');
  await until(world, 60_000, () => told(world, 'transferParked').length === 1);
  assert.equal(told(world, 'storeDown').length, 0);
});

test('a probe that fails for another reason is parked as ever, and the next one finds out', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  stores.source = (key) => (key === 'denied' ? 'access_denied' : 'source_unreachable');
  for (let index = 0; index < 8; index += 1) await put(world, `k${index}`);
  const worker = start(world, stores, 1);
  await until(world, 60_000, () => worker.storeStates()[0]?.down !== null);
  await put(world, 'denied');
  await until(world, 60_000, () => told(world, 'transferParked').length === 1);
  assert.equal(await statusCount(world, 'parked'), 1);
  stores.source = () => null;
  await until(world, 60_000, () => holds(world, 'k7'));
});

test('the first answer lets everything go on, although the attempt that got it takes long', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  stores.source = () => 'source_unreachable';
  const ports = stores.ports();
  let isHanging = false;
  ports.source = {
    ...ports.source,
    read: async (request, signal) => {
      const read = await stores.ports().source.read?.(request, signal);
      if (read === undefined || read.kind !== 'body' || isHanging) return read ?? { kind: 'changed' };
      isHanging = true;
      const { body } = read;
      const slow = async function* (): AsyncGenerator<Uint8Array> {
        await world.clock.sleep(3_600_000, signal);
        yield* body;
      };
      return { ...read, body: slow() };
    },
  };
  for (let index = 0; index < 20; index += 1) await put(world, `k${index}`);
  const worker = start(world, stores, 8, ports);
  await until(world, 60_000, () => worker.storeStates()[0]?.down !== null);
  await world.clock.sleep(60_000, NEVER);
  stores.source = () => null;
  await until(world, 15_000, () => isHanging);
  await until(world, 2_000, () => keysHeld(world, 20) === 19);
});

function keysHeld(world: World, count: number): number {
  return Array.from({ length: count }, (_, index) => `k${index}`).filter((key) => holds(world, key)).length;
}

test('a store that asks for fewer requests gets fewer at once, is not called down, and more again later', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  const worker = start(world, stores, 8);
  let isBusy = true;
  stores.target = () => (isBusy && stores.calls.length % 2 === 0 ? 'target_throttled' : null);
  for (let index = 0; index < 200; index += 1) {
    await put(world, `k${index}`);
    await world.clock.sleep(50, NEVER);
  }
  const limits = (): number[] => worker.storeStates().map(({ concurrencyLimit }) => concurrencyLimit);
  assert.deepEqual(limits(), [8, 1]);
  assert.equal(told(world, 'storeDown').length, 0);
  isBusy = false;
  for (let index = 0; index < 40; index += 1) {
    await put(world, `later${index}`);
    await world.clock.sleep(500, NEVER);
  }
  assert.deepEqual(limits(), [8, 8]);
  await until(world, 60_000, () => holds(world, 'k199') && holds(world, 'later39'));
  assert.equal(told(world, 'transferParked').length, 0);
});

test('a store that asks everybody for fewer requests for minutes is asked seldom, and all is there soon after', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  stores.source = () => 'source_throttled';
  start(world, stores);
  const keys = Array.from({ length: 500 }, (_, index) => `k${index}`);
  for (const key of keys) {
    await put(world, key);
    await world.clock.sleep(600, NEVER);
  }
  assert.ok(stores.calls.length <= 80, `${stores.calls.length} requests in five minutes`);
  assert.equal(told(world, 'storeDown').length, 0);
  stores.source = () => null;
  await until(world, 60_000, () => keys.every((key) => holds(world, key)));
  assert.equal(told(world, 'transferParked').length, 0);
});

test('retries of a store that fails much of what it is asked are spread out by its budget', async () => {
  const world = new World();
  const stores = new TroubledStores(world);
  stores.target = () => 'target_error';
  start(world, stores, 32);
  for (let index = 0; index < 200; index += 1) await put(world, `k${index}`);
  await until(world, 10_000, () => told(world, 'transferRetrying').length >= 200);
  const waits = told(world, 'transferRetrying').map(({ retryInMs }) => Number(retryInMs));
  assert.ok(waits.slice(0, 40).every((waitMs) => waitMs <= 1000));
  assert.ok(
    waits.slice(150, 200).every((waitMs) => waitMs >= 15_000),
    waits.slice(150).join(),
  );
});
