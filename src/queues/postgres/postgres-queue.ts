// The queue that many processes share: a PostgreSQL database. Leases and due times are by the server's clock; every
// change is a transaction that is on the server's disk before it is told; the others hear of it soon.
import type { DurableNotes } from '../../core/durable-notes.ts';
import type { Leadership } from '../../core/leadership.ts';
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
import { checkRoom, ClaimTurns } from '../claim-turns.ts';
import type { CheckpointSealer } from '../checkpoint-sealer.ts';
import {
  accept,
  acceptDelivery,
  claim,
  endAttempt,
  forgetStaleUploads,
  progress,
  redrive,
  renew,
} from '../operations.ts';
import { checkLimit, positionOf } from '../page-cursor.ts';
import { EXAMINED_PARKED_ROWS } from '../parked-tally.ts';
import { type CommitNews, QueueListeners } from '../queue-listeners.ts';
import type { QueueTime } from '../steady-clock.ts';
import { followUpTransfer, toTransfer } from '../transfer-row.ts';
import { ChangeBus } from './change-bus.ts';
import { CommitGroup } from './commit-group.ts';
import type { DatabaseAddress } from './connect.ts';
import type { Answer, Database, Statement } from './database.ts';
import { listRows } from './listing.ts';
import { lookup, nextWake } from './lookups.ts';
import { missedChanges } from './missed-changes.ts';
import { PostgresLeadership } from './postgres-leadership.ts';
import { PostgresNotes } from './postgres-notes.ts';
import { PROBE } from './probe.ts';
import { getQuarantined, listQuarantine, PRUNE_QUARANTINE } from './quarantine.ts';
import { redriveRows, stepOf } from './redrive-class.ts';
import {
  isTransferId,
  type RowWork,
  type LoneOperation,
  type RowWorkSettings,
  runAlone,
} from './row-work.ts';
import { integer, integerOrNull, type PostgresRow, toRow } from './rows.ts';
import { COUNTS, PARKED_CLASSES, TallyWriter, toCounts, toParkedClasses } from './tallies.ts';
import { pullIn, type QueueTimes } from './wrong-times.ts';

interface PostgresQueueParts {
  readonly address: DatabaseAddress;
  readonly database: Database;
  readonly times: QueueTimes;
  readonly smallMaxBytes: number;
  readonly sealer: CheckpointSealer | null;
  readonly onTrouble: (trouble: string) => void;
}

/** Rows of one transaction: small enough that no other process waits long for one of them. */
const MAX_TRANSACTION_ROWS = 1000;
/** Whoever hands changes in is answered within this, whatever becomes of the database. */
const INTAKE_PATIENCE_MS = 5_000;
/** An end that is written late saves the whole attempt; a lease lasts longer. */
const END_PATIENCE_MS = 20_000;
const READ_PATIENCE_MS = 5_000;
const PROBE_PATIENCE_MS = 1_500;

/** See openPostgresQueue. */
export class PostgresQueue implements QueueStorage {
  readonly notes: DurableNotes;
  readonly leadership: Leadership;
  readonly #parts: PostgresQueueParts;
  readonly #settings: RowWorkSettings;
  readonly #intake: CommitGroup;
  readonly #attempts: CommitGroup;
  readonly #listeners = new QueueListeners();
  readonly #bus: ChangeBus;
  readonly #lead: PostgresLeadership;
  #closing: Promise<void> | null = null;

