// The embedded durable queue: one SQLite file, owned by one process. Every write goes through the commit group and
// resolves after the disk has it; so do reads.
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../core/clock.ts';
import type { DurableNotes } from '../../core/durable-notes.ts';
import { ALWAYS_LEADER } from '../../core/leadership.ts';
import type { QueueStorage } from '../../core/queue-storage.ts';
import type { Transfer } from '../../core/transfer.ts';
import type {
  AcceptedTransfer,
  AcceptRequest,
  ClaimedTransfer,
  ClaimRoom,
  DeliveryAnswer,
  ForgottenUpload,
  Lease,
  ParkedClass,
  QuarantinedRecord,
  QueueCounts,
  TransferQueue,
} from '../../core/transfer-queue.ts';
import {
  afterFinish,
  afterPark,
  afterRelease,
  afterRetry,
  finishAnswer,
  type RowsAfterEnd,
} from '../attempt-end.ts';
import { checkRoom, ClaimTurns, lanesWithRoom } from '../claim-turns.ts';
import type { CheckpointSealer } from '../checkpoint-sealer.ts';
import { checkLimit, positionOf } from '../page-cursor.ts';
import { joinClasses, ParkedTally } from '../parked-tally.ts';
import { QueueListeners, RowChanges } from '../queue-listeners.ts';
import { type QueueTime, startSteadyClock, type SteadyClock } from '../steady-clock.ts';
import { knownFaultCode } from '../stored-fault.ts';
import { followUpTransfer, toTransfer } from '../transfer-row.ts';
import { CommitGroup } from './commit-group.ts';
import { Deliveries } from './deliveries.ts';
import { Listing } from './listing.ts';
import { Quarantine } from './quarantine.ts';
import {
  cannotBeUsed,
  type DatabaseLog,
  fileGuard,
  openDatabase,
  prepareDataFolder,
  takeOverSyncs,
} from './open-database.ts';
import {
  accept,
  acceptDelivery,
  claim,
  endAttempt,
  forgetStaleUploads,
  type OperationContext,
  progress,
  redrive,
  renew,
} from '../operations.ts';
import { recoverRows } from './recover.ts';
import { redriveClass } from './redrive-class.ts';
import { SqliteNotes } from './sqlite-notes.ts';
import { integer, type StoredRow, text } from './rows.ts';
import { TransferTable } from './transfer-table.ts';

/** The file itself, or the data folder that is kept private and holds `queue.sqlite`. */
type SqliteQueuePlace = { readonly path: string } | { readonly directory: string };

export type SqliteQueueOptions = SqliteQueuePlace & {
  readonly clock: Clock;
  /** How long a claim holds without renewal. */
  readonly leaseMs: number;
  /** How long after an owed end the row is looked at once more. */
  readonly settleGraceMs: number;
  /** The longest delay a retry asks for: later due times, left by a wrong clock, are pulled in at open. */
  readonly maxRetryDelayMs: number;
  /** Objects of up to so many bytes stand in the small lane. */
  readonly smallMaxBytes: number;
  /** Null: upload checkpoints are not stored, and an upload begins again after a crash. */
  readonly sealer: CheckpointSealer | null;
  /**
   * The disk failed to keep what was committed. The process must end here, without closing anything: SQLite would copy
   * what it believes to be in its log into the file. Left out: the error is thrown where nobody catches it.
   */
  readonly onLost?: (error: Error) => void;
  /** How commits get to the disk. Left out: as they must; for whoever simulates everything but the disk. */
  readonly openLog?: (database: DatabaseSync, path: string) => DatabaseLog;
};

/** Rows of one transaction: small enough that it blocks the process for some tens of milliseconds at most. */
const MAX_TRANSACTION_ROWS = 1000;
const PENDING_STATUSES = ['queued', 'copying', 'settling', 'parked'] as const;

/**
 * Opens or makes the queue. Rejects with an Error that names the file, the reason and the remedy where the file is
 * owned by another process, damaged, not writable, of another program, of a newer version, or not durable.
 */
