// Whether an upload can be finished before its session ends, told from how fast it went so far.
import type { Clock } from '../core/clock.ts';

/** Shorter than this an attempt says nothing about its pace. */
const MEASURED_MS = 60_000;

/** What is missing: the upload needs `neededMs` more at its pace, and has `leftMs`. */
export interface UploadTooSlow {
  readonly neededMs: number;
  readonly leftMs: number;
}

/** The pace of one attempt. Starts with its first byte. */
export class UploadPace {
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #endsAtMs: number;
  #movedBytes = 0;
  #isTold = false;

  /** `endsAtMs`: when the target forgets the session, in Unix milliseconds. */
  constructor(clock: Clock, endsAtMs: number) {
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
    this.#endsAtMs = endsAtMs;
  }

  /** Counts bytes that moved. */
  moved(bytes: number): void {
    this.#movedBytes += bytes;
  }

  /** What there is to tell, once: null while the rest fits, or while the pace is not known. */
  judge(remainingBytes: number): UploadTooSlow | null {
    const spentMs = this.#clock.monotonicMs() - this.#startedMs;
    if (this.#isTold || spentMs < MEASURED_MS || this.#movedBytes === 0) return null;
    const neededMs = Math.round((remainingBytes / this.#movedBytes) * spentMs);
    const leftMs = Math.round(this.#endsAtMs - this.#clock.nowMs());
    if (neededMs <= leftMs) return null;
    this.#isTold = true;
    return { neededMs, leftMs };
  }
}