  constructor(parts: PostgresQueueParts) {
    const { address, database, times, smallMaxBytes, sealer, onTrouble } = parts;
    this.#parts = parts;
    this.#settings = {
      sealer,
      smallMaxBytes,
      leaseMs: times.leaseMs,
      turns: new ClaimTurns(),
      tallies: new TallyWriter(),
    };
    const shared = {
      database,
      settings: this.#settings,
      maxWeight: MAX_TRANSACTION_ROWS,
      onCommitted: (changes: CommitNews) => this.#tell(changes),
    };
    // Apart, so that an intake that waits for somebody else's row holds no lease and no end up.
    this.#intake = new CommitGroup({ ...shared, patienceMs: INTAKE_PATIENCE_MS, alwaysWrites: true });
    this.#attempts = new CommitGroup({ ...shared, patienceMs: END_PATIENCE_MS, alwaysWrites: false });
    this.#bus = new ChangeBus({
      address,
      onNews: (news) => this.#listeners.tell(news),
      onHearing: (deafMs) => void this.#catchUp(deafMs),
      onBeat: () => void this.#lookAround(),
      onTrouble,
    });
    this.#lead = new PostgresLeadership(address);
    this.leadership = this.#lead;
    this.notes = new PostgresNotes(database);
  }

  /** Begins to listen and to try for the lead; resolves when both were tried. */
  async start(): Promise<void> {
    await Promise.all([this.#bus.start(), this.#lead.start()]);
  }

  accept(request: AcceptRequest): Promise<readonly AcceptedTransfer[]> {
    return this.#intake.run({
      weight: weightOf(request),
      places: request.items,
      run: (context, changes) => accept(context, request, changes),
    });
  }

  acceptDelivery(deliveryId: string, request: AcceptRequest): Promise<DeliveryAnswer> {
    return this.#intake.run({
      weight: weightOf(request),
      places: request.items,
      deliveryId,
      run: (context, changes) => acceptDelivery(context, { ...request, deliveryId }, changes),
    });
  }

  async claim(room: ClaimRoom): Promise<readonly ClaimedTransfer[]> {
    checkRoom(room);
    return this.#alone(lookup('claim', room.total, room.large), (context, changes) =>
      claim(context, room, changes),
    );
  }

  renew(lease: Lease): Promise<Lease | null> {
    return this.#attempts.run({ ...workOn(lease), run: (context) => renew(context, lease) });
  }

  progress(lease: Lease, report: Parameters<TransferQueue['progress']>[1]): Promise<boolean> {
    return this.#attempts.run({ ...workOn(lease), run: (context) => progress(context, lease, report) });
  }

  async finish(
    lease: Lease,
    end: Parameters<TransferQueue['finish']>[1],
  ): ReturnType<TransferQueue['finish']> {
    const { settleGraceMs } = this.#parts.times;
    const rows = await this.#end(lease, (row, now) => afterFinish(row, end, settleGraceMs, now));
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

  async redrive(transferId: string): Promise<{ readonly transferId: string } | null> {
    const seen = await this.#seen(transferId);
    if (seen === null) return null;
    return this.#intake.run({
      weight: 1,
      places: [seen],
      seen: [transferId, seen],
      run: (context, changes) => redrive(context, transferId, changes),
    });
  }

  async redriveClass(
    request: Parameters<TransferQueue['redriveClass']>[0],
  ): ReturnType<TransferQueue['redriveClass']> {
    const { filter, limit, cursor } = request;
    checkLimit(limit);
    const found = await this.#ask(lookup('parkedAfter', positionOf(cursor) ?? 0, EXAMINED_PARKED_ROWS));
    const { seqs, nextCursor } = stepOf(found, filter, Math.min(limit, MAX_TRANSACTION_ROWS));
    if (seqs.length === 0) return { redriven: 0, nextCursor };
    const redriven = await this.#alone(lookup('lockBySeqs', seqs), (context, changes, rows) =>
      redriveRows(context, { rows, filter }, changes),
    );
    return { redriven, nextCursor };
  }

  async untilNextDueMs(room: ClaimRoom): Promise<number | null> {
    checkRoom(room);
    const [found = {}] = await this.#ask(nextWake(room));
    const wakeAtMs = integerOrNull(found, 'wake_at');
    return wakeAtMs === null ? null : Math.max(0, wakeAtMs - integer(found, 'now_ms'));
  }

  onWork(listener: () => void): () => void {
    return this.#listeners.onWork(listener);
  }

  onChanged(listener: (transferIds: readonly string[]) => void): () => void {
    return this.#listeners.onChanged(listener);
  }

  async get(transferId: string): Promise<Transfer | null> {
    const row = await this.#seen(transferId);
    if (row === null) return null;
    if (row.id === transferId) return toTransfer(row, SERVER_TIME);
    return row.followUp === null ? null : followUpTransfer(row, row.followUp);
  }

  async list(request: Parameters<TransferQueue['list']>[0]): ReturnType<TransferQueue['list']> {
    this.#assertOpen();
    const { rows, nextCursor } = await listRows(this.#parts.database, request);
    return { transfers: rows.map((row) => toTransfer(row, SERVER_TIME)), nextCursor };
  }

  async listQuarantine(
    request: Parameters<TransferQueue['listQuarantine']>[0],
  ): ReturnType<TransferQueue['listQuarantine']> {
    this.#assertOpen();
    return listQuarantine(this.#parts.database, request);
  }

  async getQuarantined(id: string): Promise<QuarantinedRecord | null> {
    this.#assertOpen();
    return isTransferId(id) ? getQuarantined(this.#parts.database, id) : null;
  }

  async counts(): Promise<QueueCounts> {
    // Behind everything handed in before: a change that waits for its commit belongs to the oldest pending ones.
    await this.#settled();
    const [found = {}] = await this.#ask({ name: 'counts', text: COUNTS });
    return toCounts(found);
  }

  async parkedClasses(): Promise<readonly ParkedClass[]> {
    // As for the counts.
    await this.#settled();
    return toParkedClasses(await this.#ask({ name: 'parkedClasses', text: PARKED_CLASSES }));
  }

  async checkWritable(): Promise<void> {
    this.#assertOpen();
    await this.#parts.database.transact(
      { reads: [], alwaysWrites: true, decide: () => ({ writes: PROBE, result: null }) },
      PROBE_PATIENCE_MS,
    );
  }

  async prune(request: { readonly beforeMs: number; readonly limit: number }): Promise<number> {
    const values = this.#old(request);
    const [rows = {}] = await this.#ask(lookup('prune', ...values));
    const [records = {}] = await this.#ask({ name: 'pruneQuarantine', text: PRUNE_QUARANTINE, values });
    return integer(rows, 'removed') + integer(records, 'removed');
  }

  async forgetDeliveries(request: { readonly beforeMs: number; readonly limit: number }): Promise<number> {
    const [forgotten = {}] = await this.#ask(lookup('forgetDeliveries', ...this.#old(request)));
    return integer(forgotten, 'removed');
  }

  async forgetStaleUploads(request: {
    readonly beforeMs: number;
    readonly limit: number;
  }): Promise<readonly ForgottenUpload[]> {
    const [ageMs, limit] = this.#old(request);
    return this.#alone(lookup('lockStaleUploads', ageMs, limit), (context, changes) =>
      forgetStaleUploads(context, { beforeMs: context.clock.now().wallMs - ageMs, limit }, changes),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // What waits for its commit gets it, or its error.
    await Promise.all([this.#intake.close(), this.#attempts.close()]);
    await Promise.all([this.#lead.close(), this.#bus.close()]);
    await this.#parts.database.close();
    this.#listeners.clear();
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new Error('The queue is closed');
  }

  /** How long ago that is by the clock of this process, which asks; and a limit that one transaction can bear. */
  #old({ beforeMs, limit }: { readonly beforeMs: number; readonly limit: number }): [number, number] {
    checkLimit(limit);
    return [Math.floor(this.#parts.database.nowMs() - beforeMs), Math.min(limit, MAX_TRANSACTION_ROWS)];
  }

  async #ask(statement: Statement): Promise<Answer> {
    this.#assertOpen();
    return this.#parts.database.ask(statement, READ_PATIENCE_MS);
  }

  /** The row of an id, or the running row whose follow-up has it; only looked at. */
  async #seen(transferId: string): Promise<PostgresRow | null> {
    this.#assertOpen();
    if (!isTransferId(transferId)) return null;
    const [found] = await this.#ask(lookup('byId', transferId));
    return found === undefined ? null : toRow(found);
  }

  async #settled(): Promise<void> {
    this.#assertOpen();
    await Promise.all([this.#intake.settled(), this.#attempts.settled()]);
  }

  async #alone<Result>(lock: Statement, run: LoneOperation<Result>): Promise<Result> {
    this.#assertOpen();
    const { changes, result } = await runAlone(this.#parts.database, this.#settings, {
      lock,
      run,
      patienceMs: READ_PATIENCE_MS,
    });
    this.#tell(changes);
    return result;
  }

  #end(
    lease: Lease,
    decide: (row: PostgresRow, now: QueueTime) => RowsAfterEnd<Uint8Array>,
  ): Promise<RowsAfterEnd<Uint8Array> | null> {
    return this.#attempts.run({
      ...workOn(lease),
      isEnd: true,
      run: (context, changes) => endAttempt(context, lease, decide, changes),
    });
  }

  #tell(changes: CommitNews): void {
    this.#listeners.tell(changes);
    this.#bus.publish(changes);
  }

  /** What happened while nothing could be heard; the server may be another one since, with another clock. */
  async #catchUp(deafMs: number): Promise<void> {
    await this.#lookAround();
    if (deafMs === 0 || this.#closing !== null) return;
    // Where this fails, the connection is down again.
    await missedChanges(this.#parts.database, deafMs, READ_PATIENCE_MS).then(
      (news) => this.#listeners.tell(news),
      () => {},
    );
  }

  /** Where this fails, it is done at the next beat. */
  async #lookAround(): Promise<void> {
    if (this.#closing !== null) return;
    await pullIn(this.#parts.database, this.#parts.times, READ_PATIENCE_MS).catch(() => {});
  }
}

/** Times of rows are the server's already: what is due is shown as it is kept. */
const SERVER_TIME: QueueTime = { wallMs: 0, steadyMs: 0 };

function weightOf({ items, quarantine }: AcceptRequest): number {
  return items.length + quarantine.length + 1;
}

function workOn(lease: Lease): Pick<RowWork<never>, 'weight' | 'ids'> {
  return { weight: 1, ids: [lease.transferId] };
}
