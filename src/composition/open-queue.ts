// Which home the queue has: the database that DATABASE_URL names, or a file in the data folder.
import type { Config, Secrets } from '../config/config.ts';
import type { Clock } from '../core/clock.ts';
import type { QueueStorage } from '../core/queue-storage.ts';
import { openCheckpointSealer } from '../queues/checkpoint-sealer.ts';
import { openPostgresQueue } from '../queues/postgres/open-postgres-queue.ts';
import { openSqliteQueue } from '../queues/sqlite/sqlite-queue.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Opens it. Rejects with an Error that names it, the reason and the remedy where it cannot be used. */
export function openQueue(request: {
  readonly config: Pick<Config, 'storage' | 'transfer' | 'retry'>;
  readonly secrets: Pick<Secrets, 'encryptionKey' | 'databaseUrl'>;
  readonly clock: Clock;
  /** How long a claim lasts without a heartbeat. */
  readonly leaseMs: number;
  readonly logger: Pick<Logger, 'warn' | 'fatal'>;
  /** Ends the process at once. */
  readonly crash: () => void;
}): Promise<QueueStorage> {
  const { config, secrets, clock, leaseMs, logger, crash } = request;
  const key = secrets.encryptionKey;
  const shared = {
    clock,
    leaseMs,
    settleGraceMs: config.transfer.settleGraceMs,
    maxRetryDelayMs: config.retry.backoffCapMs,
    // The bound by which an attempt decides whether an object is sent in one request: both must agree.
    smallMaxBytes: config.transfer.chunkBytes,
    sealer: key === null ? null : openCheckpointSealer(key.reveal()),
  };
  const url = secrets.databaseUrl;
  if (url === null) {
    return openSqliteQueue({
      ...shared,
      directory: config.storage.dataDir,
      onLost: (error) => {
        logger.fatal({}, error.message);
        crash();
      },
    });
  }
  return openPostgresQueue({
    ...shared,
    url: url.reveal(),
    onTrouble: (trouble) => logger.warn({}, `queue database: ${trouble}`),
  });
}
