// The operations of the queue as they run inside one transaction: find the row, ask what becomes of it, write it. The
// same for every driver that keeps rows in a database; the table is the driver's.
import type { MalformedRecord } from '../core/change.ts';
import type {
  AcceptedTransfer,
  AcceptRequest,
  ClaimedTransfer,
  ClaimRoom,
  DeliveryAnswer,
  ForgottenUpload,
  Lease,
  TransferQueue,
} from '../core/transfer-queue.ts';
import { afterLeaseExpiry, type RowsAfterEnd } from './attempt-end.ts';
import type { ClaimTurns } from './claim-turns.ts';
import type { RowChanges } from './queue-listeners.ts';
import type { RowTable, SealedRow } from './row-table.ts';
import { dueAfter, type QueueTime, type SteadyClock } from './steady-clock.ts';
import {
  afterChange,
  afterClaim,
  afterForgottenUpload,
  afterRedrive,
  arrivalOf,
  idToFollow,
  newRow,
  redriveArrival,
  toClaimed,
} from './transfer-row.ts';

/** What the operations work with. */
export interface OperationContext<Row extends SealedRow> {
  readonly table: RowTable<Row>;
  readonly clock: SteadyClock;
  readonly leaseMs: number;
  readonly turns: ClaimTurns;
  /** Keeps the id of a delivery; false where it is kept already. */
  readonly keepDelivery: (deliveryId: string, takenAtMs: number) => boolean;
  readonly keepRecord: (id: string, record: MalformedRecord, receivedAtMs: number) => void;
}

/** Takes changes and quarantined records; the answers are in the order of the items. */
export function accept<Row extends SealedRow>(
  { table, clock, keepRecord }: OperationContext<Row>,
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
export function acceptDelivery<Row extends SealedRow>(
  context: OperationContext<Row>,
  delivery: AcceptRequest & { readonly deliveryId: string },
  changes: RowChanges,
): DeliveryAnswer {
  const { table, clock, keepDelivery } = context;
  if (keepDelivery(delivery.deliveryId, clock.now().wallMs))
    return { isRepeat: false, transfers: accept(context, delivery, changes) };
  const transfers = delivery.items.map((item) => {
    const row = table.newest(item);
    return row === null ? null : { transferId: idToFollow(row), joined: true };
  });
  return { isRepeat: true, transfers };
}

/** Takes expired leases back, then hands out due rows of both lanes. */
export function claim<Row extends SealedRow>(
  context: OperationContext<Row>,
  room: ClaimRoom,
  changes: RowChanges,
): ClaimedTransfer[] {
  const { table, clock, leaseMs, turns } = context;
  const now = clock.now();
  for (const row of table.expired(now.steadyMs)) writeEnd(table, row, afterLeaseExpiry(row, now), changes);
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
export function renew<Row extends SealedRow>(
  { table, clock, leaseMs }: OperationContext<Row>,
  lease: Lease,
): Lease | null {
  const now = clock.now();
  const row = leasedRow(table, lease);
  if (row === null) return null;
  table.renew(row, dueAfter(now, leaseMs));
  return { ...lease, expiresAtMonotonicMs: clock.toMonotonicMs(now.steadyMs + leaseMs) };
}

/** Notes how far an attempt is; false where the lease was lost. */
export function progress<Row extends SealedRow>(
  { table, clock }: OperationContext<Row>,
  lease: Lease,
  report: Parameters<TransferQueue['progress']>[1],
): boolean {
  const row = leasedRow(table, lease);
  if (row === null) return false;
  const checkpoint = table.sealCheckpoint(row.id, report.checkpoint);
  table.progress(row, { ...report, checkpoint }, clock.now().wallMs);
  return true;
}

/** Ends an attempt as `decide` says; null where the lease was lost. */
export function endAttempt<Row extends SealedRow>(
  { table, clock }: OperationContext<Row>,
  lease: Lease,
  decide: (row: Row, now: QueueTime) => RowsAfterEnd<Uint8Array>,
  changes: RowChanges,
): RowsAfterEnd<Uint8Array> | null {
  const row = leasedRow(table, lease);
  if (row === null) return null;
  const rows = decide(row, clock.now());
  writeEnd(table, row, rows, changes);
  return rows;
}

/** Writes the rows after the end of an attempt. */
export function writeEnd<Row extends SealedRow>(
  table: RowTable<Row>,
  row: Row,
  rows: RowsAfterEnd<Uint8Array>,
  changes: RowChanges,
): void {
  table.replace(row, rows.ended, changes);
  const live = rows.followUp;
  if (live === null) return;
  const ended = { ...row, receipt: rows.ended.receipt };
  // Sealed checkpoints are bound to the id, which has changed.
  const checkpoint = live.checkpoint === null ? null : table.openCheckpoint(row);
  table.insert({ ...live, checkpoint: table.sealCheckpoint(live.id, checkpoint) }, ended, changes);
}

/** Makes a transfer due at once, whatever its status; the id to follow, or null where the id is unknown. */
export function redrive<Row extends SealedRow>(
  { table, clock }: OperationContext<Row>,
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

/** Forgets stored uploads that nobody works on, unchanged since a moment; returns them as far as they open. */
export function forgetStaleUploads<Row extends SealedRow>(
  { table }: OperationContext<Row>,
  request: { readonly beforeMs: number; readonly limit: number },
  changes: RowChanges,
): ForgottenUpload[] {
  return table.withUpload(Math.ceil(request.beforeMs), request.limit).map((row) => {
    table.replace(row, afterForgottenUpload(row), changes);
    return { transferId: row.id, checkpoint: table.openCheckpoint(row) };
  });
}

function leasedRow<Row extends SealedRow>(table: RowTable<Row>, lease: Lease): Row | null {
  const row = table.byId(lease.transferId);
  return row?.status === 'copying' && row.leaseToken === lease.token ? row : null;
}
