// How much one caller may hand over, so that one that floods takes nothing from the others: an allowance that grows with
// time and that changes are paid from. A document is taken whole or not at all: it may put its caller into debt, and the
// next one waits until that is paid.
import type { Clock } from '../core/clock.ts';

/** What a caller did not use within this time may come at once. */
const SAVED_SEC = 20;
/** An allowance that is full again is forgotten; more than so many callers are looked through for such. */
const MANY_CALLERS = 1_000;

interface Allowance {
  /** Changes; below zero where the last document was larger than what was left. */
  left: number;
  atMs: number;
}

export class CallerQuota {
  readonly #perSec: number | null;
  readonly #clock: Clock;
  readonly #allowances = new Map<string, Allowance>();

  /** `perSec`: changes per second in the long run, above zero; null: no limit. */
  constructor(perSec: number | null, clock: Clock) {
    if (perSec !== null && !(perSec > 0)) throw new RangeError('A quota is above zero');
    this.#perSec = perSec;
    this.#clock = clock;
  }

  /**
   * Null where the caller may hand over a document, which costs it one change; else the seconds after which it may, at
   * least one.
   */
  begin(callerId: string): number | null {
    if (this.#perSec === null) return null;
    const { left } = this.#now(callerId, this.#perSec);
    if (left <= 0) return Math.max(1, Math.ceil((1 - left) / this.#perSec));
    this.#take(callerId, 1, this.#perSec);
    return null;
  }

  /** The document that was begun turned out to hold so many changes: all but the first are paid for here. */
  charge(callerId: string, changes: number): void {
    if (this.#perSec !== null) this.#take(callerId, Math.max(0, changes - 1), this.#perSec);
  }

  #take(callerId: string, changes: number, perSec: number): void {
    const allowance = this.#now(callerId, perSec);
    allowance.left -= changes;
    this.#allowances.set(callerId, allowance);
    if (this.#allowances.size > MANY_CALLERS) this.#forgetRested(perSec);
  }

  #now(callerId: string, perSec: number): Allowance {
    const nowMs = this.#clock.monotonicMs();
    const full = perSec * SAVED_SEC;
    const known = this.#allowances.get(callerId);
    if (known === undefined) return { left: full, atMs: nowMs };
    known.left = Math.min(full, known.left + (perSec * (nowMs - known.atMs)) / 1000);
    known.atMs = nowMs;
    return known;
  }

  #forgetRested(perSec: number): void {
    for (const callerId of this.#allowances.keys()) {
      if (this.#now(callerId, perSec).left >= perSec * SAVED_SEC) this.#allowances.delete(callerId);
    }
  }
}
