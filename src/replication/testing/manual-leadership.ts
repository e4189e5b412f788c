// Who leads, as the test says.
import type { Leadership } from '../../core/leadership.ts';

export class ManualLeadership implements Leadership {
  #isLeader: boolean;
  readonly #listeners = new Set<(isLeader: boolean) => void>();

  constructor(isLeader: boolean) {
    this.#isLeader = isLeader;
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  set isLeader(isLeader: boolean) {
    this.#isLeader = isLeader;
    for (const listener of this.#listeners) listener(isLeader);
  }

  onChange(listener: (isLeader: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
