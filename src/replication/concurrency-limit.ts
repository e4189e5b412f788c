// How many attempts one store takes at once: halved when it asks for fewer requests, raised step by step while it
// answers (additive increase, multiplicative decrease). A bucket that still spreads its load over more servers asks
// for fewer requests until it has; this follows it without knowing its rate.
import type { Clock } from '../core/clock.ts';

/** Requests that were under way together are refused together: that is one sign, not many. */
const CHANGE_INTERVAL_MS = 1_000;
/** From the floor back to the top in about this many steps of one interval. */
const STEPS_TO_TOP = 32;

export class ConcurrencyLimit {
  readonly #max: number;
  readonly #clock: Clock;
  #value: number;
  #changedMs = Number.NEGATIVE_INFINITY;

  /** Begins at `max`, which it never exceeds; it never falls below one. */
  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
    this.#value = max;
  }

  get value(): number {
    return this.#value;
  }

  /** The store asked for fewer requests. */
  throttled(): void {
    if (!this.#mayChange()) return;
    this.#set(Math.max(1, Math.floor(this.#value / 2)));
  }

  /** The store answered. */
  succeeded(): void {
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
