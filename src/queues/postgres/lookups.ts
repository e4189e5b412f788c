// How rows are found and locked. Every statement here is answered from an index, whatever the length of the queue and
// of the history: query-plans.test.ts shows it.
import type { ClaimRoom } from '../../core/transfer-queue.ts';
import { lanesWithRoom } from '../claim-turns.ts';
import type { Statement } from './database.ts';
import { HISTORY_COLUMNS, LIVE_COLUMNS, type Place, placesJson } from './rows.ts';

const T_COLUMNS = LIVE_COLUMNS.split(', ')
  .map((name) => `t.${name}`)
  .join(', ');
const PLACES = 'json_to_recordset($1::json) AS k(source_bucket text, source_key text, rule_name text)';
const AT_PLACE =
  't.source_bucket = k.source_bucket AND t.source_key = k.source_key AND t.rule_name = k.rule_name';

/** Rows are always locked in the order of their places, so that two transactions never wait for each other in a ring. */
const LOCK_IN_ORDER = 'ORDER BY t.seq FOR UPDATE OF t';

/**
 * The newest row of history of a place, as a condition that only the index by key answers in its order: with plain
 * equality, an index by rule alone would do as well, and walk through all of the rule.
 */
const NEWEST_AT = (place: string): string =>
  `WHERE h.source_bucket = ${place}.source_bucket ` +
  `AND (h.source_key, h.rule_name) >= (${place}.source_key, ${place}.rule_name) ` +
  `AND (h.source_key, h.rule_name) <= (${place}.source_key, ${place}.rule_name) ` +
  'ORDER BY h.source_key DESC, h.rule_name DESC, h.seq DESC LIMIT 1';

const WAITING = "status IN ('queued', 'settling')";
const NOW = '(SELECT now_ms FROM moment)';

/**
 * So many milliseconds before now by the clock of the server, which wrote the times: a process whose own clock is wrong
 * must not find everything old.
 */
export const LONG_AGO = '(SELECT replicator_now_ms()) - $1::bigint';

/** Expired leases of one claim; more are left to the next one. */
const EXPIRED_AT_ONCE = 1000;

function dueRows(lane: 'small' | 'large', priority: 'live' | 'background', limit: string): string {
  return (
    `(SELECT ${LIVE_COLUMNS} FROM replicator_transfers WHERE ${WAITING} AND lane = '${lane}' ` +
    `AND priority = '${priority}' AND wake_at <= ${NOW} ORDER BY wake_at, seq LIMIT ${limit} FOR UPDATE SKIP LOCKED)`
  );
}

/** What src/queues/claim-turns.ts may ask for: all live rows, and background rows for the rest and for their turns. */
function laneRows(lane: 'small' | 'large', limit: string): string {
  return (
    `${lane}_live AS MATERIALIZED ${dueRows(lane, 'live', limit)}, ` +
    `${lane}_background AS MATERIALIZED ${dueRows(
      lane,
      'background',
      `least(${limit}, ${limit} - (SELECT count(*) FROM ${lane}_live) + (${limit} + 7) / 8)`,
    )}`
  );
}

const SMALL_ROOM = '(SELECT room FROM small_room)';

/**
 * Takes room in all and for the large lane. Rows that another claim has locked are passed over. The receipt of an
 * earlier transfer of the same rule and key comes with each row: its newest one in the history knows where it is.
 */
const CLAIM =
  'WITH moment AS MATERIALIZED (SELECT replicator_now_ms() AS now_ms), ' +
  `expired AS MATERIALIZED (SELECT ${LIVE_COLUMNS} FROM replicator_transfers WHERE status = 'copying' ` +
  `AND wake_at <= ${NOW} ORDER BY wake_at, seq LIMIT ${EXPIRED_AT_ONCE} FOR UPDATE SKIP LOCKED), ` +
  `${laneRows('large', 'least($2::bigint, $1::bigint)')}, ` +
  'small_room AS MATERIALIZED (SELECT $1::bigint - least($2::bigint, $1::bigint, (SELECT count(*) FROM large_live) + ' +
  '(SELECT count(*) FROM large_background)) AS room), ' +
  `${laneRows('small', SMALL_ROOM)}, ` +
  'found AS (SELECT * FROM expired UNION ALL SELECT * FROM large_live UNION ALL SELECT * FROM large_background ' +
  'UNION ALL SELECT * FROM small_live UNION ALL SELECT * FROM small_background) ' +
  `SELECT ${LIVE_COLUMNS.split(', ')
    .map((name) => (name === 'prior_receipt_seq' ? 'newest.proof_seq AS prior_receipt_seq' : `t.${name}`))
    .join(
      ', ',
    )}, (SELECT receipt FROM replicator_history WHERE seq = newest.proof_seq) AS prior_receipt FROM found AS t ` +
  'LEFT JOIN LATERAL (SELECT CASE WHEN h.receipt IS NULL THEN h.prior_receipt_seq ELSE h.seq END AS proof_seq ' +
  `FROM replicator_history AS h ${NEWEST_AT('t')}) AS newest ON true`;

