// The SQLite queue under the contract, each test on a file of its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { openCheckpointSealer } from '../../src/queues/checkpoint-sealer.ts';
import { openSqliteQueue } from '../../src/queues/sqlite/sqlite-queue.ts';
import { GRACE_MS, LEASE_MS, SMALL_MAX_BYTES } from './transfer-queue-samples.ts';
import { transferQueueContract } from './transfer-queue.contract.ts';

const folder = await mkdtemp(join(tmpdir(), 'replicator-queue-'));
let lastFile = 0;

after(() => rm(folder, { recursive: true, force: true }));

transferQueueContract('SQLite', async (clock) => {
  lastFile += 1;
  const path = join(folder, `${lastFile}.sqlite`);
  return openSqliteQueue({
    path,
    clock,
    leaseMs: LEASE_MS,
    settleGraceMs: GRACE_MS,
    smallMaxBytes: SMALL_MAX_BYTES,
    maxRetryDelayMs: 300_000,
    sealer: openCheckpointSealer(Buffer.alloc(32, 7)),
  });
});
