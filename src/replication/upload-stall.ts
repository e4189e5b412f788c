// Whether an upload that broke goes on in its session, and when a session that takes no bytes any more is given up. A
// target that has trouble takes none for minutes, and the session is worth waiting for; a session that is broken itself
// says the same for the week it lives.
import type { Fault } from '../core/faults.ts';
import type { UploadStall } from '../core/transfer-queue.ts';

/** So long a session may take nothing although it tells how far it is. */
const STALLED_FOR_GOOD_MS = 3_600_000;

/** The stall of a session that keeps `persistedBytes` now, and took nothing more in a whole attempt. */
export function stallAt(known: UploadStall | null, persistedBytes: number, nowMs: number): UploadStall {
  if (known === null || persistedBytes > known.persistedBytes) return { sinceMs: nowMs, persistedBytes };
  // A clock that was set back would make the stall last until it is there again.
  return { ...known, sinceMs: Math.min(known.sinceMs, nowMs) };
}

/** True where nobody should go on with the session. */
export function isStalledForGood({ sinceMs }: UploadStall, nowMs: number): boolean {
  return nowMs - sinceMs >= STALLED_FOR_GOOD_MS;
}

/** Faults after which the session may still be good: the rest of an upload is worth more than a fresh start. */
export function mayContinue(fault: Fault): boolean {
  return (
    fault.code === 'source_read_broken' ||
    fault.code === 'source_error' ||
    fault.code === 'target_error' ||
    fault.code === 'target_unreachable' ||
    fault.code === 'source_unreachable' ||
    fault.code === 'target_unavailable' ||
    fault.code === 'source_unavailable' ||
    fault.code === 'target_throttled' ||
    fault.code === 'source_throttled'
  );
}
