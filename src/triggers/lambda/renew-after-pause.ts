// Connections over the freezes of a Lambda function. Between two calls the process stands still, and what the other side
// or the network closes meanwhile leaves no sign: the first bytes over such a connection get no answer, and of a write
// without an answer nobody knows whether it happened. So connections are opened anew after a pause, before they are
// used; between calls that follow each other they are kept.
import type { Clock } from '../../core/clock.ts';

interface Closable {
  close(): Promise<void>;
}

/** Runs something over what is open now. */
export type UseOpened<Opened> = <Result>(use: (opened: Opened) => Promise<Result>) => Promise<Result>;

/**
 * Keeps what `open` opens from use to use, and opens it anew where nobody used it for more than `longestPauseMs` by
 * either clock. Uses may run side by side; nothing is closed under one.
 */
export function renewAfterPause<Opened extends Closable>(options: {
  readonly open: () => Promise<Opened>;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly longestPauseMs: number;
}): UseOpened<Opened> {
  const { open, clock, longestPauseMs } = options;
  let opening: Promise<Opened> | null = null;
  let users = 0;
  let lastUsed = { wallMs: 0, monotonicMs: 0 };

  /** A machine that is frozen may stop its monotonic clock. */
  const pauseMs = (): number =>
    Math.max(clock.nowMs() - lastUsed.wallMs, clock.monotonicMs() - lastUsed.monotonicMs);
  const openAnew = async (): Promise<Opened> => {
    try {
      return await open();
    } catch (error) {
      // The next one tries again.
      opening = null;
      throw error;
    }
  };
  const opened = async (): Promise<Opened> => {
    if (opening !== null && users === 0 && pauseMs() > longestPauseMs) {
      const stale = opening;
      opening = null;
      await (await stale).close();
    }
    opening ??= openAnew();
    return opening;
  };
  return async (use) => {
    const using = opened();
    users += 1;
    try {
      return await use(await using);
    } finally {
      users -= 1;
      lastUsed = { wallMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
    }
  };
}
