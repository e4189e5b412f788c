// A PostgreSQL queue whose server's time is a test's clock: the function that tells the time is replaced, in the test's
// schema, by one that reads it from a table, which is brought up to date before each call.
import pg from 'pg';
import type { QueueStorage } from '../../src/core/queue-storage.ts';
import { openCheckpointSealer } from '../../src/queues/checkpoint-sealer.ts';
import { openPostgresQueue } from '../../src/queues/postgres/open-postgres-queue.ts';
import type { ManualClock } from './manual-clock.ts';
import type { PostgresServer } from '../postgres-server.ts';
import { GRACE_MS, LEASE_MS, SMALL_MAX_BYTES } from './transfer-queue-samples.ts';

/**
 * Opens an empty queue. `processClock` is that of the process, whose wall time means nothing to this queue;
 * `serverClock` that of the server. Closing the queue ends everything.
 */
export async function openPostgresOnClock(
  server: PostgresServer,
  processClock: ManualClock,
  serverClock: ManualClock = processClock,
): Promise<QueueStorage> {
  const url = await server.newSchema();
  const startMs = serverClock.nowMs();
  const startedMs = serverClock.monotonicMs();
  const storage = await openPostgresQueue({
    url,
    clock: processClock,
    leaseMs: LEASE_MS,
    settleGraceMs: GRACE_MS,
    maxRetryDelayMs: 365 * 86_400_000,
    smallMaxBytes: SMALL_MAX_BYTES,
    sealer: openCheckpointSealer(Buffer.alloc(32, 7)),
  });
  const control = new pg.Client(url);
  await control.connect();
  await control.query(
    `CREATE TABLE test_clock (now_ms bigint NOT NULL); INSERT INTO test_clock VALUES (${startMs});
     CREATE OR REPLACE FUNCTION replicator_now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT now_ms FROM test_clock';
     SET synchronous_commit = off`,
  );
  let toldMs = startMs;
  const serverMs = (): number => startMs + serverClock.monotonicMs() - startedMs;
  const settle = async (): Promise<void> => {
    toldMs = serverMs();
    await control.query('UPDATE test_clock SET now_ms = $1', [toldMs]);
  };
  return new Proxy(storage, {
    get(target, name: keyof QueueStorage) {
      if (name === 'close')
        return async () => {
          await target.close();
          await control.end();
        };
      const value = target[name];
      if (typeof value !== 'function') return value;
      const method = value.bind(target) as (...args: unknown[]) => unknown;
      if (name === 'onWork' || name === 'onChanged') return method;
      return (...args: unknown[]) =>
        serverMs() === toldMs ? method(...args) : settle().then(() => method(...args));
    },
  });
}
