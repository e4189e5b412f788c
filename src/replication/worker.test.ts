import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Fault, type FaultCode } from '../core/faults.ts';
import type { ObjectSource } from '../core/object-source.ts';
import type { ObjectTarget } from '../core/object-target.ts';
import type { Rule } from '../core/rule.ts';
import type { Transfer, TransferStatus } from '../core/transfer.ts';
import type { ClaimRoom } from '../core/transfer-queue.ts';
import { LEASE_MS, RULE, World } from './testing/world.ts';
import { Worker, type WorkerOptions } from './worker.ts';

const running: Worker[] = [];
afterEach(async () => {
  for (const worker of running.splice(0)) await worker.stop(0);
});

function startWorker(
  world: World,
  replaced: { source?: Partial<ObjectSource>; target?: Partial<ObjectTarget> } = {},
  options: Partial<WorkerOptions> = {},
): Worker {
  const worker = new Worker({
    queue: world.queue,
    rules: [RULE],
    stores: world.stores(replaced),
    clock: world.clock,
    random: { next: () => 0.5 },
    happenings: world.happenings(),
    maxConcurrency: 4,
    maxAttempts: 3,
    backoff: { baseMs: 1000, capMs: 300_000 },
    leaseMs: LEASE_MS,
    ...options,
  });
  running.push(worker);
  worker.start();
  return worker;
}

