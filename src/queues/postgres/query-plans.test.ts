// Cost that does not grow with the backlog or the history, shown by the plans of the statements themselves instead of by
// timing: on tables that were never analysed, as they are just after a flood of changes, and on analysed ones.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { fillPostgres } from '../../../test/contract/fill-postgres.ts';
import { openSharedQueue } from '../../../test/contract/open-shared-queue.ts';
import { onPostgres } from '../../../test/postgres-server.ts';
import type { TransferFilter } from '../../core/transfer-queue.ts';
import { openSession, readDatabaseUrl } from './connect.ts';
import type { Statement } from './database.ts';
import { boundSql, pageSql, PLAN_FOR_VALUES, planListing } from './listing.ts';
import { LOOKUPS } from './lookups.ts';
import { PRUNE_QUARANTINE, QUARANTINE_PAGE } from './quarantine.ts';
import { WRITES } from './rows.ts';
import { COUNTS, PARKED_CLASSES } from './tallies.ts';
import { LAST_TIMES } from './wrong-times.ts';

onPostgres((server) => {
  let url = '';
  let session: pg.Client;

  before(async () => {
    url = await server.newSchema();
    const queue = await openSharedQueue(url);
    await queue.close();
    await server.run(fillPostgres({ liveRows: 30_000, historyRows: 60_000 }), url);
    session = await openSession(readDatabaseUrl(url));
  });

  after(() => session.end());

  /** As a plan that is kept for any values, under the settings of our sessions. */
  async function planOf(sql: string): Promise<string[]> {
    const { rows } = await session.query<Record<string, string>>(`EXPLAIN (GENERIC_PLAN, COSTS OFF) ${sql}`);
    return rows.map((row) => row['QUERY PLAN'] ?? '');
  }

  /** Planned for these values. */
  async function assertListed(statement: Statement, ...indexes: readonly string[]): Promise<void> {
    await session.query('BEGIN');
    await session.query(PLAN_FOR_VALUES.text);
    const { rows } = await session.query<Record<string, string>>({
      text: `EXPLAIN (COSTS OFF) ${statement.text}`,
      values: [...(statement.values ?? [])],
    });
    await session.query('COMMIT');
    assertPlan(
      rows.map((row) => row['QUERY PLAN'] ?? ''),
      statement.text,
      indexes,
    );
  }

  /** No walk over a whole table, and no index that is walked from its beginning without a bound or a limit. */
  async function assertIndexed(sql: string, ...indexes: readonly string[]): Promise<void> {
    assertPlan(await planOf(sql), sql, indexes);
  }

  function assertPlan(plan: readonly string[], sql: string, indexes: readonly string[]): void {
    const shown = `${sql}\n${plan.join('\n')}`;
    for (const index of indexes)
      assert(
        plan.some((line) => line.includes(index)),
        `${index}\n${shown}`,
      );
    for (const line of plan)
      assert.doesNotMatch(line, /Seq Scan on replicator_(?!tallies)|Bitmap|Hash Join|Merge Join/, shown);
    for (const [index, line] of plan.entries()) {
      // An index without a condition is walked from one end: only for the first entry, or the newest ones.
      const isWhole = /Index (?:Only )?Scan/.test(line) && !(plan[index + 1] ?? '').includes('Index Cond');
      if (isWhole) assert.match(line, /_leased|_pending|_pkey/, shown);
      if (isWhole) assert.match(plan[index - 1] ?? '', /Limit/, shown);
    }
  }

  const SORTS_OF_A_TABLE = /Sort(?! Key)/;

  async function assertInOrder(sql: string, ...indexes: readonly string[]): Promise<void> {
    await assertIndexed(sql, ...indexes);
    for (const line of await planOf(sql)) assert.doesNotMatch(line, SORTS_OF_A_TABLE, sql);
  }

  // Plans are made anew every few seconds, and still: those of empty tables, which any index seems to fit, must not walk
  // through a history that nobody needs to look at.
  test('the newest row of history is found by its key also where the plan was made on empty tables', async () => {
    const empty = await server.newSchema();
    await (await openSharedQueue(empty)).close();
    await server.run('VACUUM ANALYZE', empty);
    const there = await openSession(readDatabaseUrl(empty));
    for (const sql of [LOOKUPS.claim, LOOKUPS.newestInHistory]) {
      const { rows } = await there.query<Record<string, string>>(`EXPLAIN (GENERIC_PLAN, COSTS OFF) ${sql}`);
      assertPlan(
        rows.map((row) => row['QUERY PLAN'] ?? ''),
        sql,
        ['replicator_history_by_key'],
      );
    }
    await there.end();
  });

  for (const state of ['never analysed', 'analysed'] as const) {
    describe(`on tables ${state}`, () => {
      before(async () => {
        if (state === 'analysed') await server.run('VACUUM ANALYZE', url);
      });

      test('rows are locked by an index', async () => {
        await assertIndexed(LOOKUPS.lockByIds, 'replicator_transfers_by_id');
        await assertIndexed(LOOKUPS.lockByPlaces, 'replicator_transfers_live');
        await assertIndexed(LOOKUPS.lockBySeqs, 'replicator_transfers_pkey');
        await assertInOrder(LOOKUPS.lockStaleUploads, 'replicator_transfers_with_upload');
      });

      test('a claim reads due rows in the order of their index, and one row of history for each', async () => {
        await assertInOrder(
          LOOKUPS.claim,
          'replicator_transfers_waiting',
          'replicator_transfers_leased',
          'replicator_history_by_key',
          'replicator_history_pkey',
        );
      });

      test('everything that is looked up is found by an index', async () => {
        await assertIndexed(
          LOOKUPS.byId,
          'replicator_transfers_by_id',
          'replicator_history_by_id',
          'replicator_transfers_by_dirty_id',
        );
        await assertInOrder(LOOKUPS.nextWake, 'replicator_transfers_waiting', 'replicator_transfers_leased');
        await assertIndexed(LOOKUPS.knownDeliveries, 'replicator_deliveries_pkey');
        await assertInOrder(LOOKUPS.newestInHistory, 'replicator_history_by_key');
        await assertInOrder(LOOKUPS.parkedAfter, 'replicator_transfers_by_status');
        await assertInOrder(
          LOOKUPS.endedSince,
          'replicator_history_by_finish',
          'replicator_transfers_by_status',
        );
        await assertInOrder(COUNTS, 'replicator_transfers_pending');
        await assertInOrder(PARKED_CLASSES, 'replicator_transfers_parked');
        await assertIndexed(QUARANTINE_PAGE, 'replicator_quarantine_pkey');
      });

      test('what is written, pruned and put right is found by an index', async () => {
        await assertIndexed(WRITES.updateLive, 'replicator_transfers_pkey');
        await assertIndexed(LOOKUPS.prune, 'replicator_history_by_finish', 'replicator_history_pkey');
        await assertIndexed(LOOKUPS.forgetDeliveries, 'replicator_deliveries_by_time');
        await assertIndexed(PRUNE_QUARANTINE, 'replicator_quarantine_by_time');
        await assertInOrder(LAST_TIMES, 'replicator_transfers_leased', 'replicator_transfers_waiting');
      });

      test('every listing walks an index of each table in the order of its page', async () => {
        const expected: readonly [TransferFilter, ...string[]][] = [
          [{}, 'replicator_transfers_pkey', 'replicator_history_pkey'],
          [{ bucket: 'source', keyPrefix: 'key/9' }, 'replicator_transfers_pkey', 'replicator_history_pkey'],
          [{ status: 'parked', ruleName: 'default' }, 'replicator_transfers_by_status'],
          [{ status: 'done', ruleName: 'seldom' }, 'replicator_history_by_rule'],
          [{ ruleName: 'seldom' }, 'replicator_transfers_pkey', 'replicator_history_by_rule'],
          [{ faultCode: 'too_large', status: 'parked' }, 'replicator_transfers_by_fault'],
        ];
        for (const [filter, ...indexes] of expected) {
          const plan = planListing(filter);
          for (const statement of [boundSql(plan, 1e9), pageSql(plan, 1e9, null, 9)])
            await assertListed(statement, ...indexes);
        }
        // The few rows of one key are read by it and then put in order.
        const byKey = pageSql(planListing({ bucket: 'source', key: 'key/1' }), 1e9, null, 9);
        await assertListed(byKey, 'replicator_transfers_live', 'replicator_history_by_key');
      });
    });
  }
});
