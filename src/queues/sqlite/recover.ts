// What a process that opens the file makes of the rows an earlier one left. Leases mean nothing outside of the
// process that gave them, and due times were told by a clock that may have been wrong.
import type { DatabaseSync } from 'node:sqlite';
import { afterLeaseExpiry } from '../attempt-end.ts';
import { writeEnd } from '../operations.ts';
import { RowChanges } from '../queue-listeners.ts';
import { dueAfter, type QueueTime } from '../steady-clock.ts';
import type { TransferTable } from './transfer-table.ts';

interface RecoveryOptions {
  readonly settleGraceMs: number;
  readonly maxRetryDelayMs: number;
  readonly now: QueueTime;
}

/** Rows of a lane and priority that are due too late; the others are not walked through. */
export const PULL_IN =
  "UPDATE transfers INDEXED BY transfers_waiting SET wake_at = ? WHERE status IN ('queued', 'settling') " +
  "AND lane = ? AND priority = ? AND wake_at > ? AND status = 'queued'";

/** One transaction: no row is copying afterwards, no grace has begun earlier than now, no due time is absurd. */
export function recoverRows(database: DatabaseSync, table: TransferTable, options: RecoveryOptions): void {
  const { now, settleGraceMs, maxRetryDelayMs } = options;
  const changes = new RowChanges();
  database.exec('BEGIN IMMEDIATE');
  try {
    for (const row of table.expired(Number.MAX_SAFE_INTEGER))
      writeEnd(table, row, afterLeaseExpiry(row, now), changes);
    // A request of the earlier process may have left just before it ended: the whole grace counts again.
    database
      .prepare("UPDATE transfers SET wake_at = ? WHERE status = 'settling'")
      .run(dueAfter(now, settleGraceMs));
    const latestMs = dueAfter(now, maxRetryDelayMs);
    const pullIn = database.prepare(PULL_IN);
    for (const lane of ['small', 'large']) {
      for (const priority of ['live', 'background']) pullIn.run(latestMs, lane, priority, latestMs);
    }
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}
