// Times that cannot be: the server's clock was set back, or another server with another clock took over. Rows that are
// due too late are pulled in; one that is due too early is only looked at early. Safe beside others at any time: no end
// of a lease, and no grace, becomes earlier than its holder knows it to be.
import type { Database } from './database.ts';
import { integer, integerOrNull } from './rows.ts';

/** Processes may differ in their grace for a while, when a setting is changed: what is a little later is not wrong. */
const GRACE_SLACK_MS = 3_600_000;
const ROWS_AT_ONCE = 5_000;

export interface QueueTimes {
  /** How long a claim holds without renewal. */
  readonly leaseMs: number;
  /** How long after an owed end the row is looked at once more. */
  readonly settleGraceMs: number;
  /** The longest delay a retry asks for: later due times, left by a wrong clock, are pulled in. */
  readonly maxRetryDelayMs: number;
}

const NOW = '(SELECT replicator_now_ms())';

const LAST_OF = (where: string): string =>
  `(SELECT wake_at FROM replicator_transfers WHERE ${where} ORDER BY wake_at DESC, seq DESC LIMIT 1)`;
const LAST_WAITING = ['small', 'large'].flatMap((lane) =>
  ['live', 'background'].map((priority) =>
    LAST_OF(`status IN ('queued', 'settling') AND lane = '${lane}' AND priority = '${priority}'`),
  ),
);

/** How far from now the last times are: one look into an index each. */
export const LAST_TIMES =
  `SELECT ${LAST_OF("status = 'copying'")} - ${NOW} AS leased_in, ` +
  `greatest(${LAST_WAITING.join(', ')}) - ${NOW} AS waiting_in`;

/** Takes the status, the longest time from now that is believed, and what takes its place. */
const PULL_IN =
  'WITH wrong AS MATERIALIZED (SELECT seq FROM replicator_transfers WHERE status = $1::text ' +
  `AND wake_at > ${NOW} + $2::bigint LIMIT ${ROWS_AT_ONCE} FOR UPDATE SKIP LOCKED), ` +
  `pulled AS (UPDATE replicator_transfers SET wake_at = ${NOW} + $3::bigint ` +
  'WHERE seq = ANY(ARRAY(SELECT seq FROM wrong)) RETURNING 1) SELECT count(*) AS pulled FROM pulled';

/** Puts all times right; resolves when none is wrong. */
export async function pullIn(
  database: Pick<Database, 'ask'>,
  times: QueueTimes,
  patienceMs: number,
): Promise<void> {
  const { leaseMs, settleGraceMs, maxRetryDelayMs } = times;
  const [last = {}] = await database.ask({ name: 'lastTimes', text: LAST_TIMES }, patienceMs);
  const leasedInMs = integerOrNull(last, 'leased_in') ?? 0;
  const waitingInMs = integerOrNull(last, 'waiting_in') ?? 0;
  const wrong: (readonly [string, number, number])[] = [];
  if (leasedInMs > leaseMs) wrong.push(['copying', leaseMs, leaseMs]);
  if (waitingInMs > maxRetryDelayMs) wrong.push(['queued', maxRetryDelayMs, maxRetryDelayMs]);
  if (waitingInMs > settleGraceMs + GRACE_SLACK_MS)
    wrong.push(['settling', settleGraceMs + GRACE_SLACK_MS, settleGraceMs]);
  for (const values of wrong) {
    for (let pulled = ROWS_AT_ONCE; pulled === ROWS_AT_ONCE;) {
      const [answer = {}] = await database.ask({ name: 'pullIn', text: PULL_IN, values }, patienceMs);
      pulled = integer(answer, 'pulled');
    }
  }
}
