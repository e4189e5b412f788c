// A transfer row as the database keeps it: the list of columns, and the way in and out.
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { Outcome, Receipt, TransferStatus } from '../../core/transfer.ts';
import type { Lane, Priority } from '../../core/transfer-queue.ts';
import type { SealedRow } from '../row-table.ts';
import { parseStoredFault } from '../stored-fault.ts';
import type { FollowUp } from '../transfer-row.ts';

/**
 * A row with its position in the table, the lane it is kept in, and the position of the newest receipt of its rule and
 * key from before it, null where there was none.
 */
export type StoredRow = SealedRow & {
  readonly seq: number;
  readonly lane: Lane;
  readonly priorReceiptSeq: number | null;
};

/** What `node:sqlite` gives back; it has no prototype. */
export type Columns = Record<string, SQLOutputValue>;

/** Written once. Leaving them out of updates spares their indexes. */
const FIXED = ['id', 'rule_name', 'source_bucket', 'source_key', 'created_at', 'prior_receipt_seq'] as const;

const CHANGING = [
  'target_bucket',
  'target_key',
  'status',
  'attempt_count',
  'owed',
  'is_settling',
  'lease_token',
  'wake_at',
  'change_at',
  'size_hint',
  'lane',
  'priority',
  'dirty_id',
  'dirty_change_at',
  'dirty_size_hint',
  'dirty_priority',
  'dirty_created_at',
  'size_bytes',
  'bytes_done',
  'checkpoint',
  'outcome',
  'fault_code',
  'fault',
  'receipt',
  'updated_at',
  'finished_at',
] as const;

/** Above every position: where a listing begins. */
export const FIRST_POSITION = Number.MAX_SAFE_INTEGER;

const COLUMNS = ['seq', ...FIXED, ...CHANGING] as const;

/** What a statement selects whose rows `prepareRows` reads. */
export const ALL_COLUMNS = COLUMNS.join(', ');

/** Takes `fixedValues` and `changingValues`. */
export const INSERT_ROW =
  `INSERT INTO transfers (${[...FIXED, ...CHANGING].join(', ')}) ` +
  `VALUES (${[...FIXED, ...CHANGING].map(() => '?').join(', ')})`;

/** The columns in which two rows differ, one bit for each of CHANGING, and their new values in that order. */
export function changesBetween(
  before: readonly SQLInputValue[],
  after: readonly SQLInputValue[],
): { readonly columns: number; readonly values: SQLInputValue[] } {
  let columns = 0;
  const values: SQLInputValue[] = [];
  for (let place = 0; place < CHANGING.length; place += 1) {
    const value = after[place] ?? null;
    if (before[place] === value) continue;
    columns |= 1 << place;
    values.push(value);
  }
  return { columns, values };
}

/** Takes the values of `changesBetween` for these columns, then the position of the row. */
export function updateOf(columns: number): string {
  const set = CHANGING.filter((_, place) => (columns & (1 << place)) !== 0).map((name) => `${name} = ?`);
  return `UPDATE transfers SET ${set.join(', ')} WHERE seq = ?`;
}

/** In the order of FIXED. */
export function fixedValues(row: SealedRow, priorReceiptSeq: number | null): SQLInputValue[] {
  const { id, ruleName, source, createdAtMs } = row;
  return [id, ruleName, source.bucket, source.key, createdAtMs, priorReceiptSeq];
}

/** In the order of CHANGING. The lane is kept beside the row, for the index of those who wait. */
export function changingValues(row: SealedRow, lane: Lane): SQLInputValue[] {
  return [
    row.target.bucket,
    row.target.key,
    row.status,
    row.attemptCount,
    row.isOwed ? 1 : 0,
    row.isSettling ? 1 : 0,
    row.leaseToken,
    row.wakeAtMs,
    row.changeAtMs,
    row.sizeHintBytes,
    lane,
    row.priority,
    row.followUp?.id ?? null,
    row.followUp?.changeAtMs ?? null,
    row.followUp?.sizeHintBytes ?? null,
    row.followUp?.priority ?? null,
    row.followUp?.createdAtMs ?? null,
    row.sizeBytes,
    row.bytesDone,
    row.checkpoint,
    row.outcome,
    row.fault?.code ?? null,
    row.fault === null ? null : JSON.stringify(row.fault),
    row.receipt === null ? null : JSON.stringify(row.receipt),
    row.updatedAtMs,
    row.finishedAtMs,
  ];
}

/** A statement that selects `ALL_COLUMNS`, and reads them. */
export interface RowStatement {
  get(...values: SQLInputValue[]): StoredRow | null;
  all(...values: SQLInputValue[]): StoredRow[];
}