const NEXT_DUE = (lane: string, priority: string): string =>
  `(SELECT wake_at FROM replicator_transfers WHERE ${WAITING} AND lane = '${lane}' AND priority = '${priority}' ` +
  'ORDER BY wake_at, seq LIMIT 1)';

/** The texts by name; those with parameters are filled in below. */
export const LOOKUPS = {
  lockByIds: `SELECT ${T_COLUMNS} FROM replicator_transfers AS t WHERE t.id = ANY($1::uuid[]) ${LOCK_IN_ORDER}`,
  lockBySeqs: `SELECT ${T_COLUMNS} FROM replicator_transfers AS t WHERE t.seq = ANY($1::bigint[]) ${LOCK_IN_ORDER}`,
  lockByPlaces: `SELECT ${T_COLUMNS} FROM ${PLACES} JOIN replicator_transfers AS t ON ${AT_PLACE} ${LOCK_IN_ORDER}`,
  lockStaleUploads:
    `SELECT ${LIVE_COLUMNS} FROM replicator_transfers WHERE checkpoint IS NOT NULL AND status <> 'copying' ` +
    `AND updated_at < ${LONG_AGO} ORDER BY updated_at, seq LIMIT $2::bigint FOR UPDATE SKIP LOCKED`,
  claim: CLAIM,
  byId:
    `SELECT ${LIVE_COLUMNS} FROM replicator_transfers WHERE id = $1::uuid UNION ALL ` +
    `SELECT ${HISTORY_COLUMNS} FROM replicator_history WHERE id = $1::uuid UNION ALL ` +
    `SELECT ${LIVE_COLUMNS} FROM replicator_transfers WHERE dirty_id = $1::uuid`,
  knownDeliveries: 'SELECT id FROM replicator_deliveries WHERE id = ANY($1::text[])',
  newestInHistory:
    `SELECT newest.* FROM ${PLACES}, LATERAL (SELECT ${HISTORY_COLUMNS} FROM replicator_history AS h ` +
    `${NEWEST_AT('k')}) AS newest`,
  nextWake:
    'SELECT replicator_now_ms() AS now_ms, least(' +
    "(SELECT wake_at FROM replicator_transfers WHERE status = 'copying' ORDER BY wake_at, seq LIMIT 1), " +
    `CASE WHEN $1::boolean THEN least(${NEXT_DUE('small', 'live')}, ${NEXT_DUE('small', 'background')}) END, ` +
    `CASE WHEN $2::boolean THEN least(${NEXT_DUE('large', 'live')}, ${NEXT_DUE('large', 'background')}) END) AS wake_at`,
  parkedAfter:
    'SELECT seq, fault_code, rule_name, source_bucket, source_key FROM replicator_transfers ' +
    "WHERE status = 'parked' AND seq > $1::bigint ORDER BY seq LIMIT $2::bigint",
  endedSince:
    '(SELECT id FROM replicator_history WHERE finished_at >= (SELECT replicator_now_ms()) - $1::bigint ' +
    'ORDER BY finished_at DESC, seq DESC LIMIT 20000) UNION ALL ' +
    "(SELECT id FROM replicator_transfers WHERE status = 'parked' ORDER BY seq DESC LIMIT 5000)",
  prune:
    'WITH gone AS (DELETE FROM replicator_history WHERE seq = ANY(ARRAY(SELECT seq FROM replicator_history ' +
    `WHERE finished_at < ${LONG_AGO} ORDER BY finished_at, seq LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) RETURNING 1) ` +
    'SELECT count(*) AS removed FROM gone',
  forgetDeliveries:
    'WITH gone AS (DELETE FROM replicator_deliveries WHERE id = ANY(ARRAY(SELECT id FROM replicator_deliveries ' +
    `WHERE taken_at < ${LONG_AGO} ORDER BY taken_at, id LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) RETURNING 1) ` +
    'SELECT count(*) AS removed FROM gone',
} as const;

/** A statement of the table above with its values. */
export function lookup(name: keyof typeof LOOKUPS, ...values: readonly unknown[]): Statement {
  return { name, text: LOOKUPS[name], values };
}

/** Live rows of these places, locked. */
export function lockPlaces(places: Iterable<Place>): Statement {
  return lookup('lockByPlaces', placesJson(places));
}

/** When the first row that there is room for is due. */
export function nextWake(room: ClaimRoom): Statement {
  const lanes = lanesWithRoom(room);
  return lookup('nextWake', lanes.includes('small'), lanes.includes('large'));
}
