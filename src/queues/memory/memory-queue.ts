// A queue that lives as long as its process: the same meaning as the durable drivers, without the disk.
// For tests and simulations; deterministic where its clock and its ids are.
import type { MalformedRecord } from '../../core/change.ts';
import type { Clock } from '../../core/clock.ts';
import type { Receipt, Transfer } from '../../core/transfer.ts';
import {
  type AcceptedTransfer,
  type AcceptItem,
  type ClaimedTransfer,
  type Lease,
  type ParkedClass,
  type QuarantinedRecord,
  type QueueCounts,
  type TransferFilter,
  type TransferQueue,
  type UploadCheckpoint,
} from '../../core/transfer-queue.ts';
import {
  afterFinish,
  afterLeaseExpiry,
  afterPark,
  afterRelease,
  afterRetry,
  finishAnswer,
  type RowsAfterEnd,
} from '../attempt-end.ts';
import { checkLimit, cursorAfter, positionOf } from '../page-cursor.ts';
import { classOf, isMeant, joinClasses } from '../parked-tally.ts';
import { QueueListeners, RowChanges } from '../queue-listeners.ts';
import { dueAfter, type QueueTime, startSteadyClock, type SteadyClock } from '../steady-clock.ts';
import {
  afterChange,
  afterClaim,
  afterRedrive,
  arrivalOf,
  followUpTransfer,
  idToFollow,
  newRow,
  toClaimed,
  toTransfer,
  type TransferRow,
} from '../transfer-row.ts';
import { cutPage } from './cut-page.ts';
import { MemoryQuarantine } from './memory-quarantine.ts';

type Row = TransferRow<UploadCheckpoint> & { readonly position: number };

interface MemoryQueueOptions {
  readonly clock: Clock;
  /** How long a claim holds without renewal. */
  readonly leaseMs: number;
  /** How long after an owed end the row is looked at once more. */
  readonly settleGraceMs: number;
  /** A new transfer id at each call. */
  readonly newId: () => string;
}

/** Opens an empty queue. Nothing of it survives the process. */
export function openMemoryQueue(options: MemoryQueueOptions): TransferQueue {
  return new MemoryQueue(options);
}

class MemoryQueue implements TransferQueue {
  readonly #clock: SteadyClock;
  readonly #leaseMs: number;
  readonly #settleGraceMs: number;
  readonly #newId: () => string;
  readonly #listeners = new QueueListeners();
  /** In the order of their beginning. */
  readonly #rows = new Map<string, Row>();
  /** Ids of every row of a rule and key, oldest first; the live row, if any, is the last. */
  readonly #idsByKey = new Map<string, string[]>();
  readonly #rowIdByFollowUpId = new Map<string, string>();
  readonly #quarantine = new MemoryQuarantine();
  #lastPosition = 0;
  #isClosed = false;

  constructor({ clock, leaseMs, settleGraceMs, newId }: MemoryQueueOptions) {
    this.#clock = startSteadyClock(clock);
    this.#leaseMs = leaseMs;
    this.#settleGraceMs = settleGraceMs;
    this.#newId = newId;
  }

