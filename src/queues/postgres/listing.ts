// Listings, newest first, over live rows and history together. Each table is walked along an index; whatever else the
// filter asks is tested row by row, a slice at a time, so that no page costs more than a bound.
import type { TransferFilter } from '../../core/transfer-queue.ts';
import { checkLimit, cursorAfter, positionOf } from '../page-cursor.ts';
import type { Answer, Database, Statement } from './database.ts';
import { HISTORY_COLUMNS, integerOrNull, LIVE_COLUMNS, type PostgresRow, toRow } from './rows.ts';
import { toStored } from './stored-text.ts';

/** Rows of a table examined by one statement, and for one page at most. A page may be short and still have a cursor. */
const SLICE_ROWS = 20_000;
const SLICES = 5;
const FIRST_POSITION = Number.MAX_SAFE_INTEGER;
const PATIENCE_MS = 5_000;
export const PLAN_FOR_VALUES: Statement = {
  name: 'planForValues',
  text: 'SET LOCAL plan_cache_mode = force_custom_plan',
};

interface Term {
  readonly sql: (place: string) => string;
  readonly value: unknown;
}

/** One table's part: `walked` picks the index, `tested` is asked of each row on the way. */
interface TablePlan {
  readonly walked: readonly Term[];
  readonly tested: readonly Term[];
}

/** Null for a table that has no such rows. */
interface ListingPlan {
  readonly live: TablePlan | null;
  readonly history: TablePlan | null;
}

function equals(column: string, value: unknown): Term {
  return { sql: (place) => `${column} = ${place}`, value };
}

/** Not to be found by an index: rows are walked in the order of the page, and this is asked of each. */
function askedOfEach({ sql, value }: Term): Term {
  return { sql: (place) => `coalesce(${sql(place)}, false)`, value };
}

/** The term that narrows most is walked along its index; the others are tested. */
export function planListing(filter: TransferFilter): ListingPlan {
  const { bucket, key, keyPrefix, faultCode, status, ruleName } = filter;
  const place: Term[] = [];
  if (bucket !== undefined) place.push(equals('source_bucket', toStored(bucket)));
  if (key !== undefined) place.push(equals('source_key', toStored(key)));
  const rule = ruleName === undefined ? [] : [equals('rule_name', toStored(ruleName))];
  const isStatus = status === undefined ? [] : [equals('status', status)];
  const isFault = faultCode === undefined ? [] : [equals('fault_code', faultCode)];
  const prefix: Term[] =
    keyPrefix === undefined || keyPrefix === ''
      ? []
      : [{ sql: (at) => `starts_with(source_key, ${at}::text)`, value: toStored(keyPrefix) }];
  const split = (candidates: readonly (readonly Term[])[], rest: readonly Term[]): TablePlan => {
    const walked = candidates.find((terms) => terms.length > 0) ?? [];
    const others = [...candidates.filter((terms) => terms !== walked).flat(), ...rest];
    return { walked, tested: others.map(askedOfEach) };
  };
  // Both together lead to a few rows; one alone has no index of its own.
  const isByKey = bucket !== undefined && key !== undefined;
  const byKey = isByKey ? place : [];
  const unindexed = [...(isByKey ? [] : place), ...prefix];
  return {
    live: status === 'done' ? null : split([byKey, isFault, isStatus], [...rule, ...unindexed]),
    history:
      faultCode !== undefined || (status !== undefined && status !== 'done')
        ? null
        : split([byKey, rule], unindexed),
  };
}

/** The statements of one slice. Values: the position, the number of rows, and those of the terms. */
class SliceSql {
  readonly values: unknown[];

  constructor(position: number, limit: number) {
    this.values = [position, limit];
  }

  terms(terms: readonly Term[]): string[] {
    return terms.map(({ sql, value }) => {
      this.values.push(value);
      return sql(`$${this.values.length}`);
    });
  }

