// A queue that lives as long as its process: the same meaning as the durable drivers, without the disk.
// For tests and simulations; deterministic where its clock and its ids are.
import type { Clock } from '../../core/clock.ts';
import type { Transfer } from '../../core/transfer.ts';
import {
  type AcceptedTransfer,
  type AcceptRequest,
  type ClaimedTransfer,
  type ClaimRoom,
  type DeliveryAnswer,
  type ForgottenUpload,
  type Lane,
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
import { checkRoom, ClaimTurns, lanesWithRoom } from '../claim-turns.ts';
import { checkLimit, cursorAfter, positionOf } from '../page-cursor.ts';
import { classOf, isMeant, joinClasses } from '../parked-tally.ts';
import { QueueListeners, RowChanges } from '../queue-listeners.ts';
import { dueAfter, type QueueTime, startSteadyClock, type SteadyClock } from '../steady-clock.ts';
import {
  afterChange,
  afterClaim,
  afterClassRedrive,
  afterForgottenUpload,
  afterRedrive,
  arrivalOf,
  followUpTransfer,
  idToFollow,
  laneOf,
  newRow,
  redriveArrival,
  toClaimed,
  toTransfer,
  type TransferRow,
} from '../transfer-row.ts';
import { cutPage } from './cut-page.ts';
import { MemoryDeliveries } from './memory-deliveries.ts';
import { MemoryQuarantine } from './memory-quarantine.ts';
import { MemoryRows, type StoredRow } from './memory-rows.ts';

interface MemoryQueueOptions {
  readonly clock: Clock;
  /** How long a claim holds without renewal. */
  readonly leaseMs: number;
  /** How long after an owed end the row is looked at once more. */
  readonly settleGraceMs: number;
  /** Objects of up to so many bytes stand in the small lane. */
  readonly smallMaxBytes: number;
  /** A new transfer id at each call. */
  readonly newId: () => string;
}

/** The queue, and its rows as they are, oldest first, for simulations that compare states. */
export interface MemoryTransferQueue extends TransferQueue {
  rows(): readonly TransferRow<UploadCheckpoint>[];
}

/** Opens an empty queue. Nothing of it survives the process. */
export function openMemoryQueue(options: MemoryQueueOptions): MemoryTransferQueue {
  return new MemoryQueue(options);
}

class MemoryQueue implements MemoryTransferQueue {
  readonly #clock: SteadyClock;
  readonly #leaseMs: number;
  readonly #settleGraceMs: number;
  readonly #smallMaxBytes: number;
  readonly #newId: () => string;
  readonly #listeners = new QueueListeners();
  readonly #rows = new MemoryRows();
  readonly #turns = new ClaimTurns();
  readonly #quarantine = new MemoryQuarantine();
  readonly #deliveries = new MemoryDeliveries();
  #isClosed = false;

  constructor({ clock, leaseMs, settleGraceMs, smallMaxBytes, newId }: MemoryQueueOptions) {
    this.#clock = startSteadyClock(clock);
    this.#leaseMs = leaseMs;
    this.#settleGraceMs = settleGraceMs;
    this.#smallMaxBytes = smallMaxBytes;
    this.#newId = newId;
  }

  rows(): readonly TransferRow<UploadCheckpoint>[] {
    return this.#rows.all();
  }

  async accept(request: AcceptRequest): Promise<readonly AcceptedTransfer[]> {
    return this.#accept(request, this.#begin());
  }

  async acceptDelivery(deliveryId: string, request: AcceptRequest): Promise<DeliveryAnswer> {
    const now = this.#begin();
    if (this.#deliveries.keep(deliveryId, now.wallMs))
      return { isRepeat: false, transfers: this.#accept(request, now) };
    const transfers = request.items.map((item) => {
      const row = this.#rows.newest(item);
      return row === null ? null : { transferId: idToFollow(row), joined: true };
    });
    return { isRepeat: true, transfers };
  }

  #accept(request: AcceptRequest, now: QueueTime): AcceptedTransfer[] {
    const writes = new RowChanges();
    const answers = request.items.map((item): AcceptedTransfer => {
      const arrival = arrivalOf(item, now);
      const live = this.#rows.live(item);
      if (live === null) {
        const row = newRow(item, arrival, this.#newId(), now);
        this.#rows.insert(row, writes);
        return { transferId: row.id, joined: false };
      }
      const row = afterChange(live, arrival, this.#newId, now);
      this.#rows.replace(live, row, writes);
      return { transferId: idToFollow(row), joined: true };
    });
    for (const record of request.quarantine) this.#quarantine.keep(this.#newId(), record, now.wallMs);
    this.#listeners.tell(writes);
    return answers;
  }

  async claim(room: ClaimRoom): Promise<readonly ClaimedTransfer[]> {
    checkRoom(room);
    const now = this.#begin();
    const writes = new RowChanges();
    for (const row of this.#rows.woken(now.steadyMs, ({ status }) => status === 'copying')) {
      this.#rows.endAttempt(row, afterLeaseExpiry(row, now), writes);
    }
    const due = this.#turns.choose(room, (lane, priority, limit) =>
      this.#rows
        .woken(
          now.steadyMs,
          (row) => isWaiting(row) && row.priority === priority && this.#laneOf(row) === lane,
        )
        .slice(0, limit),
    );
    const expiresAtMonotonicMs = this.#clock.toMonotonicMs(now.steadyMs + this.#leaseMs);
    const claimed = due.map(({ lane, row: before }) => {
      const row = afterClaim(before, this.#leaseMs, now);
      this.#rows.replace(before, row, writes);
      const found = { lane, lastReceipt: this.#rows.lastReceipt(before), checkpoint: row.checkpoint };
      return toClaimed(row, found, expiresAtMonotonicMs);
    });
    this.#listeners.tell(writes);
    return claimed;
  }

  async renew(lease: Lease): Promise<Lease | null> {
    const now = this.#begin();
    const row = this.#rows.leased(lease);
    if (row === null) return null;
    this.#rows.rewrite(row, { ...row, wakeAtMs: dueAfter(now, this.#leaseMs) });
    return { ...lease, expiresAtMonotonicMs: this.#clock.toMonotonicMs(now.steadyMs + this.#leaseMs) };
  }

  async progress(lease: Lease, report: Parameters<TransferQueue['progress']>[1]): Promise<boolean> {
    const now = this.#begin();
    const row = this.#rows.leased(lease);
    if (row === null) return false;
    const { bytesDone, sizeBytes, checkpoint } = report;
    this.#rows.rewrite(row, { ...row, bytesDone, sizeBytes, checkpoint, updatedAtMs: now.wallMs });
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

  async release(lease: Lease, end: Parameters<TransferQueue['release']>[1]): Promise<boolean> {
    return this.#end(lease, (row, now) => afterRelease(row, end, now)) !== null;
  }

  async redrive(transferId: string): Promise<{ readonly transferId: string } | null> {
    const now = this.#begin();
    const asked = this.#rows.byId(transferId) ?? this.#rows.byFollowUpId(transferId);
    if (asked === null) return null;
    const writes = new RowChanges();
    const live = this.#rows.live(asked);
    let row: TransferRow<UploadCheckpoint>;
    if (live === null) {
      row = newRow(asked, redriveArrival(asked.sizeBytes, now), this.#newId(), now);
      this.#rows.insert(row, writes);
    } else {
      row = afterRedrive(live, this.#newId, now);
      this.#rows.replace(live, row, writes);
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
    const meant = this.#rows
      .all()
      .filter(
        (row) =>
          row.status === 'parked' &&
          row.position > after &&
          isMeant({ ...classOf(row), ...row.source }, filter),
      );
    const rows = meant.slice(0, limit);
    const writes = new RowChanges();
    for (const row of rows) this.#rows.replace(row, afterClassRedrive(row, now), writes);
    this.#listeners.tell(writes);
    // As where rows are kept on a disk: whether more follow is not looked for.
    const last = rows.length === limit ? rows.at(-1) : undefined;
    return { redriven: rows.length, nextCursor: last === undefined ? null : cursorAfter(last.position) };
  }

  async untilNextDueMs(room: ClaimRoom): Promise<number | null> {
    checkRoom(room);
    const now = this.#begin();
    const lanes = lanesWithRoom(room);
    let earliestMs: number | null = null;
    for (const row of this.#rows.all()) {
      const { wakeAtMs } = row;
      if (wakeAtMs === null || (isWaiting(row) && !lanes.includes(this.#laneOf(row)))) continue;
      earliestMs = Math.min(earliestMs ?? wakeAtMs, wakeAtMs);
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
    const row = this.#rows.byId(transferId);
    if (row !== null) return toTransfer(row, now);
    const running = this.#rows.byFollowUpId(transferId);
    const followUp = running?.followUp ?? null;
    return running === null || followUp === null ? null : followUpTransfer(running, followUp);
  }

  async list(request: Parameters<TransferQueue['list']>[0]): ReturnType<TransferQueue['list']> {
    const now = this.#begin();
    const matching = this.#rows
      .all()
      .filter((row) => isWanted(row, request.filter))
      .toReversed();
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
    for (const { status, changeAtMs } of this.#rows.all()) {
      if (status === 'done') continue;
      byStatus[status] += 1;
      if (status === 'parked') continue;
      oldestPendingChangeAtMs = Math.min(oldestPendingChangeAtMs ?? changeAtMs, changeAtMs);
    }
    return { byStatus, quarantined: this.#quarantine.count, oldestPendingChangeAtMs };
  }

  async parkedClasses(): Promise<readonly ParkedClass[]> {
    this.#begin();
    const parked = this.#rows.all().filter(({ status }) => status === 'parked');
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
    const old = this.#rows.finishedBefore(request.beforeMs).slice(0, request.limit);
    for (const row of old) this.#rows.remove(row);
    return old.length + this.#quarantine.prune(request.beforeMs, request.limit);
  }

  async forgetDeliveries(request: { readonly beforeMs: number; readonly limit: number }): Promise<number> {
    this.#begin();
    return this.#deliveries.forget(request);
  }

  async forgetStaleUploads(request: {
    readonly beforeMs: number;
    readonly limit: number;
  }): Promise<readonly ForgottenUpload[]> {
    this.#begin();
    checkLimit(request.limit);
    const stale = this.#rows.uploadsUntouchedSince(request.beforeMs).slice(0, request.limit);
    return stale.map((row) => {
      this.#rows.rewrite(row, afterForgottenUpload(row));
      return { transferId: row.id, checkpoint: row.checkpoint };
    });
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
    decide: (row: StoredRow, now: QueueTime) => RowsAfterEnd<UploadCheckpoint>,
  ): RowsAfterEnd<UploadCheckpoint> | null {
    const now = this.#begin();
    const row = this.#rows.leased(lease);
    if (row === null) return null;
    const writes = new RowChanges();
    const rows = decide(row, now);
    this.#rows.endAttempt(row, rows, writes);
    this.#listeners.tell(writes);
    return rows;
  }

  #laneOf(row: StoredRow): Lane {
    return laneOf(row, this.#smallMaxBytes);
  }
}

function isWaiting({ status }: StoredRow): boolean {
  return status === 'queued' || status === 'settling';
}

function isWanted(row: StoredRow, filter: TransferFilter): boolean {
  return (
    (filter.status === undefined || row.status === filter.status) &&
    (filter.ruleName === undefined || row.ruleName === filter.ruleName) &&
    (filter.faultCode === undefined || row.fault?.code === filter.faultCode) &&
    (filter.bucket === undefined || row.source.bucket === filter.bucket) &&
    (filter.keyPrefix === undefined || row.source.key.startsWith(filter.keyPrefix)) &&
    (filter.key === undefined || row.source.key === filter.key)
  );
}
