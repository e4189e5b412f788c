// Random histories run against two drivers at once, on clocks that move alike: every answer must be the same.
// The drivers share the rules of a row; this looks for differences in how they find, keep, count and order rows.
// What is owed is followed by a model of its own: three lines of the port's contract, kept apart from the drivers.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ChangeTransport } from '../../src/core/change.ts';
import type { ClaimedTransfer, FinishAnswer, TransferQueue } from '../../src/core/transfer-queue.ts';
import { openMemoryQueue } from '../../src/queues/memory/memory-queue.ts';
import { openCheckpointSealer } from '../../src/queues/checkpoint-sealer.ts';
import { openSqliteQueue } from '../../src/queues/sqlite/sqlite-queue.ts';
import { ManualClock } from './manual-clock.ts';
import { onPostgres } from '../postgres-server.ts';
import { openPostgresOnClock } from './postgres-on-clock.ts';
import { withTemporaryFolder } from './temporary-folder.ts';
import { redriveAll } from './transfer-queue-parked.contract.ts';
import {
  checkpointOf,
  faultOf,
  GRACE_MS,
  itemOf,
  LEASE_MS,
  receiptOf,
  SMALL_MAX_BYTES,
} from './transfer-queue-samples.ts';

/** A step names leases and ids by their place among those handed out so far, which is the same for both queues. */
type Step =
  | {
      readonly kind: 'accept';
      readonly keys: readonly string[];
      readonly occurredAtMs: number | null;
      readonly sizeBytes: number | null;
      readonly transport: ChangeTransport;
    }
  | { readonly kind: 'claim'; readonly total: number; readonly large: number }
  | { readonly kind: 'advance' | 'jump'; readonly ms: number }
  | { readonly kind: 'renew' | 'progress'; readonly lease: number; readonly sizeBytes: number }
  | { readonly kind: 'finish'; readonly lease: number; readonly owed: boolean; readonly hasReceipt: boolean }
  | { readonly kind: 'retry'; readonly lease: number; readonly owed: boolean; readonly delayMs: number }
  | { readonly kind: 'park' | 'release'; readonly lease: number; readonly owed: boolean }
  | { readonly kind: 'redrive'; readonly id: number }
  | { readonly kind: 'redriveClass'; readonly limit: number; readonly keyPrefix: string }
  | { readonly kind: 'prune' | 'forgetStaleUploads'; readonly limit: number };

const TIMES = { leaseMs: LEASE_MS, settleGraceMs: GRACE_MS, smallMaxBytes: SMALL_MAX_BYTES };

/** Of a server: nobody sets it while a history is played. */
class SteadyManualClock extends ManualClock {
  override jump(): void {}
}

/** Time passes alike for a server and a process; jumps are those of the process. */
class TwoClocks extends ManualClock {
  readonly #server: ManualClock;
  readonly #process: ManualClock;

  constructor(server: ManualClock, process: ManualClock) {
    super();
    this.#server = server;
    this.#process = process;
  }

  override nowMs(): number {
    return this.#server.nowMs();
  }

  /** What whoever calls the queue takes for the time: that of the process. */
  callersMs(): number {
    return this.#process.nowMs();
  }

  override advance(ms: number): void {
    this.#server.advance(ms);
    this.#process.advance(ms);
  }

  override jump(ms: number): void {
    this.#process.jump(ms);
  }
}

const ID_FIELDS = new Set(['id', 'transferId', 'exampleTransferId']);

