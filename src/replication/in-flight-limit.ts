// How many attempts run side by side, found while they run: more where all places are taken and the process idles all the
// same, because then it is the latency of the stores that bounds it; fewer where the process has no time left for them.
import type { Clock } from '../core/clock.ts';

/** Enough to keep a processor busy where the stores are near. */
const FIRST = 32;
const LOOK_INTERVAL_MS = 250;
/** The shares of its time that the process works: below the one it could do more, above the other it does too much. */
const IDLE_BELOW = 0.7;
const BUSY_ABOVE = 0.95;
const RAISE = 1.25;
const LOWER = 0.9;
/** Of so many places a quarter at most may hold large objects: those are bound by bytes, not by latency. */
const PLACES_FOR_LARGE = 64;

/** How many attempts at once may be of large objects, where so many attempts may run. */
export function mostLarge(maxConcurrency: number): number {
  return Math.max(1, Math.floor(Math.min(maxConcurrency, PLACES_FOR_LARGE) / 4));
}

export interface InFlightOptions {
  /** Never more than this. */
  readonly maxConcurrency: number;
  readonly clock: Clock;
  /** The share of the time since the call before, from 0 to 1, in which the process worked. Left out: always `max`. */
  readonly busyShare?: () => number;
  /** True while transfers wait for memory: then the process idles for no want of them. */
  readonly isHeldBack: () => boolean;
}

export class InFlightLimit {
  readonly #max: number;
  readonly #least: number;
  readonly #clock: Clock;
  readonly #busyShare: (() => number) | null;
  readonly #isHeldBack: () => boolean;
  #value: number;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor({ maxConcurrency, clock, busyShare, isHeldBack }: InFlightOptions) {
    this.#max = maxConcurrency;
    this.#clock = clock;
    this.#busyShare = busyShare ?? null;
    this.#isHeldBack = isHeldBack;
    this.#least = busyShare === undefined ? maxConcurrency : Math.min(FIRST, maxConcurrency);
    this.#value = this.#least;
  }

  get value(): number {
    return this.#value;
  }

  /** An attempt ended or wants to begin, beside so many that run. */
  look(runningCount: number): void {
    if (this.#busyShare === null) return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lookedMs < LOOK_INTERVAL_MS) return;
    this.#lookedMs = nowMs;
    const share = this.#busyShare();
    if (share > BUSY_ABOVE || this.#isHeldBack())
      this.#value = Math.max(this.#least, Math.floor(this.#value * LOWER));
    // Whoever asks has just left a place.
    else if (share < IDLE_BELOW && runningCount + 1 >= this.#value)
      this.#value = Math.min(this.#max, Math.ceil(this.#value * RAISE));
  }
}
