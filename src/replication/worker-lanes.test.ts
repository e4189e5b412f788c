// How the slots of a worker are shared: large objects never hold up small ones, nor small ones large ones.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Fault } from '../core/faults.ts';
import type { ObjectTarget } from '../core/object-target.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';
import { LEASE_MS, RULE, withMethods, World } from './testing/world.ts';
import { Worker } from './worker.ts';

const LARGE_BYTES = 200;

const running: { readonly worker: Worker; readonly letAll: () => void }[] = [];
afterEach(async () => {
  for (const { worker, letAll } of running.splice(0)) {
    letAll();
    await worker.stop(0);
  }
});

/** A worker whose uploads of large objects stand still until they are let go, one at a time or all. */
class StandingUploads {
  readonly world = new World();
  readonly worker: Worker;
  /** How many stand now. */
  count = 0;
  #let: (() => void)[] = [];
  #isOpen = false;

  constructor({ maxConcurrency = 8, target = {}, queue = {} }: StandingOptions = {}) {
    const { world } = this;
    this.worker = new Worker({
      queue: withMethods<TransferQueue>(world.queue, queue),
      rules: [RULE],
      stores: world.stores({
        target: {
          sendUpload: async (request, signal) => {
            await this.#stand(signal);
            return world.target.sendUpload(request, signal);
          },
          ...target,
        },
      }),
      clock: world.clock,
      random: { next: () => 0.5 },
      happenings: world.happenings(),
      maxConcurrency,
      maxAttempts: 3,
      backoff: { baseMs: 1000, capMs: 300_000 },
      leaseMs: LEASE_MS,
    });
    running.push({ worker: this.worker, letAll: () => this.letAll() });
  }

  letOne(): void {
    this.#let.shift()?.();
  }