export async function openSqliteQueue(options: SqliteQueueOptions): Promise<QueueStorage> {
  if ('directory' in options) prepareDataFolder(options.directory);
  const path = 'path' in options ? options.path : join(options.directory, 'queue.sqlite');
  const database = openDatabase(path);
  try {
    return new SqliteQueue(database, path, options);
  } catch (error) {
    database.close();
    // What an earlier process left is put in order first: that writes, and a disk may be full by now.
    throw cannotBeUsed(path, error);
  }
}

class SqliteQueue implements QueueStorage {
  readonly leadership = ALWAYS_LEADER;
  readonly notes: DurableNotes;
  readonly #database: DatabaseSync;
  readonly #log: DatabaseLog;
  readonly #table: TransferTable;
  readonly #deliveries: Deliveries;
  readonly #context: OperationContext<StoredRow>;
  readonly #settleGraceMs: number;
  readonly #group: CommitGroup<RowChanges>;
  readonly #listing: Listing;
  readonly #listeners = new QueueListeners();
  /** Kept at each commit, so that asking costs nothing. */
  readonly #pending: Record<(typeof PENDING_STATUSES)[number], number>;
  readonly #quarantine: Quarantine;
  readonly #parked = new ParkedTally();
  /** Not null once it takes nothing any more. */
  #closing: Promise<void> | null = null;

