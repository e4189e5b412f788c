// A clock that moves only when a test says so; wall and monotonic time move apart where a test wants that.
import type { Clock } from '../../src/core/clock.ts';

export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 5_000;

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = wallMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Lets time pass on both clocks. */
  advance(ms: number): void {
    this.#wallMs += ms;
    this.#monotonicMs += ms;
  }

  /** Somebody sets the machine's clock: only the wall time moves. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  /** A queue never sleeps. */
  sleep(): Promise<void> {
    return Promise.reject(new Error('Nothing sleeps on this clock'));
  }
}
