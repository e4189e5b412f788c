// The promise of the brake on mirrored deletes, held against every delete that a service sends: within one window no
// more than the limit, unless a person let some pass.
import { Violation } from './versions.ts';

export const BRAKE_WINDOW_MS = 20_000;

export class BrakeJudge {
  readonly #limit: number | null;
  /** The deletes since the last decision: the state of the object each was for, and when it was first sent. */
  #sent = new Map<string, number>();
  #released = 0;

  /** `limit`: null where the brake is never reached. */
  constructor(limit: number | null) {
    this.#limit = limit;
  }

  /** A person let so many held deletes pass; none where they were rejected. Counting begins anew. */
  decided(released: number): void {
    this.#sent = new Map();
    this.#released = released;
  }

  /** A delete leaves a process. The same state of an object can be deleted only once, however often it is tried. */
  sent(key: string, token: string, nowMs: number): void {
    if (this.#limit === null || this.#sent.has(`${key} ${token}`)) return;
    this.#sent.set(`${key} ${token}`, nowMs);
    const recent = [...this.#sent.values()].filter((atMs) => atMs > nowMs - BRAKE_WINDOW_MS);
    if (recent.length <= this.#limit + this.#released) return;
    throw new Violation(
      'I10',
      `${recent.length} deletes within a window, where ${this.#limit} and ${this.#released} released ones may be`,
    );
  }
}