const leasePlace = fc.nat({ max: 5 });
const anySize = fc.constantFrom(0, SMALL_MAX_BYTES, SMALL_MAX_BYTES + 1);
const delayMs = fc.constantFrom(0, 1, LEASE_MS - 1, LEASE_MS, GRACE_MS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('accept' as const),
      keys: fc.array(fc.constantFrom('a', 'b', 'c\u0000', 'ab'), { minLength: 1, maxLength: 3 }),
      occurredAtMs: fc.option(fc.nat({ max: 50 })),
      sizeBytes: fc.option(anySize),
      transport: fc.constantFrom('s3' as const, 'api' as const, 'backfill' as const, 'reconcile' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('claim' as const),
      total: fc.integer({ min: 0, max: 3 }),
      large: fc.integer({ min: 0, max: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: delayMs }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('jump' as const), ms: fc.constantFrom(-3_600_000, 3_600_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('renew' as const, 'progress' as const),
      lease: leasePlace,
      sizeBytes: anySize,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('finish' as const),
      lease: leasePlace,
      owed: fc.boolean(),
      hasReceipt: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('retry' as const),
      lease: leasePlace,
      owed: fc.boolean(),
      delayMs,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('park' as const, 'release' as const),
      lease: leasePlace,
      owed: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('redrive' as const), id: fc.nat({ max: 9 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('redriveClass' as const),
      limit: fc.integer({ min: 1, max: 3 }),
      keyPrefix: fc.constantFrom('', 'a'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('prune' as const, 'forgetStaleUploads' as const),
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  },
);

/** One driver with its clock, and what it handed out: the latest first, so that small places mean fresh ones. */
class Player {
  readonly #queue: TransferQueue;
  readonly #clock: ManualClock;
  readonly #claims: ClaimedTransfer[] = [];
  /** Keys for which an effect may still land; and the tokens of those whose attempt has not ended. */
  readonly #owedKeys = new Set<string>();
  readonly #running = new Map<string, number>();
  readonly #ids: string[] = [];
  readonly #told: string[] = [];
  #workCount = 0;

  constructor(queue: TransferQueue, clock: ManualClock) {
    this.#queue = queue;
    this.#clock = clock;
    queue.onChanged((ids) => this.#told.push(...ids));
    queue.onWork(() => {
      this.#workCount += 1;
    });
  }

  /** Plays a step and tells everything that can be seen afterwards, ids by their place. */
  async play(next: Step): Promise<unknown> {
    this.#told.length = 0;
    this.#workCount = 0;
    const answer = await this.#act(next);
    this.#collect(answer);
    const { transfers } = await this.#queue.list({ filter: {}, cursor: null, limit: 1_000 });
    this.#collect(transfers);
    const seen = {
      answer,
      transfers,
      told: this.#told.map((id) => `${this.#place(id)}`).toSorted(),
      hasWork: this.#workCount > 0,
      counts: await this.#queue.counts(),
      parkedClasses: await this.#queue.parkedClasses(),
      dueInMs: await this.#queue.untilNextDueMs({ total: 1, large: 1 }),
      smallDueInMs: await this.#queue.untilNextDueMs({ total: 1, large: 0 }),
      byId: await Promise.all(this.#ids.map((id) => this.#queue.get(id))),
    };
    return JSON.parse(JSON.stringify(seen), (name, value: unknown) =>
      ID_FIELDS.has(name) && typeof value === 'string' ? this.#place(value) : value,
    );
  }

  async #act(next: Step): Promise<unknown> {
    const queue = this.#queue;
    const claimed = 'lease' in next ? this.#claims[next.lease] : undefined;
    const lease = claimed?.lease;
    switch (next.kind) {
      case 'accept': {
        return queue.accept({ items: next.keys.map((key) => itemOf(key, next)), quarantine: [] });
      }
      case 'claim': {
        const rows = await queue.claim(next);
        this.#claims.unshift(...rows);
        for (const row of rows) this.#noteClaim(row);
        return rows;
      }
      case 'advance':
        return this.#clock.advance(next.ms);
      case 'jump':
        return this.#clock.jump(next.ms);
      case 'renew':
        return lease && queue.renew(lease);
      case 'progress':
        return (
          lease &&
          queue.progress(lease, {
            bytesDone: 2,
            sizeBytes: next.sizeBytes,
            checkpoint: next.sizeBytes > SMALL_MAX_BYTES ? checkpointOf(2) : null,
          })
        );
      case 'finish': {
        const receipt = next.hasReceipt ? receiptOf(String(next.lease)) : null;
        const outcome = next.hasReceipt ? 'replicated' : 'already_current';
        const answer = lease && (await queue.finish(lease, { outcome, receipt, owed: next.owed }));
        if (claimed && answer) this.#checkFinish(claimed, answer, next.owed);
        return answer;
      }
      case 'retry':
        return this.#noteEnd(
          claimed,
          next.owed,
          await (lease && queue.retry(lease, { ...next, fault: faultOf(), countsAsAttempt: next.owed })),
        );
      case 'park':
        return this.#noteEnd(
          claimed,
          next.owed,
          await (lease && queue.park(lease, { fault: faultOf('bug'), owed: next.owed, delayMsIfDirty: 5 })),
        );
      case 'release':
        return this.#noteEnd(claimed, next.owed, await (lease && queue.release(lease, next)));
      case 'redrive':
        return queue.redrive(this.#ids[next.id] ?? 'unknown');
      case 'redriveClass':
        return redriveAll(queue, { faultCode: 'bug', keyPrefix: next.keyPrefix }, next.limit);
      case 'prune':
        return queue.prune({ beforeMs: this.#callersMs(), limit: next.limit });
      case 'forgetStaleUploads':
        return queue.forgetStaleUploads({ beforeMs: this.#callersMs(), limit: next.limit });
    }
  }

  #callersMs(): number {
    return this.#clock instanceof TwoClocks ? this.#clock.callersMs() : this.#clock.nowMs();
  }

  /** A row claimed while its last attempt has not ended was taken back from it. */
  #noteClaim({ source, lease, isSettling }: ClaimedTransfer): void {
    if (this.#running.has(source.key)) this.#owedKeys.add(source.key);
    this.#running.set(source.key, lease.token);
    if (isSettling) assert(this.#owedKeys.has(source.key), 'only an owed row looks after a grace');
  }

  #checkFinish({ source, isSettling }: ClaimedTransfer, answer: FinishAnswer, owed: boolean): void {
    if (answer.kind === 'lease_lost') return;
    this.#running.delete(source.key);
    if (owed) this.#owedKeys.add(source.key);
    else if (isSettling) this.#owedKeys.delete(source.key);
    if (answer.status === 'queued') return;
    assert.equal(answer.status, this.#owedKeys.has(source.key) ? 'settling' : 'done');
  }

  #noteEnd<Answer>(claimed: ClaimedTransfer | undefined, owed: boolean, answer: Answer): Answer {
    if (claimed === undefined || answer === false || answer === 'lease_lost') return answer;
    this.#running.delete(claimed.source.key);
    if (owed) this.#owedKeys.add(claimed.source.key);
    return answer;
  }

  /** Remembers ids in the order in which they are first seen. */
  #collect(seen: unknown): void {
    JSON.stringify(seen, (name, value: unknown) => {
      const isNew = typeof value === 'string' && !this.#ids.includes(value);
      if (ID_FIELDS.has(name) && isNew) this.#ids.push(value);
      return value;
    });
  }

  #place(id: string): number {
    return this.#ids.indexOf(id);
  }
}

/** A memory queue and its player, on a clock of its own. */
function memoryPlayer(clock: ManualClock): Player {
  let lastId = 0;
  const newId = (): string => `id-${(lastId += 1)}`;
  return new Player(openMemoryQueue({ ...TIMES, clock, newId }), clock);
}

/** The same history in both; the first player is the one that is believed. */
async function playAlike(steps: readonly Step[], known: Player, examined: Player): Promise<void> {
  for (const [index, next] of steps.entries()) {
    const expected = await known.play(next);
    assert.deepEqual(await examined.play(next), expected, `step ${index}: ${JSON.stringify(next)}`);
  }
}

async function assertAlike(numRuns: number, play: (steps: readonly Step[]) => Promise<void>): Promise<void> {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed} (set SEED to play it again)`);
  const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), play);
  await fc.assert(property, { seed, numRuns, endOnFailure: false });
}

test('random histories end alike in the memory queue and in the SQLite queue', async () => {
  await withTemporaryFolder(async (directory) => {
    let lastFile = 0;
    await assertAlike(40, async (steps) => {
      lastFile += 1;
      const clock = new ManualClock();
      const path = join(directory, `${lastFile}.sqlite`);
      const sealer = openCheckpointSealer(Buffer.alloc(32, 7));
      const file = await openSqliteQueue({ ...TIMES, path, clock, maxRetryDelayMs: GRACE_MS, sealer });
      try {
        await playAlike(steps, memoryPlayer(new ManualClock()), new Player(file, clock));
      } finally {
        await file.close();
      }
    });
  });
});

onPostgres((server) => {
  test('random histories end alike in the memory queue and in the PostgreSQL queue, whatever the clock of its process does', () =>
    assertAlike(12, async (steps) => {
      const serverClock = new SteadyManualClock();
      const processClock = new ManualClock(Date.UTC(1999, 11, 31));
      const shared = await openPostgresOnClock(server, processClock, serverClock);
      try {
        const examined = new Player(shared, new TwoClocks(serverClock, processClock));
        await playAlike(steps, memoryPlayer(new SteadyManualClock()), examined);
      } finally {
        await shared.close();
      }
    }));
});
