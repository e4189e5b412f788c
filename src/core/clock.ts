// Ports for time and chance. Core and replication have no other source of either, so that a whole fleet can run
// in a simulation.

export interface Clock {
  /** Wall time in Unix milliseconds: for display, records and what other machines must understand. */
  nowMs(): number;
  /** Monotonic milliseconds since an unknown start: for durations and leases. */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}
