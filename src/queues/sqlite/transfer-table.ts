// The statements on the transfers table, prepared once: one way to find, add and change rows for every operation.
import { randomUUIDv7 } from 'node:crypto';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { FaultCode } from '../../core/faults.ts';
import type { Receipt } from '../../core/transfer.ts';
import type { Lane, ParkedClass, Priority, UploadCheckpoint } from '../../core/transfer-queue.ts';
import type { CheckpointSealer } from '../checkpoint-sealer.ts';
import type { RowChanges } from '../queue-listeners.ts';
import type { RowTable, SealedRow } from '../row-table.ts';
import { knownFaultCode } from '../stored-fault.ts';
import { laneOf } from '../transfer-row.ts';
import { KeptStatements } from './kept-statements.ts';
import {
  ALL_COLUMNS,
  changesBetween,
  changingValues,
  fixedValues,
  INSERT_ROW,
  integer,
  parseReceipt,
  prepareRows,
  type RowStatement,
  type StoredRow,
  text,
  updateOf,
} from './rows.ts';

/** Every lookup of a single operation, by name: each must be answered from an index. */
export const LOOKUPS = {
  byId: `SELECT ${ALL_COLUMNS} FROM transfers WHERE id = ?`,
  byFollowUpId: `SELECT ${ALL_COLUMNS} FROM transfers WHERE dirty_id = ?`,
  newest:
    `SELECT ${ALL_COLUMNS} FROM transfers INDEXED BY transfers_by_rule_and_key ` +
    'WHERE source_bucket = ? AND source_key = ? AND rule_name = ? ORDER BY seq DESC LIMIT 1',
  // Not `LIMIT ?` alone: SQLite takes such a number into its plan, and prepares the statement anew at every execution.
  due:
    `SELECT ${ALL_COLUMNS} FROM transfers INDEXED BY transfers_waiting WHERE status IN ('queued', 'settling') ` +
    'AND lane = ? AND priority = ? AND wake_at <= ? ORDER BY wake_at, seq LIMIT ? + 0',
  nextDue:
    "SELECT wake_at FROM transfers INDEXED BY transfers_waiting WHERE status IN ('queued', 'settling') " +
    'AND lane = ? AND priority = ? ORDER BY wake_at LIMIT 1',
  expired:
    `SELECT ${ALL_COLUMNS} FROM transfers INDEXED BY transfers_leased WHERE status = 'copying' ` +
    'AND wake_at <= ? ORDER BY wake_at, seq',
  nextExpiry:
    "SELECT wake_at FROM transfers INDEXED BY transfers_leased WHERE status = 'copying' ORDER BY wake_at LIMIT 1",
  receiptAt: 'SELECT receipt FROM transfers WHERE seq = ?',
  oldestChange:
    "SELECT change_at FROM transfers INDEXED BY transfers_pending_change WHERE status NOT IN ('done', 'parked') ORDER BY change_at LIMIT 1",
  bySeq: `SELECT ${ALL_COLUMNS} FROM transfers WHERE seq = ?`,
  parkedAfter:
    'SELECT seq, fault_code, rule_name, source_bucket, source_key FROM transfers INDEXED BY transfers_by_status ' +
    "WHERE status = 'parked' AND seq > ? ORDER BY seq LIMIT ?",
  // One class after another, each found by one seek, however many rows the classes have. A comparison of both columns
  // at once would walk through all rows of the class that it starts from.
  nextParkedRule:
    'SELECT fault_code, rule_name FROM transfers INDEXED BY transfers_parked ' +
    "WHERE status = 'parked' AND fault_code = ? AND rule_name > ? ORDER BY rule_name LIMIT 1",
  nextParkedFault:
    'SELECT fault_code, rule_name FROM transfers INDEXED BY transfers_parked ' +
    "WHERE status = 'parked' AND fault_code > ? ORDER BY fault_code, rule_name LIMIT 1",
  firstParked:
    "SELECT id, updated_at FROM transfers WHERE status = 'parked' AND fault_code = ? AND rule_name = ? " +
    'ORDER BY updated_at, seq LIMIT 1',
  lastParked:
    "SELECT updated_at FROM transfers WHERE status = 'parked' AND fault_code = ? AND rule_name = ? " +
    'ORDER BY updated_at DESC LIMIT 1',
  withUpload:
    `SELECT ${ALL_COLUMNS} FROM transfers INDEXED BY transfers_with_upload WHERE checkpoint IS NOT NULL ` +
    "AND updated_at < ? AND status <> 'copying' ORDER BY updated_at, seq LIMIT ?",
  prune:
    'DELETE FROM transfers WHERE seq IN ' +
    '(SELECT seq FROM transfers WHERE finished_at < ? ORDER BY finished_at LIMIT ?)',
} as const;

