// Opens the queue in a database: brings its schema up to date, puts its counts right, and refuses in words what cannot
// be used. Any number of processes may do so at once.
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Clock } from '../../core/clock.ts';
import type { QueueStorage } from '../../core/queue-storage.ts';
import type { CheckpointSealer } from '../checkpoint-sealer.ts';
import { cannotBeUsed, type DatabaseAddress, openPool, openSession, readDatabaseUrl } from './connect.ts';
import { Database } from './database.ts';
import { isConnectionError } from './database-errors.ts';
import { LONG_WORK, migrate } from './migrate.ts';
import { refusePooler } from './pooler.ts';
import { PostgresQueue } from './postgres-queue.ts';
import { RECOUNT, RECOUNT_LOCK } from './tallies.ts';
import type { QueueTimes } from './wrong-times.ts';

export interface PostgresQueueOptions extends QueueTimes {
  readonly url: string;
  /** Of this process: leases end by its monotonic time. All other times are the server's. */
  readonly clock: Clock;
  /** Objects of up to so many bytes stand in the small lane. */
  readonly smallMaxBytes: number;
  /** Null: upload checkpoints are not stored, and an upload begins again after a crash. */
  readonly sealer: CheckpointSealer | null;
  /** Told in a sentence what works worse than it should, and when it works again. */
  readonly onTrouble?: (trouble: string) => void;
  /** How long a database that is not there yet is waited for at the start. */
  readonly openPatienceMs?: number;
}

/** Beside these a process has two: one that listens, one that holds the lead or tries for it. */
const POOL_CONNECTIONS = 6;
const OPEN_PATIENCE_MS = 10_000;
const OPEN_PAUSE_MS = 250;

/**
 * Opens or makes the queue. Rejects with an Error that names the database, the reason and the remedy where it cannot be
 * reached, is read-only, is not durable, belongs to a newer version, or does not let us make our tables.
 */
export async function openPostgresQueue(options: PostgresQueueOptions): Promise<QueueStorage> {
  const { url, clock, smallMaxBytes, sealer, onTrouble = () => {}, openPatienceMs } = options;
  const address = readDatabaseUrl(url);
  try {
    const session = await openPatiently(address, openPatienceMs ?? OPEN_PATIENCE_MS);
    try {
      await refusePooler(session, address);
      await migrate(session);
      await countAnew(session);
    } finally {
      await session.end();
    }
  } catch (error) {
    throw cannotBeUsed(address.shown, error);
  }
  const { leaseMs, settleGraceMs, maxRetryDelayMs } = options;
  const pool = openPool(address, POOL_CONNECTIONS);
  const queue = new PostgresQueue({
    address,
    database: new Database({ pool, shown: address.shown, clock }),
    times: { leaseMs, settleGraceMs, maxRetryDelayMs },
    smallMaxBytes,
    sealer,
    onTrouble,
  });
  await queue.start();
  return queue;
}

/** A service and its database are often started together: the latter may take a moment. */
async function openPatiently(address: DatabaseAddress, patienceMs: number): Promise<pg.Client> {
  const untilMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return await openSession(address, 0);
    } catch (error) {
      if (!isConnectionError(error) || performance.now() + OPEN_PAUSE_MS > untilMs) throw error;
      await sleep(OPEN_PAUSE_MS);
    }
  }
}

async function countAnew(session: pg.Client): Promise<void> {
  await session.query(`BEGIN; ${LONG_WORK}; ${RECOUNT_LOCK}; ${RECOUNT}; COMMIT`);
}
