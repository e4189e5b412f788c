// A transfer row as PostgreSQL keeps it: the columns of the two tables, and the way in and out. Rows travel to the
// server as JSON, many in one parameter.
import type { Outcome, Receipt, TransferStatus } from '../../core/transfer.ts';
import type { Lane, Priority } from '../../core/transfer-queue.ts';
import type { SealedRow } from '../row-table.ts';
import { parseStoredFault } from '../stored-fault.ts';
import { fromStored, toStored } from './stored-text.ts';

/** A row with its place: `seq` is null for one that this transaction adds. */
export type PostgresRow = SealedRow & {
  readonly seq: number | null;
  readonly lane: Lane;
  /** Where the newest earlier receipt of the rule and key is; null where there is none, or nobody looked. */
  readonly priorReceiptSeq: number | null;
  /** That receipt, where the row was read by a claim. */
  readonly priorReceipt: Receipt | null;
};

/** A row as `pg` gives it, whole numbers as numbers. */
export type Columns = Readonly<Record<string, unknown>>;

/** Names and types of both tables. */
const SHARED = {
  seq: 'bigint',
  id: 'uuid',
  rule_name: 'text',
  source_bucket: 'text',
  source_key: 'text',
  target_bucket: 'text',
  target_key: 'text',
  created_at: 'bigint',
  attempt_count: 'bigint',
  change_at: 'bigint',
  size_hint: 'bigint',
  size_bytes: 'bigint',
  bytes_done: 'bigint',
  outcome: 'text',
  receipt: 'text',
  prior_receipt_seq: 'bigint',
} as const;

const LIVE = {
  ...SHARED,
  status: 'text',
  owed: 'boolean',
  is_settling: 'boolean',
  lease_token: 'bigint',
  wake_at: 'bigint',
  lane: 'text',
  priority: 'text',
  dirty_id: 'uuid',
  dirty_change_at: 'bigint',
  dirty_size_hint: 'bigint',
  dirty_priority: 'text',
  dirty_created_at: 'bigint',
  // Hexadecimal on its way, bytes in the table.
  checkpoint: 'text',
  fault_code: 'text',
  fault: 'text',
  updated_at: 'bigint',
} as const;

const HISTORY = { ...SHARED, finished_at: 'bigint' } as const;

/** What a history row says in the columns that it does not have. */
const AT_REST: Record<Exclude<keyof typeof LIVE, keyof typeof SHARED>, string> = {
  status: "'done'",
  owed: 'false',
  is_settling: 'false',
  lease_token: '0::bigint',
  wake_at: 'NULL::bigint',
  lane: "'small'",
  priority: "'live'",
  dirty_id: 'NULL::uuid',
  dirty_change_at: 'NULL::bigint',
  dirty_size_hint: 'NULL::bigint',
  dirty_priority: 'NULL::text',
  dirty_created_at: 'NULL::bigint',
  checkpoint: 'NULL::bytea',
  fault_code: 'NULL::text',
  fault: 'NULL::text',
  updated_at: 'finished_at',
};

const LIVE_NAMES = Object.keys(LIVE);

/** The columns of a row, read from each of the tables in the same order. */
export const LIVE_COLUMNS = LIVE_NAMES.join(', ');
export const HISTORY_COLUMNS = LIVE_NAMES.map((name) => {
  const said = (AT_REST as Readonly<Record<string, string>>)[name];
  return said === undefined ? name : `${said} AS ${name}`;
}).join(', ');

const LIVE_RECORD = recordOf(LIVE);
const HISTORY_RECORD = recordOf(HISTORY);
/** Written once; the rest may change. */
const FIXED = new Set(['seq', 'id', 'rule_name', 'source_bucket', 'source_key', 'created_at']);
const CHANGING = LIVE_NAMES.filter((name) => !FIXED.has(name));
const valueOf = (name: string): string => (name === 'checkpoint' ? `decode(r.${name}, 'hex')` : `r.${name}`);

/**
 * Each takes rows as one JSON text. New rows get their places in the order of the text, and are added in the order of
 * their keys: two processes that add the same ones then wait for each other in one direction only.
 */
export const WRITES = {
  updateLive:
    `UPDATE replicator_transfers AS t SET (${CHANGING.join(', ')}) = ROW(${CHANGING.map(valueOf).join(', ')}) ` +
    `FROM json_to_recordset($1::json) AS r(${LIVE_RECORD}) WHERE t.seq = r.seq`,
  insertLive:
    `WITH numbered AS MATERIALIZED (SELECT r.*, nextval('replicator_transfer_seq') AS place ` +
    `FROM json_to_recordset($1::json) AS r(${LIVE_RECORD})) ` +
    `INSERT INTO replicator_transfers (${LIVE_COLUMNS}) ` +
    `SELECT ${LIVE_NAMES.map((name) => (name === 'seq' ? 'r.place' : valueOf(name))).join(', ')} FROM numbered AS r ` +
    `ORDER BY r.source_bucket COLLATE "C", r.source_key COLLATE "C", r.rule_name COLLATE "C"`,
  insertHistory:
    `INSERT INTO replicator_history (${Object.keys(HISTORY).join(', ')}) ` +
    `SELECT ${Object.keys(HISTORY)
      .map((name) => `r.${name}`)
      .join(', ')} ` +
    `FROM json_to_recordset($1::json) AS r(${HISTORY_RECORD})`,
} as const;

function recordOf(columns: Readonly<Record<string, string>>): string {
  return Object.entries(columns)
    .map(([name, type]) => `${name} ${type}`)
    .join(', ');
}