  async accept(request: {
    readonly items: readonly AcceptItem[];
    readonly quarantine: readonly MalformedRecord[];
  }): Promise<readonly AcceptedTransfer[]> {
    const now = this.#begin();
    const writes = new RowChanges();
    const answers = request.items.map((item): AcceptedTransfer => {
      const arrival = arrivalOf(item, now);
      const live = this.#liveRow(item);
      if (live === null) {
        const row = newRow(item, arrival, this.#newId(), now);
        this.#insert(row, writes);
        return { transferId: row.id, joined: false };
      }
      const row = afterChange(live, arrival, this.#newId, now);
      this.#replace(live, row, writes);
      return { transferId: idToFollow(row), joined: true };
    });
    for (const record of request.quarantine) this.#quarantine.keep(this.#newId(), record, now.wallMs);
    this.#listeners.tell(writes);
    return answers;
  }

  async claim(limit: number): Promise<readonly ClaimedTransfer[]> {
    checkLimit(limit);
    const now = this.#begin();
    const writes = new RowChanges();
    for (const row of this.#dueRows(now, (status) => status === 'copying')) {
      this.#endAttempt(row, afterLeaseExpiry(row, now), writes);
    }
    const due = this.#dueRows(now, (status) => status === 'queued' || status === 'settling').slice(0, limit);
    const claimed = due.map((before) => {
      const row = { ...afterClaim(before, this.#leaseMs, now), position: before.position };
      this.#replace(before, row, writes);
      return this.#toClaimed(row, now);
    });
    this.#listeners.tell(writes);
    return claimed;
  }

  async renew(lease: Lease): Promise<Lease | null> {
    const now = this.#begin();
    const row = this.#leased(lease);
    if (row === null) return null;
    this.#rows.set(row.id, { ...row, wakeAtMs: dueAfter(now, this.#leaseMs) });
    return { ...lease, expiresAtMonotonicMs: this.#clock.toMonotonicMs(now.steadyMs + this.#leaseMs) };
  }

  async progress(lease: Lease, report: Parameters<TransferQueue['progress']>[1]): Promise<boolean> {
    const now = this.#begin();
    const row = this.#leased(lease);
    if (row === null) return false;
    const { bytesDone, sizeBytes, checkpoint } = report;
    this.#rows.set(row.id, { ...row, bytesDone, sizeBytes, checkpoint, updatedAtMs: now.wallMs });
    return true;
  }

  async finish(
    lease: Lease,
    end: Parameters<TransferQueue['finish']>[1],
  ): ReturnType<TransferQueue['finish']> {
    const rows = this.#end(lease, (row, now) => afterFinish(row, end, this.#settleGraceMs, now));
    return rows === null ? { kind: 'lease_lost' } : finishAnswer(rows);
  }

  async retry(lease: Lease, end: Parameters<TransferQueue['retry']>[1]): Promise<boolean> {
    return this.#end(lease, (row, now) => afterRetry(row, end, now)) !== null;
  }

  async park(lease: Lease, end: Parameters<TransferQueue['park']>[1]): ReturnType<TransferQueue['park']> {
    const rows = this.#end(lease, (row, now) => afterPark(row, end, now));
    if (rows === null) return 'lease_lost';
    return rows.followUp === null ? 'parked' : 'queued';
  }

  async release(lease: Lease, end: { readonly owed: boolean }): Promise<boolean> {
    return this.#end(lease, (row, now) => afterRelease(row, end, now)) !== null;
  }

  async redrive(transferId: string): Promise<{ readonly transferId: string } | null> {
    const now = this.#begin();
    const asked = this.#rows.get(this.#rowIdByFollowUpId.get(transferId) ?? transferId);
    if (asked === undefined) return null;
    const writes = new RowChanges();
    const live = this.#liveRow(asked);
    let row: TransferRow<UploadCheckpoint>;
    if (live === null) {
      const arrival = { changeAtMs: now.wallMs, sizeHintBytes: asked.sizeBytes, target: null };
      row = newRow(asked, arrival, this.#newId(), now);
      this.#insert(row, writes);
    } else {
      row = afterRedrive(live, this.#newId, now);
      this.#replace(live, row, writes);
    }
    this.#listeners.tell(writes);
    return { transferId: idToFollow(row) };
  }

  async redriveClass(
    request: Parameters<TransferQueue['redriveClass']>[0],
  ): ReturnType<TransferQueue['redriveClass']> {
    const now = this.#begin();
    const { filter, limit, cursor } = request;
    checkLimit(limit);
    const after = positionOf(cursor) ?? 0;
    const meant = [...this.#rows.values()].filter(
      (row) =>
        row.status === 'parked' &&
        row.position > after &&
        isMeant({ ...classOf(row), ...row.source }, filter),
    );
    const rows = meant.slice(0, limit);
    const writes = new RowChanges();
    for (const row of rows) this.#replace(row, afterRedrive(row, this.#newId, now), writes);
    this.#listeners.tell(writes);
    const last = rows.length < meant.length ? rows.at(-1) : undefined;
    return { redriven: rows.length, nextCursor: last === undefined ? null : cursorAfter(last.position) };
  }

  async untilNextDueMs(): Promise<number | null> {
    const now = this.#begin();
    let earliestMs: number | null = null;
    for (const { wakeAtMs } of this.#rows.values()) {
      if (wakeAtMs !== null && (earliestMs === null || wakeAtMs < earliestMs)) earliestMs = wakeAtMs;
    }
    return earliestMs === null ? null : Math.max(0, Math.ceil(earliestMs - now.steadyMs));
  }

  onWork(listener: () => void): () => void {
    return this.#listeners.onWork(listener);
  }

  onChanged(listener: (transferIds: readonly string[]) => void): () => void {
    return this.#listeners.onChanged(listener);
  }

  async get(transferId: string): Promise<Transfer | null> {
    const now = this.#begin();
    const row = this.#rows.get(transferId);
    if (row !== undefined) return toTransfer(row, now);
    const running = this.#rows.get(this.#rowIdByFollowUpId.get(transferId) ?? '');
    const followUp = running?.followUp ?? null;
    return running === undefined || followUp === null ? null : followUpTransfer(running, followUp);
  }

  async list(request: Parameters<TransferQueue['list']>[0]): ReturnType<TransferQueue['list']> {
    const now = this.#begin();
    const matching = [...this.#rows.values()].filter((row) => isWanted(row, request.filter)).toReversed();
    const { page, nextCursor } = cutPage(matching, request);
    return { transfers: page.map((row) => toTransfer(row, now)), nextCursor };
  }

  async listQuarantine(
    request: Parameters<TransferQueue['listQuarantine']>[0],
  ): ReturnType<TransferQueue['listQuarantine']> {
    this.#begin();
    return this.#quarantine.list(request);
  }

  async getQuarantined(id: string): Promise<QuarantinedRecord | null> {
    this.#begin();
    return this.#quarantine.get(id);
  }

  async checkWritable(): Promise<void> {
    this.#begin();
  }

  async counts(): Promise<QueueCounts> {
    this.#begin();
    const byStatus = { queued: 0, copying: 0, settling: 0, parked: 0 };
    let oldestPendingChangeAtMs: number | null = null;
    for (const { status, changeAtMs } of this.#rows.values()) {
      if (status === 'done') continue;
      byStatus[status] += 1;
      if (status === 'parked') continue;
      oldestPendingChangeAtMs = Math.min(oldestPendingChangeAtMs ?? changeAtMs, changeAtMs);
    }
    return { byStatus, quarantined: this.#quarantine.count, oldestPendingChangeAtMs };
  }

  async parkedClasses(): Promise<readonly ParkedClass[]> {
    this.#begin();
    const parked = [...this.#rows.values()].filter(({ status }) => status === 'parked');
    return joinClasses(
      parked.map((row) => ({
        ...classOf(row),
        count: 1,
        firstAtMs: row.updatedAtMs,
        lastAtMs: row.updatedAtMs,
        exampleTransferId: row.id,
      })),
    );
  }

  async prune(request: { readonly beforeMs: number; readonly limit: number }): Promise<number> {
    this.#begin();
    checkLimit(request.limit);
    const old = [...this.#rows.values()]
      .filter(({ finishedAtMs }) => finishedAtMs !== null && finishedAtMs < request.beforeMs)
      .sort((a, b) => (a.finishedAtMs ?? 0) - (b.finishedAtMs ?? 0))
      .slice(0, request.limit);
    for (const row of old) {
      this.#rows.delete(row.id);
      const ids = this.#idsByKey.get(keyOf(row))?.filter((id) => id !== row.id) ?? [];
      if (ids.length > 0) this.#idsByKey.set(keyOf(row), ids);
      else this.#idsByKey.delete(keyOf(row));
    }
    return old.length + this.#quarantine.prune(request.beforeMs, request.limit);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#listeners.clear();
  }

  #begin(): QueueTime {
    if (this.#isClosed) throw new Error('The queue is closed');
    return this.#clock.now();
  }

  #end(
    lease: Lease,
    decide: (row: Row, now: QueueTime) => RowsAfterEnd<UploadCheckpoint>,
  ): RowsAfterEnd<UploadCheckpoint> | null {
    const now = this.#begin();
    const row = this.#leased(lease);
    if (row === null) return null;
    const writes = new RowChanges();
    const rows = decide(row, now);
    this.#endAttempt(row, rows, writes);
    this.#listeners.tell(writes);
    return rows;
  }

  #endAttempt(row: Row, rows: RowsAfterEnd<UploadCheckpoint>, writes: RowChanges): void {
    if (row.followUp !== null) this.#rowIdByFollowUpId.delete(row.followUp.id);
    this.#replace(row, rows.ended, writes);
    if (rows.followUp !== null) this.#insert(rows.followUp, writes);
  }

  #insert(row: TransferRow<UploadCheckpoint>, writes: RowChanges): void {
    const position = ++this.#lastPosition;
    this.#rows.set(row.id, { ...row, position });
    const ids = this.#idsByKey.get(keyOf(row));
    if (ids === undefined) this.#idsByKey.set(keyOf(row), [row.id]);
    else ids.push(row.id);
    writes.note(null, row);
  }

  #replace(before: Row, after: TransferRow<UploadCheckpoint>, writes: RowChanges): void {
    if (before === after) return;
    this.#rows.set(before.id, { ...after, position: before.position });
    if (after.followUp !== null) this.#rowIdByFollowUpId.set(after.followUp.id, after.id);
    writes.note(before, after);
  }

  #liveRow(location: Pick<Row, 'ruleName' | 'source'>): Row | null {
    const row = this.#rows.get(this.#idsByKey.get(keyOf(location))?.at(-1) ?? '');
    return row === undefined || row.status === 'done' ? null : row;
  }

  #leased(lease: Lease): Row | null {
    const row = this.#rows.get(lease.transferId);
    return row?.status === 'copying' && row.leaseToken === lease.token ? row : null;
  }

  #dueRows(now: QueueTime, hasStatus: (status: Row['status']) => boolean): Row[] {
    const due: (Row & { readonly wakeAtMs: number })[] = [];
    for (const row of this.#rows.values()) {
      const { wakeAtMs } = row;
      if (hasStatus(row.status) && wakeAtMs !== null && wakeAtMs <= now.steadyMs)
        due.push({ ...row, wakeAtMs });
    }
    return due.sort((a, b) => a.wakeAtMs - b.wakeAtMs || a.position - b.position);
  }

  #toClaimed(row: Row, now: QueueTime): ClaimedTransfer {
    const ids = this.#idsByKey.get(keyOf(row)) ?? [];
    const withReceipt = ids.findLast((id) => (this.#rows.get(id)?.receipt ?? null) !== null);
    const lastReceipt: Receipt | null = this.#rows.get(withReceipt ?? '')?.receipt ?? null;
    const expiresAtMonotonicMs = this.#clock.toMonotonicMs(now.steadyMs + this.#leaseMs);
    return toClaimed(row, { lastReceipt, checkpoint: row.checkpoint }, expiresAtMonotonicMs);
  }
}

function keyOf({ ruleName, source }: Pick<Row, 'ruleName' | 'source'>): string {
  return JSON.stringify([ruleName, source.bucket, source.key]);
}

function isWanted(row: Row, filter: TransferFilter): boolean {
  return (
    (filter.status === undefined || row.status === filter.status) &&
    (filter.ruleName === undefined || row.ruleName === filter.ruleName) &&
    (filter.faultCode === undefined || row.fault?.code === filter.faultCode) &&
    (filter.bucket === undefined || row.source.bucket === filter.bucket) &&
    (filter.keyPrefix === undefined || row.source.key.startsWith(filter.keyPrefix)) &&
    (filter.key === undefined || row.source.key === filter.key)
  );
}
