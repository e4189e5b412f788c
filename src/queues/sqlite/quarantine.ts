// The records that could not be understood, as they are kept in the database: word by word, shown by their beginning.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { MalformedRecord } from '../../core/change.ts';
import { QUARANTINE_PREVIEW_BYTES, type QuarantinedRecord } from '../../core/transfer-queue.ts';
import { checkLimit, cursorAfter, positionOf } from '../page-cursor.ts';
import { previewOf } from '../quarantine-preview.ts';
import { type Columns, FIRST_POSITION, integer, text } from './rows.ts';

export class Quarantine {
  readonly #keep: StatementSync;
  readonly #page: StatementSync;
  readonly #one: StatementSync;
  readonly #prune: StatementSync;
  readonly #forget: StatementSync;
  #count: number;

  constructor(database: DatabaseSync) {
    this.#keep = database.prepare(
      'INSERT INTO quarantine (id, reason, raw, received_at) VALUES (?, ?, ?, ?)',
    );
    // As bytes: the text functions of SQLite stop at a NUL.
    const shown = (raw: string): string =>
      `SELECT seq, id, reason, ${raw} AS raw, length(CAST(raw AS BLOB)) AS raw_bytes, received_at FROM quarantine`;
    const beginning = `substr(CAST(raw AS BLOB), 1, ${QUARANTINE_PREVIEW_BYTES + 1})`;
    this.#page = database.prepare(`${shown(beginning)} WHERE seq < ? ORDER BY seq DESC LIMIT ?`);
    this.#one = database.prepare(`${shown('CAST(raw AS BLOB)')} WHERE id = ?`);
    this.#forget = database.prepare(
      'DELETE FROM quarantine WHERE seq = (SELECT max(seq) FROM quarantine) AND id = ?',
    );
    this.#prune = database.prepare(
      'DELETE FROM quarantine WHERE seq IN (SELECT seq FROM quarantine WHERE received_at < ? ORDER BY seq LIMIT ?)',
    );
    this.#count = integer(database.prepare('SELECT count(*) AS rows FROM quarantine').get() ?? {}, 'rows');
  }

  /** Records that are kept; what is written by an unfinished transaction is told by `noted`. */
  get count(): number {
    return this.#count;
  }

  /** To be called once what was kept or pruned is committed. */
  noted(change: number): void {
    this.#count += change;
  }

  /** Inside a transaction. */
  keep(id: string, { reason, raw }: MalformedRecord, receivedAtMs: number): void {
    this.#keep.run(id, reason, raw, receivedAtMs);
  }

  /** Inside a transaction: a write that leaves nothing behind. */
  probe(id: string): void {
    this.#keep.run(id, 'probe', '', 0);
    this.#forget.run(id);
  }

  /** Inside a transaction; returns how many records were removed. */
  prune(beforeMs: number, limit: number): number {
    return Number(this.#prune.run(beforeMs, limit).changes);
  }

  /** One page, newest first. Throws a RangeError for an unknown cursor or limit. */
  list({ cursor, limit }: { readonly cursor: string | null; readonly limit: number }): {
    readonly records: readonly QuarantinedRecord[];
    readonly nextCursor: string | null;
  } {
    checkLimit(limit);
    const found = this.#page.all(positionOf(cursor) ?? FIRST_POSITION, limit + 1);
    const page = found.slice(0, limit);
    const last = page.at(-1);
    const isLast = last === undefined || found.length <= limit;
    return {
      records: page.map((row) => toRecord(row, previewOf)),
      nextCursor: isLast ? null : cursorAfter(integer(last, 'seq')),
    };
  }

  /** The whole record; null where the id is unknown. The table is small: it is searched without an index. */
  get(id: string): QuarantinedRecord | null {
    const found = this.#one.get(id);
    return found === undefined ? null : toRecord(found, (raw) => Buffer.from(raw).toString('utf8'));
  }
}

function toRecord(columns: Columns, read: (raw: Uint8Array) => string): QuarantinedRecord {
  const raw = columns['raw'];
  if (!(raw instanceof Uint8Array)) throw new TypeError('A quarantined record is not bytes');
  return {
    id: text(columns, 'id'),
    reason: text(columns, 'reason'),
    raw: read(raw),
    rawBytes: integer(columns, 'raw_bytes'),
    receivedAtMs: integer(columns, 'received_at'),
  };
}
