// The operations of the queue as they run inside one transaction: find the row, ask what becomes of it, write it.
import type { MalformedRecord } from '../../core/change.ts';
import type {
  AcceptedTransfer,
  AcceptRequest,
  ClaimedTransfer,
  ClaimRoom,
  DeliveryAnswer,
  ForgottenUpload,
  Lease,
  ParkedFilter,
  TransferQueue,
} from '../../core/transfer-queue.ts';
import { afterLeaseExpiry, type RowsAfterEnd } from '../attempt-end.ts';
import type { ClaimTurns } from '../claim-turns.ts';
import { cursorAfter } from '../page-cursor.ts';
import { isMeant } from '../parked-tally.ts';
import type { RowChanges } from '../queue-listeners.ts';
import { dueAfter, type QueueTime, type SteadyClock } from '../steady-clock.ts';
import {
  afterChange,
  afterClaim,
  afterClassRedrive,
  afterForgottenUpload,
  afterRedrive,
  arrivalOf,
  idToFollow,
  newRow,
  redriveArrival,
  toClaimed,
} from '../transfer-row.ts';
import type { Deliveries } from './deliveries.ts';
import type { StoredRow } from './rows.ts';
import type { TransferTable } from './transfer-table.ts';

/** What the operations work with. */
export interface OperationContext {
  readonly table: TransferTable;
  readonly clock: SteadyClock;
  readonly leaseMs: number;
  readonly turns: ClaimTurns;
  readonly deliveries: Deliveries;
  readonly keepRecord: (id: string, record: MalformedRecord, receivedAtMs: number) => void;
}

/** Parked rows that one redrive of a class looks at: some milliseconds, whatever the filter leaves out. */
const EXAMINED_PARKED_ROWS = 5000;

/** Takes changes and quarantined records; the answers are in the order of the items. */
export function accept(
  { table, clock, keepRecord }: OperationContext,
  request: AcceptRequest,
  changes: RowChanges,
): AcceptedTransfer[] {
  const now = clock.now();
  const answers = request.items.map((item): AcceptedTransfer => {
    const arrival = arrivalOf(item, now);
    const newest = table.newest(item);
    if (newest === null || newest.status === 'done') {
      const row = newRow(item, arrival, table.newId(), now);
      table.insert(row, newest, changes);
      return { transferId: row.id, joined: false };
    }
    const row = afterChange(newest, arrival, table.newId, now);
    table.replace(newest, row, changes);
    return { transferId: idToFollow(row), joined: true };
  });
  for (const record of request.quarantine) keepRecord(table.newId(), record, now.wallMs);
  return answers;
}

/** The same for a delivery with an id; one that was taken before changes nothing. */
export function acceptDelivery(
  context: OperationContext,
  delivery: AcceptRequest & { readonly deliveryId: string },
  changes: RowChanges,
): DeliveryAnswer {
  const { table, clock, deliveries } = context;
  if (deliveries.keep(delivery.deliveryId, clock.now().wallMs))
    return { isRepeat: false, transfers: accept(context, delivery, changes) };
  const transfers = delivery.items.map((item) => {
    const row = table.newest(item);
    return row === null ? null : { transferId: idToFollow(row), joined: true };
  });
  return { isRepeat: true, transfers };
}

/** Takes expired leases back, then hands out due rows of both lanes. */
export function claim(context: OperationContext, room: ClaimRoom, changes: RowChanges): ClaimedTransfer[] {
  const { table, clock, leaseMs, turns } = context;
  const now = clock.now();
  for (const row of table.expired(now.steadyMs)) table.endAttempt(row, afterLeaseExpiry(row, now), changes);
  const due = turns.choose(room, (lane, priority, limit) => table.due(lane, priority, now.steadyMs, limit));
  const leaseEndMs = clock.toMonotonicMs(now.steadyMs + leaseMs);
  return due.map(({ lane, row: before }) => {
    const row = afterClaim(before, leaseMs, now);
    table.replace(before, row, changes);
    const found = { lane, lastReceipt: table.lastReceipt(before), checkpoint: table.openCheckpoint(row) };
    return toClaimed(row, found, leaseEndMs);
  });
}

