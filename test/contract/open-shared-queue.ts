// A PostgreSQL queue on the machine's real clock, as one of several processes opens it.
import type { QueueStorage } from '../../src/core/queue-storage.ts';
import {
  openPostgresQueue,
  type PostgresQueueOptions,
} from '../../src/queues/postgres/open-postgres-queue.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import { GRACE_MS, LEASE_MS, SMALL_MAX_BYTES } from './transfer-queue-samples.ts';

/** Opens the queue at `url`; the caller closes it. */
export function openSharedQueue(
  url: string,
  options: Partial<PostgresQueueOptions> = {},
): Promise<QueueStorage> {
  return openPostgresQueue({
    url,
    clock: SYSTEM_CLOCK,
    leaseMs: LEASE_MS,
    settleGraceMs: GRACE_MS,
    maxRetryDelayMs: 300_000,
    smallMaxBytes: SMALL_MAX_BYTES,
    sealer: null,
    ...options,
  });
}