/** Lets everything that is ready run until the transfer has this status. */
async function reaches(world: World, id: string, status: TransferStatus): Promise<Transfer> {
  for (let turn = 0; turn < 100_000; turn += 1) {
    const transfer = await world.queue.get(id);
    if (transfer?.status === status) return transfer;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  throw new Error(`The transfer never was ${status}: ${JSON.stringify(await world.queue.get(id))}`);
}

const names = (world: World): string[] => world.told.map(({ name }) => name);

function failing(code: FaultCode): { source: Partial<ObjectSource> } {
  const fail = async (): Promise<never> => {
    throw new Fault(code, `${code} on purpose`);
  };
  return { source: { read: fail, look: fail } };
}

test('a change becomes a replicated object, and the story is told in order', async () => {
  const world = new World();
  world.put('hello');
  startWorker(world);
  const transfer = await reaches(world, await world.accept(), 'done');
  assert.equal(transfer.outcome, 'replicated');
  assert.equal(world.targetText(), 'hello');
  assert.deepEqual(names(world), ['transferStarted', 'transferFinished']);
});

test('a transient fault is retried with growing waits and parked at the end, with fault and remedy', async () => {
  const world = new World();
  world.put('hello');
  startWorker(world, failing('source_error'));
  const transfer = await reaches(world, await world.accept(), 'parked');
  assert.equal(transfer.fault?.code, 'source_error');
  assert.equal(transfer.attemptCount, 3);
  const retries = world.told
    .filter(({ name }) => name === 'transferRetrying')
    .map(({ event }) => event['retryInMs']);
  assert.deepEqual(retries, [500, 1000]);
});

test('a fault that needs a person parks at the first attempt', async () => {
  const world = new World();
  world.put('hello');
  startWorker(world, failing('access_denied'));
  const transfer = await reaches(world, await world.accept(), 'parked');
  assert.equal(transfer.attemptCount, 1);
  assert.deepEqual(names(world), ['transferStarted', 'transferParked']);
});

test('a store that is down uses up no attempt, however often it is asked', async () => {
  const world = new World();
  world.put('hello');
  let failures = 0;
  startWorker(world, {
    source: {
      read: async (request, signal) => {
        failures += 1;
        if (failures <= 20) throw new Fault('source_unreachable', 'down');
        return world.source.read(request, signal);
      },
    },
  });
  const transfer = await reaches(world, await world.accept(), 'done');
  assert.equal(transfer.outcome, 'replicated');
  assert.equal(transfer.attemptCount, 0);
  const waits = world.told
    .filter(({ name }) => name === 'transferRetrying')
    .map(({ event }) => Number(event['retryInMs']));
  assert.equal(waits.length, 20);
  assert.ok(Math.max(...waits) <= 15_000, 'The return of the store is noticed soon');
});

test('a programming error parks its transfer and keeps the worker', async () => {
  const world = new World();
  world.put('hello');
  let isFirst = true;
  startWorker(world, {
    source: {
      read: async (request, signal) => {
        if (!isFirst) return world.source.read(request, signal);
        isFirst = false;
        throw new TypeError('undefined is not a function');
      },
    },
  });
  const parked = await reaches(world, await world.accept(), 'parked');
  assert.equal(parked.fault?.code, 'bug');
  const again = await world.queue.redrive(parked.id);
  assert.equal((await reaches(world, again?.transferId ?? '', 'done')).outcome, 'replicated');
});

test('a transfer whose rule is gone is parked, not dropped', async () => {
  const world = new World();
  const other: Rule = { ...RULE, name: 'gone' };
  startWorker(world);
  const transfer = await reaches(world, await world.accept({}, other), 'parked');
  assert.equal(transfer.fault?.code, 'rule_missing');
});

test('a transfer that its rule no longer covers is parked and touches no store', async () => {
  const world = new World();
  const narrowed: Rule = { ...RULE, source: { ...RULE.source, prefix: 'only/' } };
  startWorker(world, {}, { rules: [narrowed] });
  const transfer = await reaches(world, await world.accept(), 'parked');
  assert.equal(transfer.fault?.code, 'rule_missing');
  assert.match(transfer.fault?.message ?? '', /does not cover s3:/);
  assert.deepEqual(world.calls, []);
});

test('a change that arrives while copying is followed up by a new look', async () => {
  const world = new World();
  world.put('one');
  let followUp = '';
  startWorker(world, {
    target: {
      insert: async (request, signal) => {
        if (followUp === '') {
          world.clock.advance(1000);
          world.put('two');
          followUp = await world.accept();
        }
        return world.target.insert(request, signal);
      },
    },
  });
  const id = await world.accept();
  assert.equal((await reaches(world, id, 'done')).outcome, 'replicated');
  assert.notEqual(followUp, id);
  assert.equal((await reaches(world, followUp, 'done')).outcome, 'replicated');
  assert.equal(world.targetText(), 'two');
});

test('an unanswered write settles: one more look after the grace, then done', async () => {
  const world = new World();
  world.put('hello');
  let isFirst = true;
  startWorker(world, {
    target: {
      insert: async (request, signal) => {
        const answer = await world.target.insert(request, signal);
        if (!isFirst) return answer;
        isFirst = false;
        return { kind: 'unanswered', fault: new Fault('target_error', 'no answer') };
      },
    },
  });
  const startedMs = world.clock.nowMs();
  const transfer = await reaches(world, await world.accept(), 'done');
  assert.equal(transfer.outcome, 'replicated');
  assert.ok(world.clock.nowMs() - startedMs >= 120_000, 'The grace has passed');
  const finished = world.told
    .filter(({ name }) => name === 'transferFinished')
    .map(({ event }) => event['status']);
  assert.deepEqual(finished, ['settling', 'done']);
});

test('a long copy keeps its lease; its progress is written down', async () => {
  const world = new World();
  world.source.put({ bucket: 'from', key: 'a/b c.txt' }, Buffer.alloc(200, 7));
  startWorker(world, {
    target: {
      sendUpload: async (request, signal) => {
        const progress = await world.target.sendUpload(request, signal);
        // Ten leases pass while the request is under way.
        for (let beat = 0; beat < 10; beat += 1) await world.clock.sleep(LEASE_MS / 2, signal);
        return progress;
      },
    },
  });
  const id = await world.accept();
  const transfer = await reaches(world, id, 'done');
  assert.equal(transfer.outcome, 'replicated');
  assert.ok(transfer.bytesDone > 0);
  assert.ok(!names(world).includes('leaseLost'), names(world).join());
});

test('stopping gives a running transfer back without counting an attempt, owed if a write was on its way', async () => {
  const world = new World();
  world.put('hello');
  let reached = (): void => {};
  const isWriting = new Promise<void>((resolve) => (reached = resolve));
  const worker = startWorker(world, {
    target: {
      insert: async (_request, signal) => {
        reached();
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        });
      },
    },
  });
  const id = await world.accept();
  await isWriting;
  await worker.stop(0);
  const transfer = await world.queue.get(id);
  assert.equal(transfer?.status, 'queued');
  assert.equal(transfer.attemptCount, 0);
  assert.ok(names(world).includes('transferReleased'));
  startWorker(world);
  await reaches(world, id, 'settling');
});

