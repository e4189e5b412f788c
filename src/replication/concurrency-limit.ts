// How many attempts one store takes at once: halved when it asks for fewer requests, raised step by step while it
// answers (additive increase, multiplicative decrease). Where even one at a time is too many, pauses follow. A bucket that still spreads its load over more servers asks
// for fewer requests until it has; this follows it without knowing its rate.
import type { Clock } from '../core/clock.ts';

/** Requests that were under way together are refused together: that is one sign, not many. */
const CHANGE_INTERVAL_MS = 1_000;
/** From the floor back to the top in about this many steps of one interval. */
const STEPS_TO_TOP = 32;
/** Refusals in a row, without a success between them, after which one at a time is still too many. */
const PAUSES_AFTER = 5;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;

export class ConcurrencyLimit {
  readonly #max: number;
  readonly #clock: Clock;
  #value: number;
  #changedMs = Number.NEGATIVE_INFINITY;
  #refusedInARow = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  /** Begins at `max`, which it never exceeds; it never falls below one. */
  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
    this.#value = max;
  }

  get value(): number {
    return this.#value;
  }

  /** Milliseconds for which nothing may begin; 0 where there is no pause. */
  get pauseLeftMs(): number {
    return Math.max(0, this.#pausedUntilMs - this.#clock.monotonicMs());
  }

  /**
   * The store asked for fewer requests, and for none during `retryAfterMs`; null where it named no time. `allowed`: how
   * many attempts may run for other reasons, where that is fewer than this limit.
   */
  throttled(retryAfterMs: number | null, allowed = this.#value): void {
    this.#refusedInARow += 1;
    if (this.#value === 1 && this.#refusedInARow >= PAUSES_AFTER && this.pauseLeftMs === 0) {
      const askedMs = Math.min(retryAfterMs ?? 0, LONGEST_PAUSE_MS);
      this.#pausedUntilMs = this.#clock.monotonicMs() + Math.max(this.#pauseMs, askedMs);
      this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
    }
    if (!this.#mayChange()) return;
    this.#set(Math.max(1, Math.floor(Math.min(this.#value, allowed) / 2)));
  }

  /** The store answered. */
  succeeded(): void {
    this.#refusedInARow = 0;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#pausedUntilMs = Number.NEGATIVE_INFINITY;
    if (this.#value === this.#max || !this.#mayChange()) return;
    this.#set(Math.min(this.#max, this.#value + Math.max(1, Math.floor(this.#max / STEPS_TO_TOP))));
  }

  #mayChange(): boolean {
    return this.#clock.monotonicMs() - this.#changedMs >= CHANGE_INTERVAL_MS;
  }

  #set(value: number): void {
    this.#value = value;
    this.#changedMs = this.#clock.monotonicMs();
  }
}