  letAll(): void {
    this.#isOpen = true;
    while (this.#let.length > 0) this.letOne();
  }

  /** Puts an object of so many bytes and accepts a change of it. */
  async put(key: string, bytes: number, sizeBytes: number | null = bytes): Promise<string> {
    this.world.source.put({ bucket: 'from', key }, Buffer.alloc(bytes, 7));
    return this.world.accept({ key, sizeBytes });
  }

  async #stand(signal: AbortSignal): Promise<void> {
    if (this.#isOpen) return;
    this.count += 1;
    await new Promise<void>((resolve) => {
      this.#let.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.count -= 1;
  }
}

interface StandingOptions {
  readonly maxConcurrency?: number;
  readonly target?: Partial<ObjectTarget>;
  readonly queue?: Partial<TransferQueue>;
}

async function until(what: string, isReached: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 100_000; turn += 1) {
    if (await isReached()) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  throw new Error(`Never came about: ${what}`);
}

async function areDone(world: World, ids: readonly string[]): Promise<boolean> {
  for (const id of ids) if ((await world.queue.get(id))?.status !== 'done') return false;
  return true;
}

test('small objects are copied while ten huge ones stand, which hold a quarter of the slots', async () => {
  const uploads = new StandingUploads();
  const huge: string[] = [];
  for (let index = 0; index < 10; index += 1) huge.push(await uploads.put(`huge-${index}`, LARGE_BYTES));
  const small: string[] = [];
  for (let index = 0; index < 50; index += 1) small.push(await uploads.put(`small-${index}`, 3));
  uploads.worker.start();
  await until('all small ones done', () => areDone(uploads.world, small));
  assert.equal(uploads.count, 2);
  uploads.letAll();
  await until('all huge ones done', () => areDone(uploads.world, huge));
});

test('a large object gets the first slot that is free, however many small ones wait', async () => {
  const waiting: (() => void)[] = [];
  const uploads: StandingUploads = new StandingUploads({
    maxConcurrency: 4,
    target: {
      insert: async (request, signal) => {
        await new Promise<void>((resolve) => waiting.push(resolve));
        return uploads.world.target.insert(request, signal);
      },
    },
  });
  for (let index = 0; index < 20; index += 1) await uploads.put(`small-${index}`, 3);
  uploads.worker.start();
  await until('every slot taken by small ones', () => waiting.length === 4);
  await uploads.put('huge', LARGE_BYTES);
  waiting.shift()?.();
  await until('the huge one began', () => uploads.count === 1);
  assert.equal(waiting.length, 3, 'no other small one was begun before');
  // The rest goes on as it comes.
  await until('all small ones ended', async () => {
    waiting.shift()?.();
    return (await uploads.world.queue.counts()).byStatus.queued === 0 && waiting.length === 0;
  });
});

test('an object that turns out to be large waits for a slot of its lane, at no counted attempt', async () => {
  const uploads = new StandingUploads({ maxConcurrency: 4 });
  const { world } = uploads;
  const first = await uploads.put('known', LARGE_BYTES);
  uploads.worker.start();
  await until('the large lane is full', () => uploads.count === 1);
  const second = await uploads.put('unknown', LARGE_BYTES, null);
  await until('it was given back', () => world.told.some(({ name }) => name === 'transferReleased'));
  const waiting = await world.queue.get(second);
  assert.deepEqual([waiting?.status, waiting?.attemptCount, waiting?.sizeBytes], ['queued', 0, LARGE_BYTES]);
  assert.equal(world.told.find(({ name }) => name === 'transferReleased')?.event['reason'], 'lane_full');
  assert.ok(!world.told.some(({ name }) => name === 'transferRetrying' || name === 'transferParked'));
  uploads.letOne();
  await until('the first is done', () => areDone(world, [first]));
  await until('the second is being copied', () => uploads.count === 1);
  uploads.letOne();
  await until('the second is done', () => areDone(world, [second]));
  const begun = world.told.filter(
    ({ name, event }) => name === 'transferStarted' && event['transferId'] === second,
  );
  assert.equal(begun.length, 2, 'it did not come back before there was a slot');
});

test('an object that turns out to be large takes a free slot of its lane at once', async () => {
  const uploads = new StandingUploads({ maxConcurrency: 4 });
  const { world } = uploads;
  const unknown = await uploads.put('unknown', LARGE_BYTES, null);
  uploads.worker.start();
  await until('it is being copied', () => uploads.count === 1);
  const known = await uploads.put('known', LARGE_BYTES);
  const small = await uploads.put('small', 3);
  await until('the small one is done', () => areDone(world, [small]));
  assert.equal(uploads.count, 1, 'the slot counts as taken');
  uploads.letOne();
  await until('the other follows', () => uploads.count === 1);
  uploads.letAll();
  await until('both are done', () => areDone(world, [unknown, known]));
  assert.ok(!world.told.some(({ name }) => name === 'transferReleased'));
});

test('large objects that wait for their lane do not keep the queue being asked', async () => {
  let claimCount = 0;
  const uploads: StandingUploads = new StandingUploads({
    maxConcurrency: 4,
    queue: {
      claim: async (room) => {
        claimCount += 1;
        return uploads.world.queue.claim(room);
      },
    },
  });
  for (let index = 0; index < 5; index += 1) await uploads.put(`huge-${index}`, LARGE_BYTES);
  uploads.worker.start();
  await until('the lane is full', () => uploads.count === 1);
  const countBefore = claimCount;
  for (let turn = 0; turn < 300; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
  assert.ok(claimCount - countBefore <= 10, `${claimCount - countBefore} claims while nothing could begin`);
});

test('an upload session that the target refuses for ever does not take every probe while the target counts as down', async () => {
  // The status of such a session is told, so that the upload is gone on with, and no byte of it is ever taken.
  const sendUpload: ObjectTarget['sendUpload'] = async ({ body }) => {
    for await (const chunk of body) void chunk;
    throw new Fault('target_unavailable', 'The session answers 503');
  };
  const uploads = new StandingUploads({ target: { sendUpload } });
  const { world, worker } = uploads;
  await uploads.put('refused', 2000);
  worker.start();
  await passUntil(world, 600_000, () => world.told.some(({ name }) => name === 'storeDown'));
  await world.clock.sleep(300_000, new AbortController().signal);
  for (let index = 0; index < 5; index++) await uploads.put(`small/${index}`, 5);
  const finished = (): number => world.told.filter(({ name }) => name === 'transferFinished').length;
  await passUntil(world, 60_000, () => finished() === 5);
});

/** Lets time pass until this holds, at most so long. */
async function passUntil(world: World, longestMs: number, isSo: () => boolean): Promise<void> {
  const startMs = world.clock.nowMs();
  while (!isSo()) {
    assert.ok(world.clock.nowMs() - startMs <= longestMs, `It did not come about within ${longestMs} ms`);
    await world.clock.sleep(1000, new AbortController().signal);
  }
}
