// The time by which queue rows become due: wall time when the queue was opened plus the monotonic time since.
// A jump of the machine's clock neither expires leases nor ends a grace early.
import type { Clock } from '../core/clock.ts';

/** One moment on the clocks a queue needs. */
export interface QueueTime {
  /** Unix milliseconds by the machine's clock: for records and display. */
  readonly wallMs: number;
  /** Milliseconds that never jump: for due times and leases. Meaningful inside one process. */
  readonly steadyMs: number;
}

export interface SteadyClock {
  now(): QueueTime;
  /** The monotonic time, as `Clock` tells it, of a moment in steady milliseconds. */
  toMonotonicMs(steadyMs: number): number;
}

/** Starts the steady time of one opened queue at the wall time of now. */
export function startSteadyClock(clock: Clock): SteadyClock {
  const offsetMs = Math.floor(clock.nowMs()) - clock.monotonicMs();
  return {
    now: () => ({ wallMs: Math.floor(clock.nowMs()), steadyMs: clock.monotonicMs() + offsetMs }),
    toMonotonicMs: (steadyMs) => steadyMs - offsetMs,
  };
}

/** The whole millisecond at which something is due: never earlier than asked for. */
export function dueAfter(now: QueueTime, delayMs: number): number {
  return Math.ceil(now.steadyMs + Math.max(0, delayMs));
}