/** Names only: what tells one object of one rule from all others. */
export interface Place {
  readonly ruleName: string;
  readonly source: { readonly bucket: string; readonly key: string };
}

/** The same in one text. */
export function placeName({ ruleName, source }: Place): string {
  return JSON.stringify([source.bucket, source.key, ruleName]);
}

/** Places as the JSON that the lookups by key take. */
export function placesJson(places: Iterable<Place>): string {
  const rows = Array.from(places, ({ ruleName, source }) => ({
    source_bucket: toStored(source.bucket),
    source_key: toStored(source.key),
    rule_name: toStored(ruleName),
  }));
  return JSON.stringify(rows);
}

/** A row as `json_to_recordset` reads it, for either table. */
export function toJson(row: PostgresRow): unknown {
  const { source, target, followUp, fault, receipt } = row;
  return {
    seq: row.seq,
    id: row.id,
    rule_name: toStored(row.ruleName),
    source_bucket: toStored(source.bucket),
    source_key: toStored(source.key),
    target_bucket: toStored(target.bucket),
    target_key: toStored(target.key),
    created_at: row.createdAtMs,
    attempt_count: row.attemptCount,
    change_at: row.changeAtMs,
    size_hint: row.sizeHintBytes,
    size_bytes: row.sizeBytes,
    bytes_done: row.bytesDone,
    outcome: row.outcome,
    receipt: receipt === null ? null : JSON.stringify(receipt),
    prior_receipt_seq: row.priorReceiptSeq,
    status: row.status,
    owed: row.isOwed,
    is_settling: row.isSettling,
    lease_token: row.leaseToken,
    wake_at: row.wakeAtMs,
    lane: row.lane,
    priority: row.priority,
    dirty_id: followUp?.id,
    dirty_change_at: followUp?.changeAtMs,
    dirty_size_hint: followUp?.sizeHintBytes,
    dirty_priority: followUp?.priority,
    dirty_created_at: followUp?.createdAtMs,
    checkpoint: row.checkpoint === null ? null : Buffer.from(row.checkpoint).toString('hex'),
    fault_code: fault?.code,
    fault: fault === null ? null : JSON.stringify(fault),
    updated_at: row.updatedAtMs,
    finished_at: row.finishedAtMs,
  };
}

/** The row in these columns. Throws where they are not what this program writes. */
export function toRow(columns: Columns): PostgresRow {
  const { checkpoint } = columns;
  const status = text(columns, 'status') as TransferStatus;
  const dirtyId = textOrNull(columns, 'dirty_id');
  const updatedAtMs = integer(columns, 'updated_at');
  return {
    seq: integer(columns, 'seq'),
    lane: text(columns, 'lane') as Lane,
    priorReceiptSeq: integerOrNull(columns, 'prior_receipt_seq'),
    priorReceipt: toReceipt(textOrNull(columns, 'prior_receipt')),
    id: text(columns, 'id'),
    ruleName: fromStored(text(columns, 'rule_name')),
    source: {
      bucket: fromStored(text(columns, 'source_bucket')),
      key: fromStored(text(columns, 'source_key')),
    },
    target: {
      bucket: fromStored(text(columns, 'target_bucket')),
      key: fromStored(text(columns, 'target_key')),
    },
    // The schema allows nothing but statuses, lanes and priorities here, and only this program writes outcomes.
    status,
    attemptCount: integer(columns, 'attempt_count'),
    isOwed: columns['owed'] === true,
    isSettling: columns['is_settling'] === true,
    leaseToken: integer(columns, 'lease_token'),
    wakeAtMs: integerOrNull(columns, 'wake_at'),
    changeAtMs: integer(columns, 'change_at'),
    sizeHintBytes: integerOrNull(columns, 'size_hint'),
    priority: text(columns, 'priority') as Priority,
    followUp:
      dirtyId === null
        ? null
        : {
            id: dirtyId,
            changeAtMs: integer(columns, 'dirty_change_at'),
            sizeHintBytes: integerOrNull(columns, 'dirty_size_hint'),
            priority: text(columns, 'dirty_priority') as Priority,
            createdAtMs: integer(columns, 'dirty_created_at'),
          },
    sizeBytes: integerOrNull(columns, 'size_bytes'),
    bytesDone: integer(columns, 'bytes_done'),
    checkpoint: checkpoint instanceof Uint8Array ? checkpoint : null,
    outcome: textOrNull(columns, 'outcome') as Outcome | null,
    fault: parseStoredFault(textOrNull(columns, 'fault')),
    receipt: toReceipt(textOrNull(columns, 'receipt')),
    createdAtMs: integer(columns, 'created_at'),
    updatedAtMs,
    finishedAtMs: status === 'done' ? updatedAtMs : null,
  };
}

function toReceipt(json: string | null): Receipt | null {
  return json === null ? null : (JSON.parse(json) as Receipt);
}

/** A whole number. Throws for anything else. */
export function integer(columns: Columns, name: string): number {
  const value = columns[name];
  if (typeof value !== 'number') throw new Error(`Column ${name} of the queue database holds no number`);
  return value;
}

/** A whole number or null. */
export function integerOrNull(columns: Columns, name: string): number | null {
  return columns[name] === null ? null : integer(columns, name);
}

/** A text. Throws for anything else. */
export function text(columns: Columns, name: string): string {
  const value = columns[name];
  if (typeof value !== 'string') throw new Error(`Column ${name} of the queue database holds no text`);
  return value;
}

/** A text, or null where the column is null or was not read. */
export function textOrNull(columns: Columns, name: string): string | null {
  return (columns[name] ?? null) === null ? null : text(columns, name);
}
