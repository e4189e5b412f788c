// The ids of deliveries that were taken, as the queue in memory keeps them.
import { checkLimit } from '../page-cursor.ts';

export class MemoryDeliveries {
  /** When each was taken, by the wall clock. */
  readonly #takenAtMs = new Map<string, number>();

  /** Keeps an id; false where it is kept already. */
  keep(deliveryId: string, takenAtMs: number): boolean {
    if (this.#takenAtMs.has(deliveryId)) return false;
    this.#takenAtMs.set(deliveryId, takenAtMs);
    return true;
  }

  /** Forgets at most `limit` ids taken before `beforeMs`, the oldest first; returns how many. */
  forget({ beforeMs, limit }: { readonly beforeMs: number; readonly limit: number }): number {
    checkLimit(limit);
    const old = [...this.#takenAtMs]
      .filter(([, takenAtMs]) => takenAtMs < beforeMs)
      .sort((a, b) => a[1] - b[1])
      .slice(0, limit);
    for (const [deliveryId] of old) this.#takenAtMs.delete(deliveryId);
    return old.length;
  }
}