/** Extends a lease; null where it was lost. */
export function renew({ table, clock, leaseMs }: OperationContext, lease: Lease): Lease | null {
  const now = clock.now();
  const row = leasedRow(table, lease);
  if (row === null) return null;
  table.renew(row, dueAfter(now, leaseMs));
  return { ...lease, expiresAtMonotonicMs: clock.toMonotonicMs(now.steadyMs + leaseMs) };
}

/** Notes how far an attempt is; false where the lease was lost. */
export function progress(
  { table, clock }: OperationContext,
  lease: Lease,
  report: Parameters<TransferQueue['progress']>[1],
): boolean {
  const row = leasedRow(table, lease);
  if (row !== null) table.progress(row, report, clock.now().wallMs);
  return row !== null;
}

/** Ends an attempt as `decide` says; null where the lease was lost. */
export function endAttempt(
  { table, clock }: OperationContext,
  lease: Lease,
  decide: (row: StoredRow, now: QueueTime) => RowsAfterEnd<Uint8Array>,
  changes: RowChanges,
): RowsAfterEnd<Uint8Array> | null {
  const row = leasedRow(table, lease);
  if (row === null) return null;
  const rows = decide(row, clock.now());
  table.endAttempt(row, rows, changes);
  return rows;
}

/** Makes a transfer due at once, whatever its status; the id to follow, or null where the id is unknown. */
export function redrive(
  { table, clock }: OperationContext,
  transferId: string,
  changes: RowChanges,
): { readonly transferId: string } | null {
  const now = clock.now();
  const asked = table.byId(transferId) ?? table.byFollowUpId(transferId);
  if (asked === null) return null;
  const newest = table.newest(asked);
  if (newest === null || newest.status === 'done') {
    const row = newRow(asked, redriveArrival(asked.sizeBytes, now), table.newId(), now);
    table.insert(row, newest, changes);
    return { transferId: row.id };
  }
  const row = afterRedrive(newest, table.newId, now);
  table.replace(newest, row, changes);
  return { transferId: idToFollow(row) };
}

/** Makes parked rows that match due at once, from a position on; at most `limit`, of a bounded number examined. */
export function redriveClass(
  { table, clock }: OperationContext,
  request: { readonly filter: ParkedFilter; readonly limit: number; readonly after: number },
  changes: RowChanges,
): { readonly redriven: number; readonly nextCursor: string | null } {
  const now = clock.now();
  const { filter, limit, after } = request;
  const places = table.parkedAfter(after, EXAMINED_PARKED_ROWS);
  let redriven = 0;
  for (const place of places) {
    const row = isMeant(place, filter) ? table.bySeq(place.seq) : null;
    if (row === null) continue;
    table.replace(row, afterClassRedrive(row, now), changes);
    redriven += 1;
    if (redriven === limit) return { redriven, nextCursor: cursorAfter(place.seq) };
  }
  const last = places.length < EXAMINED_PARKED_ROWS ? undefined : places.at(-1);
  return { redriven, nextCursor: last === undefined ? null : cursorAfter(last.seq) };
}

/** Forgets stored uploads that nobody works on, unchanged since a moment; returns them as far as they open. */
export function forgetStaleUploads(
  { table }: OperationContext,
  request: { readonly beforeMs: number; readonly limit: number },
  changes: RowChanges,
): ForgottenUpload[] {
  return table.withUpload(Math.ceil(request.beforeMs), request.limit).map((row) => {
    table.replace(row, afterForgottenUpload(row), changes);
    return { transferId: row.id, checkpoint: table.openCheckpoint(row) };
  });
}

function leasedRow(table: TransferTable, lease: Lease): StoredRow | null {
  const row = table.byId(lease.transferId);
  return row?.status === 'copying' && row.leaseToken === lease.token ? row : null;
}
