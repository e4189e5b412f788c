// The ids of deliveries that were taken, as they are kept in the database. Everything runs inside a transaction.
import type { DatabaseSync, StatementSync } from 'node:sqlite';

export const FORGET_DELIVERIES =
  'DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE taken_at < ? ORDER BY taken_at LIMIT ?)';

export class Deliveries {
  readonly #keep: StatementSync;
  readonly #forget: StatementSync;

  constructor(database: DatabaseSync) {
    this.#keep = database.prepare(
      'INSERT INTO deliveries (id, taken_at) VALUES (?, ?) ON CONFLICT DO NOTHING',
    );
    this.#forget = database.prepare(FORGET_DELIVERIES);
  }

  /** Keeps an id; false where it is kept already. */
  keep(deliveryId: string, takenAtMs: number): boolean {
    return Number(this.#keep.run(deliveryId, takenAtMs).changes) === 1;
  }

  /** Forgets at most `limit` ids taken before `beforeMs`, the oldest first; returns how many. */
  forget({ beforeMs, limit }: { readonly beforeMs: number; readonly limit: number }): number {
    return Number(this.#forget.run(Math.ceil(beforeMs), limit).changes);
  }
}
