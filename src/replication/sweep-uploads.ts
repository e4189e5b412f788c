// Gives up stored uploads that nobody will finish: their transfer is parked, or waits for a rule or a store, and had
// neither an attempt nor a change for a day. The queue forgets them first, so that no attempt goes on with one; then
// the target is asked to. Slow, in small steps, and never needed: an upload also ends by itself.
import type { Clock } from '../core/clock.ts';
import { Fault } from '../core/faults.ts';
import type { Happenings } from '../core/happenings.ts';
import type { ObjectTarget } from '../core/object-target.ts';
import type { ForgottenUpload, TransferQueue } from '../core/transfer-queue.ts';

/** Longer than an outage that is noticed, or a night: whatever comes back within it goes on where it stood. */
const UNTOUCHED_MS = 86_400_000;
const UPLOADS_PER_STEP = 20;
const STEP_PAUSE_MS = 1_000;
const ROUND_MS = 3_600_000;

interface SweepDeps {
  readonly queue: TransferQueue;
  readonly target: ObjectTarget;
  readonly clock: Clock;
  readonly happenings: Happenings;
}

/** What became of a forgotten upload. */
type Fate = 'cancelled' | 'expired' | 'unreadable' | 'left';

/** Begins sweeping; `stop` ends it and resolves when nothing runs any more. */
export function startSweepingUploads(deps: SweepDeps): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const running = sweepLoop(deps, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function sweepLoop(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    let pauseMs = ROUND_MS;
    try {
      const swept = await sweepOnce(deps, signal);
      if (swept === UPLOADS_PER_STEP) pauseMs = STEP_PAUSE_MS;
    } catch (error) {
      if (!signal.aborted) deps.happenings.workerTroubled({ doing: 'giving up stored uploads', error });
    }
    await deps.clock.sleep(pauseMs, signal).catch(() => {});
  }
}

/** One step; returns how many uploads were forgotten. */
async function sweepOnce(deps: SweepDeps, signal: AbortSignal): Promise<number> {
  const { queue, clock, happenings } = deps;
  const forgotten = await queue.forgetStaleUploads({
    beforeMs: clock.nowMs() - UNTOUCHED_MS,
    limit: UPLOADS_PER_STEP,
  });
  if (forgotten.length === 0) return 0;
  const counts: Record<Fate, number> = { cancelled: 0, expired: 0, unreadable: 0, left: 0 };
  for (const upload of forgotten) counts[await giveUp(deps, upload, signal)] += 1;
  happenings.uploadsSwept(counts);
  return forgotten.length;
}

async function giveUp(
  { target, clock }: SweepDeps,
  { checkpoint }: ForgottenUpload,
  signal: AbortSignal,
): Promise<Fate> {
  if (checkpoint === null) return 'unreadable';
  if (clock.nowMs() - checkpoint.openedAtMs >= target.capabilities.uploadLifetimeMs) return 'expired';
  try {
    await target.cancelUpload(checkpoint.session, signal);
    return 'cancelled';
  } catch (error) {
    // What the target did not take ends by itself; so does the rest of this step at a shutdown.
    if (error instanceof Fault || signal.aborted) return 'left';
    throw error;
  }
}