/** Those that select whole rows. */
type RowLookup = 'byId' | 'bySeq' | 'byFollowUpId' | 'newest' | 'due' | 'expired' | 'withUpload';

const PRIORITIES = ['live', 'background'] as const;

/** A parked row, as far as a filter looks at it. */
interface ParkedPlace {
  readonly seq: number;
  readonly faultCode: FaultCode;
  readonly ruleName: string;
  readonly bucket: string;
  readonly key: string;
}

/** The table as the operations use it, inside a transaction. */
export class TransferTable implements RowTable<StoredRow> {
  readonly #sealer: CheckpointSealer | null;
  readonly #smallMaxBytes: number;
  readonly #lookups: Readonly<Record<Exclude<keyof typeof LOOKUPS, RowLookup>, StatementSync>>;
  readonly #rows: Readonly<Record<RowLookup, RowStatement>>;
  readonly #insert: StatementSync;
  /** By the columns they write, whose sets are few: a column that is not named leaves the indexes alone that hold it. */
  readonly #updates: KeptStatements<number, StatementSync>;
  readonly #renew: StatementSync;
  readonly #progress: StatementSync;

  /** Objects of up to `smallMaxBytes` stand in the small lane. */
  constructor(database: DatabaseSync, sealer: CheckpointSealer | null, smallMaxBytes: number) {
    this.#sealer = sealer;
    this.#smallMaxBytes = smallMaxBytes;
    this.#rows = {
      byId: prepareRows(database, LOOKUPS.byId),
      bySeq: prepareRows(database, LOOKUPS.bySeq),
      byFollowUpId: prepareRows(database, LOOKUPS.byFollowUpId),
      newest: prepareRows(database, LOOKUPS.newest),
      due: prepareRows(database, LOOKUPS.due),
      expired: prepareRows(database, LOOKUPS.expired),
      withUpload: prepareRows(database, LOOKUPS.withUpload),
    };
    this.#lookups = {
      nextDue: database.prepare(LOOKUPS.nextDue),
      nextExpiry: database.prepare(LOOKUPS.nextExpiry),
      receiptAt: database.prepare(LOOKUPS.receiptAt),
      oldestChange: database.prepare(LOOKUPS.oldestChange),
      parkedAfter: database.prepare(LOOKUPS.parkedAfter),
      nextParkedRule: database.prepare(LOOKUPS.nextParkedRule),
      nextParkedFault: database.prepare(LOOKUPS.nextParkedFault),
      firstParked: database.prepare(LOOKUPS.firstParked),
      lastParked: database.prepare(LOOKUPS.lastParked),
      prune: database.prepare(LOOKUPS.prune),
    };
    this.#insert = database.prepare(INSERT_ROW);
    this.#updates = new KeptStatements((columns) => database.prepare(updateOf(columns)));
    this.#renew = database.prepare('UPDATE transfers SET wake_at = ? WHERE seq = ?');
    this.#progress = database.prepare(
      'UPDATE transfers SET bytes_done = ?, size_bytes = ?, checkpoint = ?, updated_at = ? WHERE seq = ?',
    );
  }

  /** A new transfer id. */
  readonly newId = (): string => randomUUIDv7();

  /** The row of an id; null where there is none. */
  byId(id: string): StoredRow | null {
    return this.#rows.byId.get(id);
  }

  /** The row at a position; null where there is none. */
  bySeq(seq: number): StoredRow | null {
    return this.#rows.bySeq.get(seq);
  }

  /** What tells whether a parked row is meant, for the rows after a position, in their order. */
  parkedAfter(seq: number, limit: number): ParkedPlace[] {
    return this.#lookups.parkedAfter.all(seq, limit).map((columns) => ({
      seq: integer(columns, 'seq'),
      faultCode: knownFaultCode(text(columns, 'fault_code')),
      ruleName: text(columns, 'rule_name'),
      bucket: text(columns, 'source_bucket'),
      key: text(columns, 'source_key'),
    }));
  }

  /** First and last of each class, in the order of the index. Codes of a newer version are one class here. */
  parkedClasses(): Omit<ParkedClass, 'count'>[] {
    const found: Omit<ParkedClass, 'count'>[] = [];
    let next = this.#lookups.nextParkedFault.get('');
    while (next !== undefined) {
      const stored = [text(next, 'fault_code'), text(next, 'rule_name')] as const;
      const first = this.#lookups.firstParked.get(...stored) ?? {};
      const last = this.#lookups.lastParked.get(...stored) ?? {};
      found.push({
        faultCode: knownFaultCode(stored[0]),
        ruleName: stored[1],
        firstAtMs: integer(first, 'updated_at'),
        lastAtMs: integer(last, 'updated_at'),
        exampleTransferId: text(first, 'id'),
      });
      next = this.#lookups.nextParkedRule.get(...stored) ?? this.#lookups.nextParkedFault.get(stored[0]);
    }
    return found;
  }

  /** The copying row whose follow-up has this id; null where there is none. */
  byFollowUpId(id: string): StoredRow | null {
    return this.#rows.byFollowUpId.get(id);
  }

  /** The live row of a rule and source object or, where there is none, the last of its history; null without any. */
  newest({ source, ruleName }: Pick<SealedRow, 'source' | 'ruleName'>): StoredRow | null {
    return this.#rows.newest.get(source.bucket, source.key, ruleName);
  }

  /** Waiting rows of a lane and priority whose time has come, oldest first. */
  due(lane: Lane, priority: Priority, steadyMs: number, limit: number): StoredRow[] {
    return this.#rows.due.all(lane, priority, Math.floor(steadyMs), limit);
  }

  /** Copying rows whose lease has ended. As many as there are: no more are copying than workers run attempts. */
  expired(steadyMs: number): StoredRow[] {
    return this.#rows.expired.all(Math.floor(steadyMs));
  }

  /** When the first row of these lanes is due or a lease ends, in steady milliseconds; null where nothing waits. */
  nextWakeMs(lanes: readonly Lane[]): number | null {
    const found = [this.#lookups.nextExpiry.get()];
    for (const lane of lanes) {
      for (const priority of PRIORITIES) found.push(this.#lookups.nextDue.get(lane, priority));
    }
    const times = found
      .filter((columns) => columns !== undefined)
      .map((columns) => integer(columns, 'wake_at'));
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Rows with a stored upload that nobody works on, unchanged since a moment, longest untouched first. */
  withUpload(beforeMs: number, limit: number): StoredRow[] {
    return this.#rows.withUpload.all(beforeMs, limit);
  }

  /** The newest receipt of the row's rule and source object. A pruned one is gone, and all before it. */
  lastReceipt(row: StoredRow): Receipt | null {
    if (row.receipt !== null || row.priorReceiptSeq === null) return row.receipt;
    const found = this.#lookups.receiptAt.get(row.priorReceiptSeq);
    const json = found?.['receipt'];
    return typeof json === 'string' ? parseReceipt(json) : null;
  }

  /** The oldest change that is not covered; null where nothing is pending. */
  oldestChangeMs(): number | null {
    const found = this.#lookups.oldestChange.get();
    return found === undefined ? null : integer(found, 'change_at');
  }

  /** Adds a row. `previous` is the newest row of its rule and key so far, which is done. */
  insert(row: SealedRow, previous: StoredRow | null, changes: RowChanges): void {
    const priorReceiptSeq = previous === null ? null : receiptSeqOf(previous);
    this.#insert.run(...fixedValues(row, priorReceiptSeq), ...this.#valuesOf(row));
    changes.note(null, row);
  }

  /** Writes what became of a row; nothing where it is the same object. */
  replace(before: StoredRow, after: SealedRow, changes: RowChanges): void {
    if (before === after) return;
    const { columns, values } = changesBetween(changingValues(before, before.lane), this.#valuesOf(after));
    if (columns !== 0) this.#updates.of(columns).run(...values, before.seq);
    changes.note(before, after);
  }

  /** Extends the lease of a row. */
  renew(row: StoredRow, wakeAtMs: number): void {
    this.#renew.run(wakeAtMs, row.seq);
  }

  /** Notes how far the attempt is. */
  progress(
    row: StoredRow,
    report: Parameters<RowTable<StoredRow>['progress']>[1],
    updatedAtMs: number,
  ): void {
    const { bytesDone, sizeBytes, checkpoint } = report;
    this.#progress.run(bytesDone, sizeBytes, checkpoint, updatedAtMs, row.seq);
  }

  /** The checkpoint sealed for a transfer; null where there is none, or no key to seal it with. */
  sealCheckpoint(id: string, checkpoint: UploadCheckpoint | null): Uint8Array | null {
    return checkpoint === null || this.#sealer === null ? null : this.#sealer.seal(id, checkpoint);
  }

  /** The checkpoint of a row; null where there is none or this process cannot open it. */
  openCheckpoint({ id, checkpoint }: Pick<SealedRow, 'id' | 'checkpoint'>): UploadCheckpoint | null {
    return checkpoint === null || this.#sealer === null ? null : this.#sealer.open(id, checkpoint);
  }

  /** Removes done rows finished before a moment; returns how many. */
  prune(beforeMs: number, limit: number): number {
    return Number(this.#lookups.prune.run(beforeMs, limit).changes);
  }

  #valuesOf(row: SealedRow): SQLInputValue[] {
    return changingValues(row, laneOf(row, this.#smallMaxBytes));
  }
}

function receiptSeqOf(row: StoredRow): number | null {
  return row.receipt === null ? row.priorReceiptSeq : row.seq;
}
