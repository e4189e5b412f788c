// Listings, newest first. A filter that an index answers whole is read straight from it; whatever else it asks is
// tested row by row, a slice at a time, so that a page never blocks the process however many rows do not match.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { TransferFilter } from '../../core/transfer-queue.ts';
import { checkLimit, cursorAfter, positionOf } from '../page-cursor.ts';
import { KeptStatements } from './kept-statements.ts';
import {
  ALL_COLUMNS,
  FIRST_POSITION,
  integer,
  prepareRows,
  type RowStatement,
  type StoredRow,
} from './rows.ts';

interface PageRequest {
  readonly cursor: string | null;
  readonly limit: number;
}

/** One filter as SQL: `walked` picks the index to walk, `tested` is asked of each row on the way. */
interface ListingPlan {
  readonly walked: Terms;
  readonly tested: Terms;
}

interface Terms {
  readonly sql: readonly string[];
  readonly values: readonly SQLInputValue[];
}

/** Rows examined before the event loop gets a turn. */
const SLICE_ROWS = 5000;
/** Rows examined for one page at most. A page may then be short, or empty, and still have a cursor. */
const PAGE_ROWS = 100_000;

/** The index that narrows most comes first: one is walked, the other terms are tested. */
export function planListing(filter: TransferFilter): ListingPlan {
  const terms: { readonly sql: string; readonly values: readonly SQLInputValue[] }[] = [];
  const { bucket, key, keyPrefix, faultCode, status, ruleName } = filter;
  const byKey = bucket !== undefined && key !== undefined;
  if (byKey) terms.push({ sql: 'source_bucket = ? AND source_key = ?', values: [bucket, key] });
  if (faultCode !== undefined) terms.push({ sql: 'fault_code = ?', values: [faultCode] });
  if (status !== undefined) terms.push({ sql: 'status = ?', values: [status] });
  if (ruleName !== undefined) terms.push({ sql: 'rule_name = ?', values: [ruleName] });
  const walked = terms.slice(0, 1);
  const tested = terms.slice(1);
  if (!byKey && bucket !== undefined) tested.push({ sql: 'source_bucket = ?', values: [bucket] });
  if (!byKey && key !== undefined) tested.push({ sql: 'source_key = ?', values: [key] });
  if (keyPrefix !== undefined && keyPrefix !== '') {
    // Compared as bytes: a prefix may hold NUL, at which the text functions of SQL stop, and any wildcard.
    const prefix = Buffer.from(keyPrefix, 'utf8');
    const sql = 'substr(CAST(source_key AS BLOB), 1, ?) = ?';
    tested.push({ sql, values: [prefix.byteLength, prefix] });
  }
  const gather = (list: typeof terms): Terms => ({
    sql: list.map((term) => term.sql),
    values: list.flatMap((term) => [...term.values]),
  });
  return { walked: gather(walked), tested: gather(tested) };
}

/** The rows from a position downwards. Takes the walked values, the position, and a limit. */
export function walkSql(plan: ListingPlan, columns: string): string {
  const where = [...plan.walked.sql, 'seq < ?'].join(' AND ');
  return `SELECT ${columns} FROM transfers WHERE ${where} ORDER BY seq DESC LIMIT ?`;
}

/** Reads pages of transfers. */
export class Listing {
  readonly #settled: () => Promise<void>;
  /** By their texts: the shapes of filters are few. */
  readonly #statements: KeptStatements<string, StatementSync>;
  readonly #rows: KeptStatements<string, RowStatement>;

  /** `settled`: resolves when everything that can be read is on the disk. */
  constructor(database: DatabaseSync, settled: () => Promise<void>) {
    this.#settled = settled;
    this.#statements = new KeptStatements((sql) => database.prepare(sql));
    this.#rows = new KeptStatements((sql) => prepareRows(database, sql));
  }

  /** One page of rows that match `filter`. Throws a RangeError for an unknown cursor or limit. */
  async rows(
    filter: TransferFilter,
    { cursor, limit }: PageRequest,
  ): Promise<{ readonly rows: readonly StoredRow[]; readonly nextCursor: string | null }> {
    checkLimit(limit);
    const plan = planListing(filter);
    const rows: StoredRow[] = [];
    let position = positionOf(cursor) ?? FIRST_POSITION;
    let isAtEnd = false;
    for (let examined = 0; !isAtEnd && rows.length <= limit && examined < PAGE_ROWS; examined += SLICE_ROWS) {
      if (examined > 0) await nextTurn();
      await this.#settled();
      const slice = this.#slice(plan, position, limit + 1 - rows.length);
      rows.push(...slice.rows);
      if (slice.lastPosition === null) isAtEnd = true;
      else position = slice.lastPosition;
    }
    const page = rows.slice(0, limit);
    if (rows.length > limit) position = page.at(-1)?.seq ?? position;
    else if (isAtEnd) return { rows: page, nextCursor: null };
    return { rows: page, nextCursor: cursorAfter(position) };
  }

  /** The next rows that match, of one slice; `lastPosition` is where the next slice goes on, null at the end. */
  #slice(
    plan: ListingPlan,
    position: number,
    wanted: number,
  ): { readonly rows: readonly StoredRow[]; readonly lastPosition: number | null } {
    const { walked, tested } = plan;
    if (tested.sql.length === 0) {
      const rows = this.#rows.of(walkSql(plan, ALL_COLUMNS)).all(...walked.values, position, wanted);
      return { rows, lastPosition: rows.length < wanted ? null : (rows.at(-1)?.seq ?? null) };
    }
    const walk = walkSql(plan, 'seq');
    const bounds = this.#statements.of(`SELECT count(*) AS rows, min(seq) AS last FROM (${walk})`);
    const slice = bounds.get(...walked.values, position, SLICE_ROWS);
    if (slice === undefined || slice['last'] === null) return { rows: [], lastPosition: null };
    const lastPosition = integer(slice, 'last');
    const where = [...walked.sql, 'seq < ?', 'seq >= ?', ...tested.sql].join(' AND ');
    const select = `SELECT ${ALL_COLUMNS} FROM transfers WHERE ${where} ORDER BY seq DESC LIMIT ?`;
    const rows = this.#rows
      .of(select)
      .all(...walked.values, position, lastPosition, ...tested.values, wanted);
    return { rows, lastPosition: integer(slice, 'rows') < SLICE_ROWS ? null : lastPosition };
  }
}