  walk(table: 'transfers' | 'history', columns: string, plan: TablePlan, rest: readonly string[]): string {
    const where = ['seq < $1::bigint', ...this.terms(plan.walked), ...rest].join(' AND ');
    return `SELECT ${columns} FROM replicator_${table} WHERE ${where} ORDER BY seq DESC LIMIT $2::bigint`;
  }
}

/** Where the slice of both tables ends: below it nothing was examined. Null where everything was. */
export function boundSql(plan: ListingPlan, position: number): Statement {
  const sql = new SliceSql(position, SLICE_ROWS);
  const bounds = tablesOf(plan).map(
    ([table, part]) =>
      `(SELECT CASE WHEN count(*) = $2::bigint THEN min(seq) END FROM (${sql.walk(table, 'seq', part, [])}) AS walked)`,
  );
  const text = `SELECT greatest(${bounds.join(', ')}) AS bound`;
  return { name: nameOf(text), text, values: sql.values };
}

/** The rows of both tables that match, down to a bound. */
export function pageSql(plan: ListingPlan, position: number, bound: number | null, limit: number): Statement {
  const sql = new SliceSql(position, limit);
  sql.values.push(bound ?? 0);
  const parts = tablesOf(plan).map(([table, part]) => {
    const columns = table === 'transfers' ? LIVE_COLUMNS : HISTORY_COLUMNS;
    const walked = sql.walk(table, columns, part, ['seq >= $3::bigint', ...sql.terms(part.tested)]);
    return `(${walked})`;
  });
  const text = `SELECT * FROM (${parts.join(' UNION ALL ')}) AS found ORDER BY seq DESC LIMIT $2::bigint`;
  return { name: nameOf(text), text, values: sql.values };
}

/** The shapes of filters are few, so that each text may be kept prepared under a name of its own. */
const names = new Map<string, string>();
function nameOf(text: string): string {
  const known = names.get(text) ?? `list-${names.size}`;
  names.set(text, known);
  return known;
}

function tablesOf({ live, history }: ListingPlan): (readonly ['transfers' | 'history', TablePlan])[] {
  const tables: (readonly ['transfers' | 'history', TablePlan])[] = [];
  if (live !== null) tables.push(['transfers', live]);
  if (history !== null) tables.push(['history', history]);
  return tables;
}

/**
 * Planned for these very values, other than everything else: whether a rule or a status is rare decides which index is
 * walked.
 */
async function askPlanned(database: Pick<Database, 'transact'>, statement: Statement): Promise<Answer> {
  return database.transact(
    {
      reads: [PLAN_FOR_VALUES, statement],
      alwaysWrites: false,
      decide: ([, found = []]) => ({ writes: [], result: found }),
    },
    PATIENCE_MS,
  );
}

/** One page of rows that match `filter`. Throws a RangeError for an unknown cursor or limit. */
export async function listRows(
  database: Pick<Database, 'transact'>,
  request: { readonly filter: TransferFilter; readonly cursor: string | null; readonly limit: number },
): Promise<{ readonly rows: readonly PostgresRow[]; readonly nextCursor: string | null }> {
  const { filter, cursor, limit } = request;
  checkLimit(limit);
  let position = positionOf(cursor) ?? FIRST_POSITION;
  const plan = planListing(filter);
  if (tablesOf(plan).length === 0) return { rows: [], nextCursor: null };
  const isTested = tablesOf(plan).some(([, table]) => table.tested.length > 0);
  const rows: PostgresRow[] = [];
  for (let slice = 0; slice < SLICES; slice += 1) {
    const [found = {}] = isTested ? await askPlanned(database, boundSql(plan, position)) : [{ bound: null }];
    const bound = integerOrNull(found, 'bound');
    const wanted = limit + 1 - rows.length;
    const page = await askPlanned(database, pageSql(plan, position, bound, wanted));
    rows.push(...page.map(toRow));
    if (rows.length > limit) {
      const shown = rows.slice(0, limit);
      return { rows: shown, nextCursor: cursorAfter(shown.at(-1)?.seq ?? position) };
    }
    if (bound === null) return { rows, nextCursor: null };
    position = bound;
  }
  return { rows, nextCursor: cursorAfter(position) };
}
