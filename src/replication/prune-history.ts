// Forgets what is old, in small steps that never hold the queue up: receipts and quarantined records after their
// retention, ids of deliveries when no sender repeats them any more.
import type { Clock } from '../core/clock.ts';
import type { Happenings } from '../core/happenings.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';

const ROWS_PER_STEP = 500;
const STEP_PAUSE_MS = 200;
const ROUND_MS = 3_600_000;
/** Senders repeat within minutes. A signed call is refused five minutes after it was signed; its id is kept longer. */
const DELIVERY_MEMORY_MS = 2 * 3_600_000;

/** Begins pruning; `stop` ends it and resolves when nothing runs any more. */
export function startPruning(deps: {
  readonly queue: TransferQueue;
  readonly clock: Clock;
  readonly happenings: Happenings;
  readonly retentionMs: number;
}): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const running = pruneLoop(deps, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function pruneLoop(deps: Parameters<typeof startPruning>[0], signal: AbortSignal): Promise<void> {
  const { queue, clock, happenings, retentionMs } = deps;
  while (!signal.aborted) {
    let pauseMs = ROUND_MS;
    try {
      const nowMs = clock.nowMs();
      const removed = await queue.prune({ beforeMs: nowMs - retentionMs, limit: ROWS_PER_STEP });
      const forgotten = await queue.forgetDeliveries({
        beforeMs: nowMs - DELIVERY_MEMORY_MS,
        limit: ROWS_PER_STEP,
      });
      // Receipts and quarantined records are bounded each by itself: together they may be more than one step.
      if (removed >= ROWS_PER_STEP || forgotten >= ROWS_PER_STEP) pauseMs = STEP_PAUSE_MS;
    } catch (error) {
      happenings.workerTroubled({ doing: 'forgetting old receipts and deliveries', error });
    }
    await clock.sleep(pauseMs, signal).catch(() => {});
  }
}
