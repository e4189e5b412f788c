// What the shared operations need of a driver that keeps its rows in a database: rows found and written inside one
// transaction. Rows of `Row` carry what the driver needs to find them again.
import type { Receipt } from '../core/transfer.ts';
import type { Lane, Priority, UploadCheckpoint } from '../core/transfer-queue.ts';
import type { RowChanges } from './queue-listeners.ts';
import type { TransferRow } from './transfer-row.ts';

/** Checkpoints are kept sealed. */
export type SealedRow = TransferRow<Uint8Array>;

export interface RowTable<Row extends SealedRow> {
  /** A new transfer id. */
  readonly newId: () => string;
  /** The row of an id; null where there is none. */
  byId(id: string): Row | null;
  /** The copying row whose follow-up has this id; null where there is none. */
  byFollowUpId(id: string): Row | null;
  /** The live row of a rule and source object or, where there is none, one of its history; null without any. */
  newest(place: Pick<SealedRow, 'source' | 'ruleName'>): Row | null;
  /** Waiting rows of a lane and priority whose time has come, oldest first. */
  due(lane: Lane, priority: Priority, steadyMs: number, limit: number): readonly Row[];
  /** Copying rows whose lease has ended. */
  expired(steadyMs: number): readonly Row[];
  /** Rows with a stored upload that nobody works on, unchanged since a moment, longest untouched first. */
  withUpload(beforeMs: number, limit: number): readonly Row[];
  /** The newest receipt of the row's rule and source object. A pruned one is gone, and all before it. */
  lastReceipt(row: Row): Receipt | null;
  /**
   * Adds a row. `previous` is the newest row of its rule and key so far, which is done; null without any. Of it only its
   * receipt, and where an earlier one lies, are looked at.
   */
  insert(row: SealedRow, previous: Row | null, changes: RowChanges): void;
  /** Writes what became of a row; nothing where it is the same object. */
  replace(before: Row, after: SealedRow, changes: RowChanges): void;
  /** Extends the lease of a row. */
  renew(row: Row, wakeAtMs: number): void;
  /** Notes how far an attempt is. */
  progress(
    row: Row,
    report: {
      readonly bytesDone: number;
      readonly sizeBytes: number;
      readonly checkpoint: Uint8Array | null;
    },
    updatedAtMs: number,
  ): void;
  /** Null where there is none or no key to seal it with: it is not kept. */
  sealCheckpoint(transferId: string, checkpoint: UploadCheckpoint | null): Uint8Array | null;
  /** The checkpoint of a row; null where there is none or this process cannot open it. */
  openCheckpoint(row: Pick<SealedRow, 'id' | 'checkpoint'>): UploadCheckpoint | null;
}