/** Prepares it. Columns come by position: as properties of an object they cost more than the query itself. */
export function prepareRows(database: DatabaseSync, sql: string): RowStatement {
  const statement = database.prepare(sql);
  statement.setReturnArrays(true);
  return {
    get: (...values) => {
      const found = statement.get(...values) as unknown as Values | undefined;
      return found === undefined ? null : toRow(found);
    },
    all: (...values) => (statement.all(...values) as unknown as Values[]).map(toRow),
  };
}

type Values = readonly SQLOutputValue[];

type Place = { readonly [Name in (typeof COLUMNS)[number]]: number };
const PLACE = Object.fromEntries(COLUMNS.map((name, place) => [name, place])) as unknown as Place;

/** The row of these values. Throws where they are not what this program writes. */
function toRow(values: Values): StoredRow {
  const checkpoint = values[PLACE.checkpoint];
  return {
    seq: integerAt(values, 'seq'),
    lane: textAt(values, 'lane') as Lane,
    priorReceiptSeq: integerOrNullAt(values, 'prior_receipt_seq'),
    id: textAt(values, 'id'),
    ruleName: textAt(values, 'rule_name'),
    source: { bucket: textAt(values, 'source_bucket'), key: textAt(values, 'source_key') },
    target: { bucket: textAt(values, 'target_bucket'), key: textAt(values, 'target_key') },
    // The schema allows nothing but statuses, lanes and priorities here, and only this program writes outcomes.
    status: textAt(values, 'status') as TransferStatus,
    attemptCount: integerAt(values, 'attempt_count'),
    isOwed: values[PLACE.owed] === 1,
    isSettling: values[PLACE.is_settling] === 1,
    leaseToken: integerAt(values, 'lease_token'),
    wakeAtMs: integerOrNullAt(values, 'wake_at'),
    changeAtMs: integerAt(values, 'change_at'),
    sizeHintBytes: integerOrNullAt(values, 'size_hint'),
    priority: textAt(values, 'priority') as Priority,
    followUp: toFollowUp(values),
    sizeBytes: integerOrNullAt(values, 'size_bytes'),
    bytesDone: integerAt(values, 'bytes_done'),
    checkpoint: checkpoint instanceof Uint8Array ? checkpoint : null,
    outcome: textOrNullAt(values, 'outcome') as Outcome | null,
    fault: parseStoredFault(textOrNullAt(values, 'fault')),
    receipt: parseReceipt(textOrNullAt(values, 'receipt')),
    createdAtMs: integerAt(values, 'created_at'),
    updatedAtMs: integerAt(values, 'updated_at'),
    finishedAtMs: integerOrNullAt(values, 'finished_at'),
  };
}

/** A stored receipt; null where there is none. */
export function parseReceipt(json: string | null): Receipt | null {
  return json === null ? null : (JSON.parse(json) as Receipt);
}

/** A whole number. Throws for anything else. */
export function integer(columns: Columns, name: string): number {
  const value = columns[name];
  if (typeof value !== 'number') throw new Error(`Column ${name} of the queue database holds no number`);
  return value;
}

/** A text. Throws for anything else. */
export function text(columns: Columns, name: string): string {
  const value = columns[name];
  if (typeof value !== 'string') throw new Error(`Column ${name} of the queue database holds no text`);
  return value;
}

function integerAt(values: Values, name: keyof Place): number {
  const value = values[PLACE[name]];
  if (typeof value !== 'number') throw new Error(`Column ${name} of the queue database holds no number`);
  return value;
}

function integerOrNullAt(values: Values, name: keyof Place): number | null {
  return values[PLACE[name]] === null ? null : integerAt(values, name);
}

function textAt(values: Values, name: keyof Place): string {
  const value = values[PLACE[name]];
  if (typeof value !== 'string') throw new Error(`Column ${name} of the queue database holds no text`);
  return value;
}

function textOrNullAt(values: Values, name: keyof Place): string | null {
  return values[PLACE[name]] === null ? null : textAt(values, name);
}

function toFollowUp(values: Values): FollowUp | null {
  const id = textOrNullAt(values, 'dirty_id');
  if (id === null) return null;
  return {
    id,
    changeAtMs: integerAt(values, 'dirty_change_at'),
    sizeHintBytes: integerOrNullAt(values, 'dirty_size_hint'),
    priority: textAt(values, 'dirty_priority') as Priority,
    createdAtMs: integerAt(values, 'dirty_created_at'),
  };
}
