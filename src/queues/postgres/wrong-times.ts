// Times that cannot be: the server's clock was set back, or another server with another clock took over. Rows that are
// due too late are pulled in; one that is due too early is only looked at early. Safe beside others at any time: no end
// of a lease, and no grace, becomes earlier than its holder knows it to be.
import type { Database, Statement } from './database.ts';
import { integer } from './rows.ts';

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

function pullInSql(where: string): string {
  return (
    `WITH wrong AS MATERIALIZED (SELECT seq FROM replicator_transfers WHERE ${where} ` +
    `AND wake_at > ${NOW} + $1::bigint ORDER BY wake_at DESC, seq DESC LIMIT ${ROWS_AT_ONCE} FOR UPDATE SKIP LOCKED), ` +
    `pulled AS (UPDATE replicator_transfers SET wake_at = ${NOW} + $2::bigint ` +
    'WHERE seq = ANY(ARRAY(SELECT seq FROM wrong)) RETURNING 1) SELECT count(*) AS pulled FROM pulled'
  );
}

/** Each takes the longest time from now that is believed, and what takes its place. */
export const PULL_IN = {
  leased: pullInSql("status = 'copying'"),
  waiting: pullInSql(
    "status IN ('queued', 'settling') AND lane = $4::text AND priority = $5::text AND coalesce(status = $3::text, false)",
  ),
} as const;

/** Puts all times right; resolves when none is wrong. */
export async function pullIn(
  database: Pick<Database, 'ask'>,
  times: QueueTimes,
  patienceMs: number,
): Promise<void> {
  const { leaseMs, settleGraceMs, maxRetryDelayMs } = times;
  const statements: Statement[] = [
    { name: 'pullInLeased', text: PULL_IN.leased, values: [leaseMs, leaseMs] },
  ];
  for (const lane of ['small', 'large'])
    for (const priority of ['live', 'background'])
      for (const values of [
        [maxRetryDelayMs, maxRetryDelayMs, 'queued', lane, priority],
        [settleGraceMs + GRACE_SLACK_MS, settleGraceMs, 'settling', lane, priority],
      ])
        statements.push({ name: 'pullInWaiting', text: PULL_IN.waiting, values });
  for (const statement of statements) {
    for (let pulled = ROWS_AT_ONCE; pulled === ROWS_AT_ONCE;) {
      const [answer = {}] = await database.ask(statement, patienceMs);
      pulled = integer(answer, 'pulled');
    }
  }
}
