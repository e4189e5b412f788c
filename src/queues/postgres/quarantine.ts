// The records that could not be understood, as they are kept in the database: word by word, shown by their beginning.
import { QUARANTINE_PREVIEW_BYTES, type QuarantinedRecord } from '../../core/transfer-queue.ts';
import { checkLimit, cursorAfter, positionOf } from '../page-cursor.ts';
import { previewOf } from '../quarantine-preview.ts';
import type { Database } from './database.ts';
import { LONG_AGO } from './lookups.ts';
import { type Columns, integer, text } from './rows.ts';
import { fromStored } from './stored-text.ts';

const PATIENCE_MS = 5_000;
const FIRST_POSITION = Number.MAX_SAFE_INTEGER;

const shown = (raw: string): string =>
  `SELECT seq, id, reason, ${raw} AS raw, length(raw)::bigint AS raw_bytes, received_at FROM replicator_quarantine`;
export const QUARANTINE_PAGE = `${shown(`substring(raw FROM 1 FOR ${QUARANTINE_PREVIEW_BYTES + 1})`)} WHERE seq < $1::bigint ORDER BY seq DESC LIMIT $2::bigint`;
const ONE = `${shown('raw')} WHERE id = $1::uuid`;

/** In one statement with the count, which then is never wrong. */
export const PRUNE_QUARANTINE =
  `WITH old AS MATERIALIZED (SELECT seq FROM replicator_quarantine WHERE received_at < ${LONG_AGO} ` +
  'ORDER BY received_at, seq LIMIT $2::bigint FOR UPDATE SKIP LOCKED), ' +
  'gone AS (DELETE FROM replicator_quarantine WHERE seq = ANY(ARRAY(SELECT seq FROM old)) RETURNING 1), ' +
  'noted AS (INSERT INTO replicator_tallies (queued, copying, settling, parked, quarantined) ' +
  'SELECT 0, 0, 0, 0, -count(*) FROM gone HAVING count(*) > 0) SELECT count(*) AS removed FROM gone';

/** One page, newest first. Throws a RangeError for an unknown cursor or limit. */
export async function listQuarantine(
  database: Pick<Database, 'ask'>,
  { cursor, limit }: { readonly cursor: string | null; readonly limit: number },
): Promise<{ readonly records: readonly QuarantinedRecord[]; readonly nextCursor: string | null }> {
  checkLimit(limit);
  const position = positionOf(cursor) ?? FIRST_POSITION;
  const found = await database.ask(
    { name: 'quarantine-page', text: QUARANTINE_PAGE, values: [position, limit + 1] },
    PATIENCE_MS,
  );
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const isLast = last === undefined || found.length <= limit;
  return {
    records: page.map((columns) => toRecord(columns, previewOf)),
    nextCursor: isLast ? null : cursorAfter(integer(last, 'seq')),
  };
}

/** The whole record; null where the id is unknown. */
export async function getQuarantined(
  database: Pick<Database, 'ask'>,
  id: string,
): Promise<QuarantinedRecord | null> {
  const [found] = await database.ask({ name: 'quarantined', text: ONE, values: [id] }, PATIENCE_MS);
  return found === undefined ? null : toRecord(found, (raw) => Buffer.from(raw).toString('utf8'));
}

function toRecord(columns: Columns, read: (raw: Uint8Array) => string): QuarantinedRecord {
  const raw = columns['raw'];
  if (!(raw instanceof Uint8Array)) throw new TypeError('A quarantined record is not bytes');
  return {
    id: text(columns, 'id'),
    reason: fromStored(text(columns, 'reason')),
    raw: read(raw),
    rawBytes: integer(columns, 'raw_bytes'),
    receivedAtMs: integer(columns, 'received_at'),
  };
}
