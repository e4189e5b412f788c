// The rows of the queue in memory, and the ways to find one: by id, by rule and key, by the id of a follow-up.
import type { Receipt } from '../../core/transfer.ts';
import type { Lease, UploadCheckpoint } from '../../core/transfer-queue.ts';
import type { RowsAfterEnd } from '../attempt-end.ts';
import type { RowChanges } from '../queue-listeners.ts';
import type { TransferRow } from '../transfer-row.ts';

type MemoryRow = TransferRow<UploadCheckpoint>;

/** A row with its place in the order of beginning, and the way to the receipt before it. */
export type StoredRow = MemoryRow & {
  readonly position: number;
  /** The row that had the newest receipt of the rule and key when this one was added; null where there was none. */
  readonly priorReceiptId: string | null;
};

export class MemoryRows {
  /** In the order of their beginning. */
  readonly #rows = new Map<string, StoredRow>();
  /** Ids of every row of a rule and key, oldest first; the live row, if any, is the last. */
  readonly #idsByKey = new Map<string, string[]>();
  readonly #rowIdByFollowUpId = new Map<string, string>();
  #lastPosition = 0;

  /** Every row, in the order of beginning. */
  all(): StoredRow[] {
    return [...this.#rows.values()];
  }

  byId(id: string): StoredRow | null {
    return this.#rows.get(id) ?? null;
  }

  /** The copying row whose follow-up has this id; null where there is none. */
  byFollowUpId(id: string): StoredRow | null {
    return this.byId(this.#rowIdByFollowUpId.get(id) ?? '');
  }

  /** The live row of a rule and source object or, where there is none, the last of its history; null without any. */
  newest(location: Pick<MemoryRow, 'ruleName' | 'source'>): StoredRow | null {
    return this.byId(this.#idsByKey.get(keyOf(location))?.at(-1) ?? '');
  }

  /** The live row of a rule and source object; null where there is none. */
  live(location: Pick<MemoryRow, 'ruleName' | 'source'>): StoredRow | null {
    const row = this.newest(location);
    return row === null || row.status === 'done' ? null : row;
  }

  /** The row a lease is of; null where it was lost. */
  leased(lease: Lease): StoredRow | null {
    const row = this.byId(lease.transferId);
    return row?.status === 'copying' && row.leaseToken === lease.token ? row : null;
  }

  /** Rows whose time has come, of those meant, oldest due first. */
  woken(steadyMs: number, isMeant: (row: StoredRow) => boolean): StoredRow[] {
    const found: { readonly row: StoredRow; readonly wakeAtMs: number }[] = [];
    for (const row of this.#rows.values()) {
      const { wakeAtMs } = row;
      if (wakeAtMs !== null && wakeAtMs <= steadyMs && isMeant(row)) found.push({ row, wakeAtMs });
    }
    found.sort((a, b) => a.wakeAtMs - b.wakeAtMs || a.row.position - b.row.position);
    return found.map(({ row }) => row);
  }

  /** Done rows that finished before a moment, the oldest first. */
  finishedBefore(beforeMs: number): StoredRow[] {
    return this.all()
      .filter(({ finishedAtMs }) => finishedAtMs !== null && finishedAtMs < beforeMs)
      .sort((a, b) => (a.finishedAtMs ?? 0) - (b.finishedAtMs ?? 0));
  }

  /** Rows with a stored upload that nobody works on, unchanged since a moment, longest untouched first. */
  uploadsUntouchedSince(beforeMs: number): StoredRow[] {
    return this.all()
      .filter(({ status, checkpoint, updatedAtMs }) => {
        return checkpoint !== null && status !== 'copying' && updatedAtMs < beforeMs;
      })
      .sort((a, b) => a.updatedAtMs - b.updatedAtMs || a.position - b.position);
  }

  /** The newest receipt of the row's rule and source object. A pruned one is gone, and all before it. */
  lastReceipt(row: StoredRow): Receipt | null {
    return row.receipt ?? this.byId(row.priorReceiptId ?? '')?.receipt ?? null;
  }

  /** Adds a row. */
  insert(row: MemoryRow, writes: RowChanges): void {
    const position = ++this.#lastPosition;
    const ids = this.#idsByKey.get(keyOf(row));
    const previous = this.newest(row);
    const priorReceiptId = previous?.receipt ? previous.id : (previous?.priorReceiptId ?? null);
    this.#rows.set(row.id, { ...row, position, priorReceiptId });
    if (ids === undefined) this.#idsByKey.set(keyOf(row), [row.id]);
    else ids.push(row.id);
    writes.note(null, row);
  }

  /** Writes what became of a row; nothing where it is the same object. */
  replace(before: StoredRow, after: MemoryRow, writes: RowChanges): void {
    if (before === after) return;
    this.rewrite(before, after);
    if (after.followUp !== null) this.#rowIdByFollowUpId.set(after.followUp.id, after.id);
    writes.note(before, after);
  }

  /** Writes what nobody is told of: a lease, progress, a checkpoint. */
  rewrite(before: StoredRow, after: MemoryRow): void {
    const { position, priorReceiptId } = before;
    this.#rows.set(before.id, { ...after, position, priorReceiptId });
  }

  /** Writes the rows after the end of an attempt. */
  endAttempt(row: StoredRow, rows: RowsAfterEnd<UploadCheckpoint>, writes: RowChanges): void {
    if (row.followUp !== null) this.#rowIdByFollowUpId.delete(row.followUp.id);
    this.replace(row, rows.ended, writes);
    if (rows.followUp !== null) this.insert(rows.followUp, writes);
  }

  /** Removes a done row. */
  remove(row: StoredRow): void {
    this.#rows.delete(row.id);
    const ids = this.#idsByKey.get(keyOf(row))?.filter((id) => id !== row.id) ?? [];
    if (ids.length > 0) this.#idsByKey.set(keyOf(row), ids);
    else this.#idsByKey.delete(keyOf(row));
  }
}

function keyOf({ ruleName, source }: Pick<MemoryRow, 'ruleName' | 'source'>): string {
  return JSON.stringify([ruleName, source.bucket, source.key]);
}
