// Keeps the leases of running attempts alive and writes down their progress, on a beat of its own beside them.
import type { Clock } from '../core/clock.ts';
import type { Happenings } from '../core/happenings.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';
import { type Attempt, LeaseLost } from './attempt.ts';

/** How often progress is written and leases are looked after. */
const HEARTBEAT_MS = 500;

const NEVER = new AbortController().signal;

/** An attempt under way, and the way to end it. */
export interface Running {
  readonly attempt: Attempt;
  readonly abort: AbortController;
  isBeating: boolean;
}

interface LeaseKeeperOptions {
  readonly queue: TransferQueue;
  readonly clock: Clock;
  readonly happenings: Happenings;
  readonly leaseMs: number;
  /** One entry for each attempt, kept by the worker. */
  readonly running: ReadonlySet<Running>;
}

/** Runs until `stopping` is aborted and nothing runs any more. */
export async function keepLeases(options: LeaseKeeperOptions, stopping: AbortSignal): Promise<void> {
  const { clock, running } = options;
  // Leases of attempts that finish during the shutdown grace are kept alive too.
  while (!stopping.aborted || running.size > 0) {
    if (running.size === 0) {
      // The next look is one beat later at most; leases are longer than that.
      await clock.sleep(HEARTBEAT_MS, stopping).catch(() => {});
      continue;
    }
    await clock.sleep(HEARTBEAT_MS, NEVER).catch(() => {});
    for (const one of running) void beat(options, one);
  }
}

async function beat(options: LeaseKeeperOptions, running: Running): Promise<void> {
  if (running.isBeating) return;
  running.isBeating = true;
  try {
    await saveProgress(options.queue, running.attempt);
    await renewIfOld(options, running);
  } catch (error) {
    options.happenings.workerTroubled({ doing: 'renewing a lease', error });
  } finally {
    running.isBeating = false;
  }
}

async function renewIfOld(options: LeaseKeeperOptions, { attempt, abort }: Running): Promise<void> {
  const { queue, clock, leaseMs } = options;
  const leftMs = attempt.lease.expiresAtMonotonicMs - clock.monotonicMs();
  if (leftMs > (leaseMs * 2) / 3) return;
  const renewed = await queue.renew(attempt.lease);
  if (renewed === null) abort.abort(new LeaseLost('The lease was lost: another attempt owns the transfer'));
  else attempt.lease = renewed;
}

/** Writes the progress that an attempt has noted and nobody has written yet. */
export async function saveProgress(queue: TransferQueue, attempt: Attempt): Promise<void> {
  const progress = attempt.unsavedProgress;
  if (progress === null) return;
  attempt.unsavedProgress = null;
  try {
    await queue.progress(attempt.lease, progress);
  } catch (error) {
    // A checkpoint that is to be forgotten must not survive because one write failed.
    attempt.unsavedProgress ??= progress;
    throw error;
  }
}
