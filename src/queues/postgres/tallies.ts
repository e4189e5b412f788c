// How many transfers are in each status, and how many are parked of each class: kept as the changes of every
// transaction, one row each, so that processes never wait for each other's counts and asking costs the same with
// any backlog. The rows are folded into one now and then.
import type { ParkedClass, QueueCounts } from '../../core/transfer-queue.ts';
import { joinClasses } from '../parked-tally.ts';
import type { RowChanges } from '../queue-listeners.ts';
import { knownFaultCode } from '../stored-fault.ts';
import type { Statement } from './database.ts';
import { type Columns, integer, integerOrNull, text } from './rows.ts';
import { fromStored, toStored } from './stored-text.ts';
import { lockKey } from './lock-key.ts';

/** Transactions of a process after which it folds. */
const FOLD_AFTER = 200;
const COLUMNS = 'rule_name, fault_code, queued, copying, settling, parked, quarantined';
const sumOf = (name: string): string => `coalesce(sum(${name}), 0)::bigint AS ${name}`;
const SUMS = ['queued', 'copying', 'settling', 'parked', 'quarantined'].map(sumOf).join(', ');

/** Adds what one transaction changed; takes a JSON list. */
const ADD =
  `INSERT INTO replicator_tallies (${COLUMNS}) SELECT ${COLUMNS} FROM json_to_recordset($1::json) ` +
  'AS r(rule_name text, fault_code text, queued bigint, copying bigint, settling bigint, parked bigint, quarantined bigint)';

/** Rows that another process folds, or has just written, are left to it. */
const FOLD =
  'WITH taken AS MATERIALIZED (SELECT ctid AS place FROM replicator_tallies LIMIT 5000 FOR UPDATE SKIP LOCKED), ' +
  'gone AS (DELETE FROM replicator_tallies WHERE ctid = ANY(ARRAY(SELECT place FROM taken)) RETURNING *) ' +
  `INSERT INTO replicator_tallies (${COLUMNS}) SELECT rule_name, fault_code, ${SUMS} FROM gone GROUP BY rule_name, fault_code`;

export const COUNTS =
  `SELECT ${SUMS}, (SELECT change_at FROM replicator_transfers WHERE status IN ('queued', 'copying', 'settling') ` +
  'ORDER BY change_at LIMIT 1) AS oldest FROM replicator_tallies';

/** First and last of each class that has rows, each found by one look into the index of what is parked. */
export const PARKED_CLASSES =
  'SELECT c.rule_name, c.fault_code, c.parked, first.id, first.updated_at AS first_at, last.updated_at AS last_at ' +
  'FROM (SELECT rule_name, fault_code, sum(parked)::bigint AS parked FROM replicator_tallies ' +
  'WHERE fault_code IS NOT NULL GROUP BY rule_name, fault_code HAVING sum(parked) > 0) AS c, ' +
  "LATERAL (SELECT id, updated_at FROM replicator_transfers WHERE status = 'parked' AND fault_code = c.fault_code " +
  'AND rule_name = c.rule_name ORDER BY updated_at, seq LIMIT 1) AS first, ' +
  "LATERAL (SELECT updated_at FROM replicator_transfers WHERE status = 'parked' AND fault_code = c.fault_code " +
  'AND rule_name = c.rule_name ORDER BY updated_at DESC, seq DESC LIMIT 1) AS last';

/**
 * Puts right what an operator's own statements, or a restored table, left wrong: all is counted, and the difference is
 * added. One statement sees rows and counts of one moment; the lock keeps two processes from adding the same.
 */
export const RECOUNT_LOCK = `SELECT pg_advisory_xact_lock(${lockKey('counting')})`;
export const RECOUNT =
  'WITH counted AS (SELECT rule_name, fault_code, ' +
  "sum((status = 'queued')::int) AS queued, sum((status = 'copying')::int) AS copying, " +
  "sum((status = 'settling')::int) AS settling, sum((status = 'parked')::int) AS parked, 0 AS quarantined FROM " +
  "(SELECT status, CASE WHEN status = 'parked' THEN rule_name END AS rule_name, " +
  "CASE WHEN status = 'parked' THEN fault_code END AS fault_code FROM replicator_transfers) AS t GROUP BY 1, 2 " +
  'UNION ALL SELECT NULL, NULL, 0, 0, 0, 0, count(*) FROM replicator_quarantine ' +
  'UNION ALL SELECT rule_name, fault_code, -queued, -copying, -settling, -parked, -quarantined FROM replicator_tallies), ' +
  `missing AS (SELECT rule_name, fault_code, ${SUMS} FROM counted GROUP BY rule_name, fault_code) ` +
  `INSERT INTO replicator_tallies (${COLUMNS}) SELECT ${COLUMNS} FROM missing ` +
  'WHERE (queued, copying, settling, parked, quarantined) <> (0, 0, 0, 0, 0)';

/** Writes the tallies of one process, and folds all when it has written many. */
export class TallyWriter {
  #written = 0;

  /** The statements that note these changes of rows and of quarantined records. */
  statements(changes: RowChanges, quarantined: number): Statement[] {
    const { queued, copying, settling } = changes.countByStatus;
    const rows: (typeof NOTHING)[] = Array.from(
      changes.parked.entries(),
      ({ ruleName, faultCode, count }) => ({
        ...NOTHING,
        rule_name: toStored(ruleName),
        fault_code: faultCode,
        parked: count,
      }),
    );
    if (queued !== 0 || copying !== 0 || settling !== 0 || quarantined !== 0)
      rows.push({ ...NOTHING, queued, copying, settling, quarantined });
    if (rows.length === 0) return [];
    const add = { name: 'tally', text: ADD, values: [JSON.stringify(rows)] };
    this.#written += 1;
    if (this.#written < FOLD_AFTER) return [add];
    this.#written = 0;
    return [add, { name: 'fold-tallies', text: FOLD }];
  }
}

const NOTHING = {
  rule_name: null as string | null,
  fault_code: null as string | null,
  queued: 0,
  copying: 0,
  settling: 0,
  parked: 0,
  quarantined: 0,
};

/** The answer to COUNTS. */
export function toCounts(columns: Columns): QueueCounts {
  return {
    byStatus: {
      queued: integer(columns, 'queued'),
      copying: integer(columns, 'copying'),
      settling: integer(columns, 'settling'),
      parked: integer(columns, 'parked'),
    },
    quarantined: integer(columns, 'quarantined'),
    oldestPendingChangeAtMs: integerOrNull(columns, 'oldest'),
  };
}

/** The answer to PARKED_CLASSES. Codes of a newer version are one class here. */
export function toParkedClasses(rows: readonly Columns[]): readonly ParkedClass[] {
  return joinClasses(
    rows.map((columns) => ({
      ruleName: fromStored(text(columns, 'rule_name')),
      faultCode: knownFaultCode(text(columns, 'fault_code')),
      count: integer(columns, 'parked'),
      firstAtMs: integer(columns, 'first_at'),
      lastAtMs: integer(columns, 'last_at'),
      exampleTransferId: text(columns, 'id'),
    })),
  );
}