test('no more transfers run at once than allowed, and none waits for ever', async () => {
  const world = new World();
  let now = 0;
  let most = 0;
  startWorker(
    world,
    {
      source: {
        read: async (request, signal) => {
          now += 1;
          most = Math.max(most, now);
          for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
          now -= 1;
          return world.source.read(request, signal);
        },
      },
    },
    { maxConcurrency: 3 },
  );
  const ids: string[] = [];
  for (let index = 0; index < 20; index += 1) {
    world.source.put({ bucket: 'from', key: `k${index}` }, Buffer.from('x'));
    ids.push(await world.accept({ key: `k${index}` }));
  }
  for (const id of ids) await reaches(world, id, 'done');
  assert.equal(most, 3);
});

test('many transfers of a rule that is gone do not hold up the others', async () => {
  const world = new World();
  world.put('hello');
  const other: Rule = { ...RULE, name: 'gone' };
  for (let index = 0; index < 30; index += 1) await world.accept({ key: `old-${index}` }, other);
  const startedMs = world.clock.nowMs();
  const id = await world.accept();
  startWorker(world);
  await reaches(world, id, 'done');
  assert.ok(world.clock.nowMs() - startedMs < 1000, 'Nothing waited for a timer');
});

test('an attempt that outlived its lease gives way to the one that took the row over', async () => {
  const world = new World();
  world.source.put({ bucket: 'from', key: 'a/b c.txt' }, Buffer.alloc(200, 7));
  let isFirst = true;
  startWorker(world, {
    target: {
      sendUpload: async (request, signal) => {
        if (isFirst) {
          isFirst = false;
          // The process stood still: no heartbeat ran, and much later everything goes on at once.
          world.clock.advance(LEASE_MS * 3);
        }
        return world.target.sendUpload(request, signal);
      },
    },
  });
  const id = await world.accept();
  const transfer = await reaches(world, id, 'done');
  assert.equal(transfer.outcome, 'replicated');
  assert.ok(transfer.bytesDone > 0);
  const starts = names(world).filter((name) => name === 'transferStarted').length;
  assert.ok(starts <= 4, `${starts} attempts`);
});

test('rows of a claim that was under way when the worker stopped are given back at once', async () => {
  const world = new World();
  world.put('hello');
  let reached = (): void => {};
  let goOn = (): void => {};
  const isClaiming = new Promise<void>((resolve) => (reached = resolve));
  const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
  const { queue } = world;
  const slow = new Proxy(queue, {
    get(target, name) {
      if (name !== 'claim') {
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return async (room: ClaimRoom) => {
        const claimed = await target.claim(room);
        reached();
        await mayGoOn;
        return claimed;
      };
    },
  });
  const id = await world.accept();
  const worker = startWorker(world, {}, { queue: slow });
  await isClaiming;
  const stopped = worker.stop(0);
  goOn();
  await stopped;
  assert.equal((await queue.get(id))?.status, 'queued');
  assert.equal(world.targetText(), null);
});
