// A transfer row as the database keeps it: the list of columns, and the way in and out.
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
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

export const ALL_COLUMNS = ['seq', ...FIXED, ...CHANGING].join(', ');

/** Takes `fixedValues` and `changingValues`. */
export const INSERT_ROW =
  `INSERT INTO transfers (${[...FIXED, ...CHANGING].join(', ')}) ` +
  `VALUES (${[...FIXED, ...CHANGING].map(() => '?').join(', ')})`;

/** The columns in which two rows differ, and their new values. */
export function changesBetween(
  before: readonly SQLInputValue[],
  after: readonly SQLInputValue[],
): { readonly names: readonly string[]; readonly values: SQLInputValue[] } {
  const places = CHANGING.flatMap((_, place) => (before[place] === after[place] ? [] : [place]));
  return {
    names: places.flatMap((place) => CHANGING[place] ?? []),
    values: places.map((place) => after[place] ?? null),
  };
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

/** The row in these columns. Throws where they are not what this program writes. */
export function toRow(columns: Columns): StoredRow {
  const { checkpoint } = columns;
  return {
    seq: integer(columns, 'seq'),
    lane: text(columns, 'lane') as Lane,
    priorReceiptSeq: integerOrNull(columns, 'prior_receipt_seq'),
    id: text(columns, 'id'),
    ruleName: text(columns, 'rule_name'),
    source: { bucket: text(columns, 'source_bucket'), key: text(columns, 'source_key') },
    target: { bucket: text(columns, 'target_bucket'), key: text(columns, 'target_key') },
    // The schema allows nothing but statuses, lanes and priorities here, and only this program writes outcomes.
    status: text(columns, 'status') as TransferStatus,
    attemptCount: integer(columns, 'attempt_count'),
    isOwed: integer(columns, 'owed') === 1,
    isSettling: integer(columns, 'is_settling') === 1,
    leaseToken: integer(columns, 'lease_token'),
    wakeAtMs: integerOrNull(columns, 'wake_at'),
    changeAtMs: integer(columns, 'change_at'),
    sizeHintBytes: integerOrNull(columns, 'size_hint'),
    priority: text(columns, 'priority') as Priority,
    followUp: toFollowUp(columns),
    sizeBytes: integerOrNull(columns, 'size_bytes'),
    bytesDone: integer(columns, 'bytes_done'),
    checkpoint: checkpoint instanceof Uint8Array ? checkpoint : null,
    outcome: textOrNull(columns, 'outcome') as Outcome | null,
    fault: parseStoredFault(textOrNull(columns, 'fault')),
    receipt: toReceipt(columns),
    createdAtMs: integer(columns, 'created_at'),
    updatedAtMs: integer(columns, 'updated_at'),
    finishedAtMs: integerOrNull(columns, 'finished_at'),
  };
}

/** The receipt among these columns; null where there is none. */
export function toReceipt(columns: Columns): Receipt | null {
  const json = textOrNull(columns, 'receipt');
  return json === null ? null : (JSON.parse(json) as Receipt);
}

/** A whole number. Throws for anything else. */
export function integer(columns: Columns, name: string): number {
  const value = columns[name];
  if (typeof value !== 'number') throw new Error(`Column ${name} of the queue database holds no number`);
  return value;
}

/** A whole number or null. */
function integerOrNull(columns: Columns, name: string): number | null {
  return columns[name] === null ? null : integer(columns, name);
}

/** A text. Throws for anything else. */
export function text(columns: Columns, name: string): string {
  const value = columns[name];
  if (typeof value !== 'string') throw new Error(`Column ${name} of the queue database holds no text`);
  return value;
}

function textOrNull(columns: Columns, name: string): string | null {
  return columns[name] === null ? null : text(columns, name);
}

function toFollowUp(columns: Columns): FollowUp | null {
  const id = textOrNull(columns, 'dirty_id');
  if (id === null) return null;
  return {
    id,
    changeAtMs: integer(columns, 'dirty_change_at'),
    sizeHintBytes: integerOrNull(columns, 'dirty_size_hint'),
    priority: text(columns, 'dirty_priority') as Priority,
    createdAtMs: integer(columns, 'dirty_created_at'),
  };
}
