// Measures what a long queue and a long history cost in PostgreSQL: claims with their ends per second, with a thousand
// transfers queued and with a million beside a history of two million; how long the counts take; what a transfer
// writes to the log of the server, and what it leaves on its disk.
// npm run measure:shared -- [--rows 1000000] [--rounds 41]
// Ends with exit code 1 where the long one is slower by more than a fifth.
import { parseArgs } from 'node:util';
import type { QueueStorage } from '../../src/core/queue-storage.ts';
import { fillPostgres } from '../contract/fill-postgres.ts';
import { openSharedQueue } from '../contract/open-shared-queue.ts';
import { itemOf, receiptOf } from '../contract/transfer-queue-samples.ts';
import { type PostgresServer, startPostgresServer } from '../postgres-server.ts';

const FEW_ROWS = 1_000;
const CLAIMS_PER_ROUND = 320;
const ROOM = { total: 32, large: 8 };
const MAX_SLOWDOWN = 0.2;
const RECEIPT = receiptOf('1', 4096);

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '41' } },
});
const server = await startPostgresServer(['-c', 'max_wal_size=4GB']);
try {
  const few = await filled(server, FEW_ROWS);
  const many = await filled(server, Number(values.rows));
  const ratio = await compare(few, many);
  await measureCounts(many.queue);
  await measureBytes(server, few);
  await few.queue.close();
  await many.queue.close();
  if (ratio < 1 - MAX_SLOWDOWN) process.exitCode = 1;
} finally {
  await server.close();
}

interface Filled {
  readonly queue: QueueStorage;
  readonly url: string;
  readonly rows: number;
}

async function filled(on: PostgresServer, rows: number): Promise<Filled> {
  const url = await on.newSchema();
  await (await openSharedQueue(url)).close();
  await on.run(fillPostgres({ liveRows: rows, historyRows: 2 * rows }), url);
  await on.run('ANALYZE replicator_transfers, replicator_history', url);
  const startedMs = performance.now();
  const queue = await openSharedQueue(url);
  const { byStatus } = await queue.counts();
  console.log(
    `${rows} live rows (${byStatus.queued} queued) opened in ${(performance.now() - startedMs).toFixed(0)} ms`,
  );
  return { queue, url, rows };
}

/** Turn by turn, so that whatever else the machine does meets both; the ratio of the medians. */
async function compare(few: Filled, many: Filled): Promise<number> {
  const perSecond = { few: [] as number[], many: [] as number[] };
  let next = 0;
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [name, { queue }] of [['few', few] as const, ['many', many] as const]) {
      const startedMs = performance.now();
      await workRound(queue, () => (next += 1));
      perSecond[name].push((CLAIMS_PER_ROUND * 1000) / (performance.now() - startedMs));
    }
  }
  const median = (of: number[]): number => of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)] ?? 0;
  const ratio = median(perSecond.many) / median(perSecond.few);
  for (const [name, { rows }] of [['few', few] as const, ['many', many] as const])
    console.log(
      `${rows} live rows: ${median(perSecond[name]).toFixed(0)} transfers/s, taken, claimed and finished`,
    );
  console.log(`ratio ${ratio.toFixed(2)}`);
  return ratio;
}

/** As many are taken as are finished, so that the queue stays as long as it is. */
async function workRound(queue: QueueStorage, newNumber: () => number): Promise<void> {
  for (let done = 0; done < CLAIMS_PER_ROUND;) {
    const claimed = await queue.claim(ROOM);
    await Promise.all(
      claimed.map(({ lease }) =>
        queue.finish(lease, { outcome: 'replicated', receipt: RECEIPT, owed: false }),
      ),
    );
    const items = claimed.map(() => itemOf(`measured/${newNumber()}`, { sizeBytes: 4096 }));
    await queue.accept({ items, quarantine: [] });
    done += claimed.length;
  }
}

async function measureCounts(queue: QueueStorage): Promise<void> {
  const startedMs = performance.now();
  for (let asked = 0; asked < 50; asked += 1) await queue.counts();
  console.log(`the counts of the long one take ${((performance.now() - startedMs) / 50).toFixed(1)} ms`);
}

async function measureBytes(on: PostgresServer, { queue, url }: Filled): Promise<void> {
  const position = async (): Promise<number> =>
    Number((await on.run("SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS at"))[0]?.['at']);
  await on.run('CHECKPOINT');
  // Pages are written whole once after a checkpoint: that is not what a transfer costs.
  for (let round = 0; round < 5; round += 1) await workRound(queue, () => Math.floor(Math.random() * 1e12));
  const before = await position();
  const rounds = 20;
  for (let round = 0; round < rounds; round += 1)
    await workRound(queue, () => Math.floor(Math.random() * 1e12));
  const logBytes = ((await position()) - before) / (rounds * CLAIMS_PER_ROUND);
  const [sizes] = await on.run(
    "SELECT pg_total_relation_size('replicator_history') / count(*)::float AS each FROM replicator_history",
    url,
  );
  console.log(
    `a transfer writes ${logBytes.toFixed(0)} bytes of log and leaves ${Number(sizes?.['each']).toFixed(0)} bytes of history`,
  );
}
