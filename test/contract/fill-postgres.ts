// Fills the tables of a PostgreSQL queue as months of work and a flood of changes would.
import { faultOf, receiptOf } from './transfer-queue-samples.ts';

/**
 * Statements that fill the tables of an empty queue: most rows queued, a few of everything else, and a history with three
 * rows for each key. Nothing is analysed, as just after a flood of changes.
 */
export function fillPostgres({ liveRows, historyRows }: { liveRows: number; historyRows: number }): string {
  const historyKey = `n % ${Math.ceil(historyRows / 3)}`;
  return `
  ALTER TABLE replicator_transfers SET (autovacuum_enabled = off);
  ALTER TABLE replicator_history SET (autovacuum_enabled = off);
  WITH numbers AS (SELECT n, CASE WHEN n % 1001 = 0 THEN 'copying' WHEN n % 1003 = 0 THEN 'settling'
    WHEN n % 107 = 0 THEN 'parked' ELSE 'queued' END AS status FROM generate_series(1, ${liveRows}) AS n)
  INSERT INTO replicator_transfers (seq, id, rule_name, source_bucket, source_key, target_bucket, target_key, created_at,
    status, attempt_count, owed, is_settling, lease_token, wake_at, change_at, lane, priority, dirty_id, dirty_change_at,
    dirty_priority, dirty_created_at, bytes_done,
    fault_code, fault, updated_at, checkpoint)
  SELECT nextval('replicator_transfer_seq'), gen_random_uuid(), 'default', 'source', ${keyOf('n')}, 'target', ${keyOf('n')}, n,
    status, 0, false, false, 1, CASE WHEN status <> 'parked' THEN n END, n, CASE WHEN n % 10 = 0 THEN 'large' ELSE 'small' END,
    CASE WHEN n % 3 = 0 THEN 'background' ELSE 'live' END, CASE WHEN status = 'copying' THEN gen_random_uuid() END, n,
    'live', n, 0,
    CASE WHEN status = 'parked' THEN 'too_large' END, CASE WHEN status = 'parked' THEN '${JSON.stringify(faultOf('too_large'))}' END, n,
    CASE WHEN n % 5000 = 0 THEN '\\x00'::bytea END FROM numbers;
  INSERT INTO replicator_history (seq, id, rule_name, source_bucket, source_key, target_bucket, target_key, created_at,
    attempt_count, change_at, bytes_done, outcome, receipt, finished_at)
  SELECT nextval('replicator_transfer_seq'), gen_random_uuid(), 'default', 'source', ${keyOf(historyKey)}, 'target',
    ${keyOf(historyKey)}, n, 0, n, 0, 'replicated', '${JSON.stringify(receiptOf('1'))}', n FROM generate_series(1, ${historyRows}) AS n;
  INSERT INTO replicator_deliveries SELECT 'id-' || n, n FROM generate_series(1, 5000) AS n;
  INSERT INTO replicator_quarantine (id, reason, raw, received_at) SELECT gen_random_uuid(), 'x', '', n FROM generate_series(1, 5000) AS n;
  INSERT INTO replicator_tallies (rule_name, fault_code, queued, copying, settling, parked, quarantined)
    VALUES ('default', 'too_large', 0, 0, 0, 300, 0)`;
}

/** A key as buckets have them: neighbours in time are not neighbours in the alphabet. */
function keyOf(number: string): string {
  return `'photos/' || left(md5((${number})::text), 12) || '/image-' || ${number} || '.jpg'`;
}
