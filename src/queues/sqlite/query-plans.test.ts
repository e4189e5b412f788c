// Cost that does not grow with the backlog, shown by the plans of the statements themselves instead of by timing.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, type DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { LEASE_MS, receiptOf } from '../../../test/contract/transfer-queue-samples.ts';
import type { TransferFilter } from '../../core/transfer-queue.ts';
import { FORGET_DELIVERIES } from './deliveries.ts';
import { planListing, walkSql } from './listing.ts';
import { openDatabase } from './open-database.ts';
import { PULL_IN } from './recover.ts';
import { LOOKUPS } from './transfer-table.ts';

const ROWS = 100_000;
const folder = mkdtempSync(join(tmpdir(), 'replicator-plans-'));
const database = openFilled(join(folder, 'queue.sqlite'));

after(() => {
  database.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Half done, most of the rest queued, a few of everything else. Never analysed, as in the product: plans are stable. */
function openFilled(path: string): DatabaseSync {
  const filled = openDatabase(path);
  filled
    .prepare(
      `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${ROWS}),
      rows AS (SELECT n, CASE WHEN n % 2 = 0 THEN 'done' WHEN n % 1001 = 0 THEN 'copying'
        WHEN n % 1003 = 0 THEN 'settling' WHEN n % 1007 = 0 THEN 'parked' ELSE 'queued' END AS status FROM numbers)
      INSERT INTO transfers (id, rule_name, source_bucket, source_key, target_bucket, target_key, created_at,
        status, attempt_count, owed, is_settling, lease_token, wake_at, change_at, bytes_done, updated_at,
        finished_at, receipt, fault_code, dirty_id)
      SELECT 'id-' || n, 'default', 'source', 'key/' || n, 'target', 'key/' || n, n, status, 0, 0, 0, 1,
        CASE WHEN status IN ('done', 'parked') THEN NULL ELSE n + ${LEASE_MS} END, n, 0, n,
        CASE WHEN status = 'done' THEN n END, CASE WHEN status = 'done' THEN ? END,
        CASE WHEN status = 'parked' THEN 'too_large' END, CASE WHEN status = 'copying' THEN 'next-' || n END
      FROM rows`,
    )
    .run(JSON.stringify(receiptOf('1')));
  return filled;
}

function planOf(sql: string): string[] {
  // A parameter that has no value is null, which does not change the plan.
  return database
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map((row) => String(row['detail']));
}

/** No scan of the table, no sort of what was found. */
function assertIndexed(sql: string, index: RegExp): void {
  const plan = planOf(sql);
  assert(
    plan.some((line) => index.test(line)),
    `${sql}\n${plan.join('\n')}`,
  );
  for (const line of plan) assert.doesNotMatch(line, /^SCAN (transfers|quarantine)|TEMP B-TREE/, sql);
}

test(`every lookup among ${ROWS} rows is answered from an index`, () => {
  const expected: Record<keyof typeof LOOKUPS, RegExp> = {
    byId: /transfers_by_id \(id=\?\)/,
    bySeq: /INTEGER PRIMARY KEY \(rowid=\?\)/,
    byFollowUpId: /transfers_by_dirty_id \(dirty_id=\?\)/,
    newest: /transfers_by_rule_and_key \(source_bucket=\? AND source_key=\? AND rule_name=\?\)/,
    due: /transfers_waiting \(lane=\? AND priority=\? AND wake_at<\?\)/,
    nextDue: /transfers_waiting \(lane=\? AND priority=\?\)/,
    expired: /transfers_leased \(wake_at<\?\)/,
    nextExpiry: /INDEX transfers_leased/,
    receiptAt: /INTEGER PRIMARY KEY \(rowid=\?\)/,
    oldestChange: /INDEX transfers_pending_change/,
    parkedAfter: /INDEX transfers_by_status \(status=\? AND rowid>\?\)/,
    nextParkedRule: /COVERING INDEX transfers_parked \(fault_code=\? AND rule_name>\?\)/,
    nextParkedFault: /COVERING INDEX transfers_parked \(fault_code>\?\)/,
    firstParked: /INDEX transfers_parked \(fault_code=\? AND rule_name=\?\)/,
    lastParked: /COVERING INDEX transfers_parked \(fault_code=\? AND rule_name=\?\)/,
    withUpload: /INDEX transfers_with_upload \(updated_at<\?\)/,
    prune: /COVERING INDEX transfers_by_finish \(finished_at<\?\)/,
  };
  for (const [name, index] of Object.entries(expected)) {
    const sql = LOOKUPS[name as keyof typeof LOOKUPS];
    // The first entry of an index: SQLite calls reading it a scan, and stops after one.
    if (name === 'oldestChange' || name === 'nextExpiry') assert.match(planOf(sql).join(), index);
    else assertIndexed(sql, index);
  }
});

test('what runs for every transfer is prepared once, whatever is asked', () => {
  let preparations = 0;
  // Asked of every part of a statement while SQLite prepares it.
  database.setAuthorizer(() => {
    preparations += 1;
    return constants.SQLITE_OK;
  });
  const due = database.prepare(LOOKUPS.due);
  const newest = database.prepare(LOOKUPS.newest);
  const preparedCount = preparations;
  for (const limit of [1, 2, 3]) {
    due.all('small', 'live', 10 * limit, limit);
    newest.get('bucket', `key-${limit}`, 'rule');
  }
  assert.ok(preparedCount > 0);
  assert.equal(preparations, preparedCount);
  database.setAuthorizer(null);
});

test('due times that a wrong clock left are found without a walk through what waits', () => {
  assertIndexed(PULL_IN, /transfers_waiting \(lane=\? AND priority=\? AND wake_at>\?\)/);
});

test('ids of deliveries are found, and the oldest forgotten, without a walk through all', () => {
  const plan = planOf(FORGET_DELIVERIES);
  assert.match(plan.join(), /COVERING INDEX deliveries_by_time \(taken_at<\?\)/);
  for (const line of plan) assert.doesNotMatch(line, /^SCAN deliveries|TEMP B-TREE/);
});

test('every listing walks an index in the order of its page', () => {
  const expected: readonly [TransferFilter, RegExp][] = [
    [{}, /INTEGER PRIMARY KEY \(rowid<\?\)/],
    [{ bucket: 'source', keyPrefix: 'key/9' }, /INTEGER PRIMARY KEY \(rowid<\?\)/],
    [{ status: 'queued', ruleName: 'default' }, /transfers_by_status \(status=\? AND rowid<\?\)/],
    [{ ruleName: 'default' }, /transfers_by_rule \(rule_name=\? AND rowid<\?\)/],
    [{ faultCode: 'too_large', status: 'parked' }, /transfers_by_fault \(fault_code=\? AND rowid<\?\)/],
    [
      { bucket: 'source', key: 'key/1' },
      /transfers_by_key \(source_bucket=\? AND source_key=\? AND rowid<\?\)/,
    ],
  ];
  for (const [filter, index] of expected) assertIndexed(walkSql(planListing(filter), '*'), index);
});