  constructor(database: DatabaseSync, path: string, options: SqliteQueueOptions) {
    const { leaseMs, settleGraceMs, maxRetryDelayMs, smallMaxBytes, sealer } = options;
    const clock = startSteadyClock(options.clock);
    const table = new TransferTable(database, sealer, smallMaxBytes);
    recoverRows(database, table, { settleGraceMs, maxRetryDelayMs, now: clock.now() });
    this.#database = database;
    this.#table = table;
    this.#deliveries = new Deliveries(database);
    this.#settleGraceMs = settleGraceMs;
    this.#listing = new Listing(database, () => this.#group.settled());
    this.#pending = { queued: 0, copying: 0, settling: 0, parked: 0 };
    const countOf = database.prepare('SELECT count(*) AS rows FROM transfers WHERE status = ?');
    for (const status of PENDING_STATUSES) this.#pending[status] = integer(countOf.get(status) ?? {}, 'rows');
    this.#countParked();
    this.#quarantine = new Quarantine(database);
    this.#context = {
      table,
      clock,
      leaseMs,
      turns: new ClaimTurns(),
      keepDelivery: (id, takenAtMs) => this.#deliveries.keep(id, takenAtMs),
      keepRecord: (id, record, receivedAtMs) => this.#quarantine.keep(id, record, receivedAtMs),
    };
    // What was written until here was synced by its commits.
    this.#log = (options.openLog ?? takeOverSyncs)(database, path);
    this.#group = new CommitGroup({
      database,
      path,
      assertFile: fileGuard(path),
      sync: this.#log.sync,
      onLost:
        options.onLost ??
        ((error) => {
          throw error;
        }),
      maxWeight: MAX_TRANSACTION_ROWS,
      newEffects: () => new RowChanges(),
      onCommitted: (effects) => this.#afterCommit(effects),
    });
    this.notes = new SqliteNotes(database, (operation) => this.#group.run(1, operation));
  }

  async accept(request: AcceptRequest): Promise<readonly AcceptedTransfer[]> {
    const answers = await this.#group.run(weightOf(request), (changes) =>
      accept(this.#context, request, changes),
    );
    this.#quarantine.noted(request.quarantine.length);
    return answers;
  }

  async acceptDelivery(deliveryId: string, request: AcceptRequest): Promise<DeliveryAnswer> {
    const answer = await this.#group.run(weightOf(request) + 1, (changes) =>
      acceptDelivery(this.#context, { ...request, deliveryId }, changes),
    );
    if (!answer.isRepeat) this.#quarantine.noted(request.quarantine.length);
    return answer;
  }

  async claim(room: ClaimRoom): Promise<readonly ClaimedTransfer[]> {
    checkRoom(room);
    return this.#group.run(room.total, (changes) => claim(this.#context, room, changes));
  }

  renew(lease: Lease): Promise<Lease | null> {
    return this.#group.run(1, () => renew(this.#context, lease));
  }

  progress(lease: Lease, report: Parameters<TransferQueue['progress']>[1]): Promise<boolean> {
    return this.#group.run(1, () => progress(this.#context, lease, report));
  }

  async finish(
    lease: Lease,
    end: Parameters<TransferQueue['finish']>[1],
  ): ReturnType<TransferQueue['finish']> {
    const rows = await this.#end(lease, (row, now) => afterFinish(row, end, this.#settleGraceMs, now));
    return rows === null ? { kind: 'lease_lost' } : finishAnswer(rows);
  }

  async retry(lease: Lease, end: Parameters<TransferQueue['retry']>[1]): Promise<boolean> {
    return (await this.#end(lease, (row, now) => afterRetry(row, end, now))) !== null;
  }

  async park(lease: Lease, end: Parameters<TransferQueue['park']>[1]): ReturnType<TransferQueue['park']> {
    const rows = await this.#end(lease, (row, now) => afterPark(row, end, now));
    if (rows === null) return 'lease_lost';
    return rows.followUp === null ? 'parked' : 'queued';
  }

  async release(lease: Lease, end: Parameters<TransferQueue['release']>[1]): Promise<boolean> {
    return (await this.#end(lease, (row, now) => afterRelease(row, end, now))) !== null;
  }

  redrive(transferId: string): Promise<{ readonly transferId: string } | null> {
    return this.#group.run(1, (changes) => redrive(this.#context, transferId, changes));
  }

  async redriveClass(
    request: Parameters<TransferQueue['redriveClass']>[0],
  ): ReturnType<TransferQueue['redriveClass']> {
    const { filter, limit, cursor } = request;
    checkLimit(limit);
    const after = positionOf(cursor) ?? 0;
    const bounded = { filter, limit: Math.min(limit, MAX_TRANSACTION_ROWS), after };
    return this.#group.run(bounded.limit, (changes) =>
      redriveClass({ table: this.#table, clock: this.#context.clock }, bounded, changes),
    );
  }

  async untilNextDueMs(room: ClaimRoom): Promise<number | null> {
    checkRoom(room);
    const { table, clock } = this.#open();
    const wakeAtMs = table.nextWakeMs(lanesWithRoom(room));
    return wakeAtMs === null ? null : Math.max(0, Math.ceil(wakeAtMs - clock.now().steadyMs));
  }

  onWork(listener: () => void): () => void {
    return this.#listeners.onWork(listener);
  }

  onChanged(listener: (transferIds: readonly string[]) => void): () => void {
    return this.#listeners.onChanged(listener);
  }

  async get(transferId: string): Promise<Transfer | null> {
    await this.#group.settled();
    const { table, clock } = this.#open();
    const row = table.byId(transferId);
    if (row !== null) return toTransfer(row, clock.now());
    const running = table.byFollowUpId(transferId);
    const followUp = running?.followUp ?? null;
    return running === null || followUp === null ? null : followUpTransfer(running, followUp);
  }

  async list(request: Parameters<TransferQueue['list']>[0]): ReturnType<TransferQueue['list']> {
    const { clock } = this.#open();
    const { rows, nextCursor } = await this.#listing.rows(request.filter, request);
    const now = clock.now();
    return { transfers: rows.map((row) => toTransfer(row, now)), nextCursor };
  }

  async listQuarantine(
    request: Parameters<TransferQueue['listQuarantine']>[0],
  ): ReturnType<TransferQueue['listQuarantine']> {
    await this.#group.settled();
    this.#open();
    return this.#quarantine.list(request);
  }

  async counts(): Promise<QueueCounts> {
    // Behind everything handed in before: a change that waits for its commit belongs to the oldest pending ones.
    await this.#group.run(0, () => null);
    const { table } = this.#open();
    return {
      byStatus: { ...this.#pending },
      quarantined: this.#quarantine.count,
      oldestPendingChangeAtMs: table.oldestChangeMs(),
    };
  }

  async getQuarantined(id: string): Promise<QuarantinedRecord | null> {
    await this.#group.settled();
    this.#open();
    return this.#quarantine.get(id);
  }

  async checkWritable(): Promise<void> {
    // A commit without a write always succeeds; this one writes and takes it back in one transaction.
    await this.#group.run(1, () => this.#quarantine.probe(this.#table.newId()));
  }

  async parkedClasses(): Promise<readonly ParkedClass[]> {
    // As for the counts.
    await this.#group.run(0, () => null);
    const found = this.#open().table.parkedClasses();
    return joinClasses(found.map((entry) => ({ ...entry, count: 0 }))).map((parked) => ({
      ...parked,
      count: this.#parked.countOf(parked),
    }));
  }

  async prune(request: { readonly beforeMs: number; readonly limit: number }): Promise<number> {
    checkLimit(request.limit);
    const { beforeMs, limit } = request;
    const before = Math.ceil(beforeMs);
    const [rows, records] = await this.#group.run(limit, () => [
      this.#table.prune(before, limit),
      this.#quarantine.prune(before, limit),
    ]);
    this.#quarantine.noted(-records);
    return rows + records;
  }

  async forgetDeliveries(request: { readonly beforeMs: number; readonly limit: number }): Promise<number> {
    checkLimit(request.limit);
    const bounded = { ...request, limit: Math.min(request.limit, MAX_TRANSACTION_ROWS) };
    return this.#group.run(bounded.limit, () => this.#deliveries.forget(bounded));
  }

  async forgetStaleUploads(request: {
    readonly beforeMs: number;
    readonly limit: number;
  }): Promise<readonly ForgottenUpload[]> {
    checkLimit(request.limit);
    const bounded = { ...request, limit: Math.min(request.limit, MAX_TRANSACTION_ROWS) };
    return this.#group.run(bounded.limit, (changes) => forgetStaleUploads(this.#context, bounded, changes));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#group.close();
    this.#listeners.clear();
    if (this.#group.isLost) return;
    this.#database.close();
    this.#log.close();
  }

  #countParked(): void {
    const rows = this.#database
      .prepare(
        'SELECT fault_code, rule_name, count(*) AS parked FROM transfers ' +
          "WHERE status = 'parked' GROUP BY fault_code, rule_name",
      )
      .all();
    for (const columns of rows) {
      const faultCode = knownFaultCode(text(columns, 'fault_code'));
      this.#parked.addTo({ ruleName: text(columns, 'rule_name'), faultCode }, integer(columns, 'parked'));
    }
  }

  #open(): { readonly table: TransferTable; readonly clock: SteadyClock } {
    if (this.#closing !== null) throw new Error('The queue is closed');
    return { table: this.#table, clock: this.#context.clock };
  }

  #end(
    lease: Lease,
    decide: (row: StoredRow, now: QueueTime) => RowsAfterEnd<Uint8Array>,
  ): Promise<RowsAfterEnd<Uint8Array> | null> {
    return this.#group.run(1, (changes) => endAttempt(this.#context, lease, decide, changes));
  }

  #afterCommit(effects: readonly RowChanges[]): void {
    const [all = new RowChanges(), ...others] = effects;
    // Others only where an operation failed.
    for (const changes of others) all.add(changes);
    for (const status of PENDING_STATUSES) this.#pending[status] += all.countByStatus[status];
    this.#parked.add(all.parked);
    this.#listeners.tell(all);
  }
}

function weightOf({ items, quarantine }: AcceptRequest): number {
  return items.length + quarantine.length;
}
