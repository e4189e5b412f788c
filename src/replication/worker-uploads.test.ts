// What becomes of a stored upload when its transfer ends without it, and of one that cannot be finished in time.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Fault } from '../core/faults.ts';
import type { ObjectSource } from '../core/object-source.ts';
import type { ObjectTarget, UploadSession } from '../core/object-target.ts';
import type { UploadCheckpoint } from '../core/transfer-queue.ts';
import { converge } from './converge.ts';
import { worldWithCutUpload } from './testing/cut-upload.ts';
import { LEASE_MS, RULE, SOURCE, World } from './testing/world.ts';
import { Worker } from './worker.ts';

const { signal } = new AbortController();

const running: Worker[] = [];
afterEach(async () => {
  for (const worker of running.splice(0)) await worker.stop(0);
});

/** Runs a worker until the transfer is done; returns the outcome. */
async function outcomeOf(
  world: World,
  transferId: string,
  { source = {} }: { readonly source?: Partial<ObjectSource> } = {},
): Promise<string | null | undefined> {
  const worker = new Worker({
    queue: world.queue,
    rules: [RULE],
    stores: world.stores({ source }),
    clock: world.clock,
    random: { next: () => 0.5 },
    happenings: world.happenings(),
    maxConcurrency: 4,
    maxAttempts: 3,
    backoff: { baseMs: 1000, capMs: 300_000 },
    leaseMs: LEASE_MS,
  });
  running.push(worker);
  worker.start();
  for (let turn = 0; turn < 100_000; turn += 1) {
    const transfer = await world.queue.get(transferId);
    if (transfer?.status === 'done') return transfer.outcome;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  throw new Error(`The transfer never was done: ${JSON.stringify(await world.queue.get(transferId))}`);
}

const ends: readonly {
  readonly outcome: string;
  readonly prepare: (world: World) => Promise<void> | void;
}[] = [
  { outcome: 'source_gone', prepare: (world) => world.source.remove(SOURCE) },
  {
    outcome: 'already_current',
    prepare: async (world) => {
      // An attempt that had no checkpoint copied the object, and nobody wrote down how it ended.
      const claimed = await world.claim();
      const end = await converge(world.stores(), world.attempt({ ...claimed, checkpoint: null }));
      assert.equal(end.outcome, 'replicated');
      await world.queue.release(claimed.lease, { owed: false });
    },
  },
];

for (const { outcome, prepare } of ends) {
  test(`a transfer that ends as ${outcome} cancels the upload that it does not need any more`, async () => {
    const { world, transferId, checkpoint } = await worldWithCutUpload();
    await world.queue.redrive(transferId);
    await prepare(world);
    assert.equal(await outcomeOf(world, transferId), outcome);
    assert.equal((await world.target.uploadProgress(checkpoint.session, signal)).kind, 'lost');
  });
}

test('a transfer that goes on with its upload finishes it and cancels nothing', async () => {
  const { world, transferId, checkpoint } = await worldWithCutUpload();
  await world.queue.redrive(transferId);
  world.calls.length = 0;
  assert.equal(await outcomeOf(world, transferId), 'replicated');
  assert.equal((await world.target.uploadProgress(checkpoint.session, signal)).kind, 'committed');
  assert.ok(!world.calls.includes('target.cancelUpload') && !world.calls.includes('target.openUpload'));
});

/**
 * A stored upload, and attempts on it whose session takes nothing although it tells how far it is: each has the stored
 * upload that it leaves as its result.
 */
async function stalledUpload(): Promise<{
  readonly world: World;
  readonly session: UploadSession;
  readonly tryInVain: () => Promise<UploadCheckpoint | null>;
}> {
  const world = new World();
  world.source.put(SOURCE, Buffer.alloc(2000, 7));
  await world.accept({ sizeBytes: 2000 });
  const fault = new Fault('target_unavailable', 'The session answers 503');
  const target: Partial<ObjectTarget> = {
    sendUpload: async ({ body }) => {
      for await (const chunk of body) void chunk;
      throw fault;
    },
  };
  const tryInVain = async (): Promise<UploadCheckpoint | null> => {
    const attempt = world.attempt(await world.claim());
    await assert.rejects(converge(world.stores({ target }), attempt), Fault);
    const progress = attempt.unsavedProgress;
    assert(progress);
    await world.queue.progress(attempt.lease, progress);
    await world.queue.release(attempt.lease, { owed: false });
    return progress.checkpoint;
  };
  const stored = await tryInVain();
  assert(stored);
  return { world, session: stored.session, tryInVain };
}

test('a session that takes nothing for an hour although it tells how far it is makes way for a new one', async () => {
  const { world, session, tryInVain } = await stalledUpload();
  assert.equal((await tryInVain())?.session, session);
  world.clock.advance(3_600_000);
  assert.equal(await tryInVain(), null);
  assert.equal((await world.target.uploadProgress(session, signal)).kind, 'lost', 'it is cancelled');
  const end = await converge(world.stores(), world.attempt(await world.claim()));
  assert.equal(end.outcome, 'replicated');
});

test('a session that takes bytes again is no stalled one, whenever the next trouble comes', async () => {
  const { world, session, tryInVain } = await stalledUpload();
  const stalled = await tryInVain();
  assert.equal(stalled?.stall?.persistedBytes, 0);
  async function* block(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(16, 7);
  }
  await world.target.sendUpload({ session, startByte: 0, lengthBytes: 16, body: block() }, signal);
  world.clock.advance(3_600_000);
  const later = await tryInVain();
  assert.equal(later?.session, session);
  assert.deepEqual(later?.stall, { sinceMs: world.clock.nowMs(), persistedBytes: 16 });
});

test('an upload that is too slow for the life of its session is told of, once an attempt', async () => {
  const world = new World();
  // Sixty-four bytes take five minutes: the whole would take longer than a week.
  const sizeBytes = 200_000;
  world.source.put(SOURCE, Buffer.alloc(sizeBytes, 7));
  const transferId = await world.accept({ sizeBytes });
  let isFirst = true;
  async function* slowly(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      if (isFirst) await world.clock.sleep(300_000, signal);
      isFirst = false;
      yield chunk;
    }
  }
  const slow: ObjectSource['read'] = async (request, aborted) => {
    const read = await world.source.read(request, aborted);
    return read.kind === 'body' ? { ...read, body: slowly(read.body) } : read;
  };
  assert.equal(await outcomeOf(world, transferId, { source: { read: slow } }), 'replicated');
  const told = world.told.filter(({ name }) => name === 'uploadTooSlow');
  assert.equal(told.length, 1);
  assert.equal(told[0]?.event['transferId'], transferId);
});
