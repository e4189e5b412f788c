// Where a service keeps its queue: in memory, which outlives every process as a database of its own would, or in a
// SQLite file, which one process owns and the next one finds as it was left.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../src/core/clock.ts';
import type { TransferQueue } from '../../src/core/transfer-queue.ts';
import { openCheckpointSealer } from '../../src/queues/checkpoint-sealer.ts';
import { openSqliteQueue } from '../../src/queues/sqlite/sqlite-queue.ts';

/** A queue that ends with its process. */
export interface FileHome {
  /** What the process before left; rows are recovered as the product does it. */
  open(): Promise<TransferQueue>;
  /** The process is gone, and its handle with it. */
  close(): Promise<void>;
  /** The run is over: nothing of it stays on the disk. */
  remove(): Promise<void>;
}

// Syncing is not what is simulated here: it would take turns of the event loop that nobody can count.
const openLog = (): { sync: () => Promise<void>; close: () => void } => ({
  sync: () => Promise.resolve(),
  close: () => {},
});
const BASE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const sealer = openCheckpointSealer(Buffer.alloc(32, 7));

/** A home in a file of its own. */
export function openFileHome(options: {
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly settleGraceMs: number;
  readonly maxRetryDelayMs: number;
  readonly smallMaxBytes: number;
}): FileHome {
  const directory = mkdtempSync(join(BASE, 'simulated-queue-'));
  let queue: TransferQueue | null = null;
  let closed: Promise<void> = Promise.resolve();
  const close = (): Promise<void> => {
    closed = queue?.close() ?? closed;
    queue = null;
    return closed;
  };
  return {
    close,
    open: async () => {
      await closed;
      queue = await openSqliteQueue({ ...options, path: join(directory, 'queue.sqlite'), sealer, openLog });
      return queue;
    },
    remove: async () => {
      await close();
      rmSync(directory, { recursive: true });
    },
  };
}
