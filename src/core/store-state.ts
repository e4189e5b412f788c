// What the service knows about a store from the answers to its own requests: for people, dashboards and alerts.
import type { FaultRecord } from './faults.ts';

export type StoreSide = 'source' | 'target';

/** A store that does not answer, or cannot be asked for want of credentials. Transfers wait meanwhile. */
export interface StoreDown {
  /** When the first of the failures came that led to this, by the wall clock. */
  readonly sinceMs: number;
  /** The latest failure. */
  readonly fault: FaultRecord;
}

export interface StoreState {
  readonly store: StoreSide;
  /** Null while the store answers. */
  readonly down: StoreDown | null;
  /** How many attempts may run at once as far as this store goes: falls when it asks for fewer requests, then rises. */
  readonly concurrencyLimit: number;
}
