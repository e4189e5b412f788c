// Prefer: wait=N. A request that is willing to wait gets the end of its transfers in its own answer.
import type { Clock } from '../core/clock.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';

const MAX_WAIT_SEC = 60;
/** Another process may end between the end of a transfer and telling of it: that is looked for this often. */
const LOOK_MS = 2_000;

/**
 * The seconds of `wait` in a Prefer header, at most 60; null where the header asks for no waiting. What cannot be
 * read is ignored, as RFC 7240 wants it.
 */
export function preferredWaitSec(prefer: string | readonly string[] | undefined): number | null {
  const header = typeof prefer === 'string' ? prefer : (prefer ?? []).join(',');
  for (const preference of header.split(',')) {
    const match = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?$/i.exec(preference);
    // The first one counts.
    if (match?.[1] !== undefined) return Math.min(Number(match[1]), MAX_WAIT_SEC);
  }
  return null;
}

/**
 * Waits until each of these transfers is done or parked. True when all are; false when `waitMs` went by or `signal`
 * was aborted first. A follow-up that has not begun counts as pending, and so does a transfer that settles.
 */
export async function waitForEnd(
  request: {
    readonly queue: TransferQueue;
    readonly clock: Clock;
    readonly transferIds: readonly string[];
    readonly waitMs: number;
  },
  signal: AbortSignal,
): Promise<boolean> {
  const { queue, clock, transferIds, waitMs } = request;
  const pending = new Set(transferIds);
  const finished = new AbortController();
  const sleepSignal = AbortSignal.any([signal, finished.signal]);
  let hasNews = true;
  let isOver = false;
  let wake = (): void => {};

  const endListening = queue.onChanged((changedIds) => {
    if (!changedIds.some((id) => pending.has(id))) return;
    hasNews = true;
    wake();
  });
  const lookUntilOver = async (): Promise<void> => {
    const untilMs = clock.monotonicMs() + waitMs;
    try {
      for (let leftMs = waitMs; leftMs > 0; leftMs = untilMs - clock.monotonicMs()) {
        await clock.sleep(Math.min(LOOK_MS, leftMs), sleepSignal);
        hasNews = true;
        wake();
      }
    } catch (error) {
      if (!sleepSignal.aborted) throw error;
    }
    isOver = true;
    wake();
  };
  const timer = lookUntilOver();

  try {
    while (pending.size > 0) {
      if (hasNews) {
        hasNews = false;
        for (const id of pending) {
          const transfer = await queue.get(id);
          if (transfer === null || transfer.status === 'done' || transfer.status === 'parked')
            pending.delete(id);
        }
      } else if (isOver) {
        return false;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    return true;
  } finally {
    endListening();
    finished.abort();
    await timer;
  }
}
