// The messages that nobody can receive yet, the one that comes back first on top.
import type { StoredMessage } from './stored-message.ts';

interface Hidden {
  readonly untilMs: number;
  readonly message: StoredMessage;
}

/** A binary heap. An entry whose message was hidden anew or is gone since is dropped when it comes to the top. */
export class HiddenMessages {
  readonly #heap: Hidden[] = [];

  add(message: StoredMessage): void {
    const entry = { untilMs: message.hiddenUntilMs, message };
    let index = this.#heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#untilAt(parent) <= entry.untilMs) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  /** When the next one comes back; null where none is hidden. */
  nextMs(): number | null {
    this.#dropStale();
    return this.#heap[0]?.untilMs ?? null;
  }

  /** Takes the next one whose time has come; null where there is none. */
  takeDue(nowMs: number): StoredMessage | null {
    this.#dropStale();
    const top = this.#heap[0];
    if (top === undefined || top.untilMs > nowMs) return null;
    this.#dropTop();
    return top.message;
  }

  #dropStale(): void {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined) return;
      const { place, hiddenUntilMs } = top.message;
      if ((place === 'delayed' || place === 'in_flight') && hiddenUntilMs === top.untilMs) return;
      this.#dropTop();
    }
  }

  #dropTop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const smaller = this.#untilAt(left + 1) < this.#untilAt(left) ? left + 1 : left;
      if (this.#untilAt(smaller) >= this.#untilAt(index)) return;
      this.#swap(index, smaller);
      index = smaller;
    }
  }

  #untilAt(index: number): number {
    return this.#heap[index]?.untilMs ?? Number.POSITIVE_INFINITY;
  }

  #swap(one: number, other: number): void {
    const [first, second] = [this.#heap[one], this.#heap[other]];
    if (first === undefined || second === undefined) return;
    this.#heap[one] = second;
    this.#heap[other] = first;
  }
}
