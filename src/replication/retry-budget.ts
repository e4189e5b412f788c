// How many retries one store is sent: a share of what succeeds, and a trickle. Without it a store that fails half of
// what it is asked gets twice the load just when it can take it least.
import type { Clock } from '../core/clock.ts';

const CAPACITY = 50;
const PER_SUCCESS = 0.1;
const PER_SECOND = 5;
/** What is owed beyond this is forgotten, so that a long trouble is not paid for long after. */
const MOST_OWED = 300;

export class RetryBudget {
  readonly #clock: Clock;
  #tokens = CAPACITY;
  #filledMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledMs = clock.monotonicMs();
  }

  /** The store did what it was asked. */
  succeeded(): void {
    this.#fill(PER_SUCCESS);
  }

  /** Takes one retry. Returns the milliseconds it has to wait for its turn: 0 where the budget covers it. */
  take(): number {
    const nowMs = this.#clock.monotonicMs();
    this.#fill((PER_SECOND * (nowMs - this.#filledMs)) / 1000);
    this.#filledMs = nowMs;
    this.#tokens = Math.max(-MOST_OWED, this.#tokens - 1);
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens / PER_SECOND) * 1000);
  }

  #fill(tokens: number): void {
    this.#tokens = Math.min(CAPACITY, this.#tokens + tokens);
  }
}
