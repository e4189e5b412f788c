// Counts how often in a row an object had to wait for its store, so that its pauses grow although no attempt is
// counted. In memory only: after a restart the pauses begin small again.
import type { TransferRef } from '../core/happenings.ts';

/** Objects remembered; the one that has waited longest without a new wait is forgotten first. */
const MOST_REMEMBERED = 10_000;

export class WaitStreaks {
  readonly #counts = new Map<string, number>();

  /** Notes one more wait. Returns how many there were in a row. */
  next(ref: TransferRef): number {
    const name = nameOf(ref);
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.delete(name);
    this.#counts.set(name, count);
    if (this.#counts.size > MOST_REMEMBERED) {
      const [oldest] = this.#counts.keys();
      if (oldest !== undefined) this.#counts.delete(oldest);
    }
    return count;
  }

  /** The object is out of its trouble. */
  end(ref: TransferRef): void {
    if (this.#counts.size > 0) this.#counts.delete(nameOf(ref));
  }
}

function nameOf({ ruleName, source }: TransferRef): string {
  return JSON.stringify([ruleName, source.bucket, source.key]);
}
