// Decides when a store counts as down and when it may be tried. Closed: everything goes on. Open, after a few
// failures of the store as a whole without a success between them: one attempt at a time is let through as a probe,
// and the first success closes it. What a failure of the store as a whole is: store-health.ts.
//
// Reads and writes are watched apart, since a store may answer looks and refuse every write: a look that succeeds
// says nothing about writes. A write that succeeds shows that the store is there at all.
import { backoffMs, type BackoffPolicy } from '../core/backoff.ts';
import type { Clock, Random } from '../core/clock.ts';
import type { Fault } from '../core/faults.ts';

export type CallKind = 'read' | 'write';

/** Failures in a row that open the breaker. */
const OPENS_AFTER = 5;
/** Probes are at most this far apart, so that a store's return is noticed soon. */
export const LONGEST_PROBE_MS = 15_000;

interface Streak {
  readonly count: number;
  /** Wall time of the first failure. */
  readonly sinceMs: number;
}

export interface Outage {
  /** Wall time of the first of the failures that opened the breaker. */
  readonly sinceMs: number;
  /** The latest failure, and when it came. */
  readonly fault: Fault;
  readonly faultAtMs: number;
}

interface Open extends Outage {
  /** The calls that failed: their success closes. */
  readonly call: CallKind;
  readonly openedMonotonicMs: number;
  probeCount: number;
  nextProbeMonotonicMs: number;
  /** A probe was let through and nothing was heard of the store since. */
  isProbing: boolean;
  fault: Fault;
  faultAtMs: number;
}

interface StoreBreakerOptions {
  /** How the pauses between probes grow; none is longer than LONGEST_PROBE_MS. */
  readonly backoff: BackoffPolicy;
  readonly clock: Clock;
  readonly random: Random;
  readonly onDown: (outage: Outage) => void;
  /** `downForMs`: since the breaker opened. */
  readonly onUp: (ended: {
    readonly sinceMs: number;
    readonly downForMs: number;
    readonly probeCount: number;
  }) => void;
}

export class StoreBreaker {
  readonly #options: StoreBreakerOptions;
  readonly #streaks: Record<CallKind, Streak | null> = { read: null, write: null };
  #open: Open | null = null;

  constructor(options: StoreBreakerOptions) {
    this.#options = options;
  }

  /** Null while the store counts as up. */
  get outage(): Outage | null {
    return this.#open;
  }

  /** The store answered such a call, if only to refuse it for a reason of its own. */
  answered(call: CallKind): void {
    this.#streaks[call] = null;
    if (call === 'write') this.#streaks.read = null;
    const open = this.#open;
    if (open === null || (call === 'read' && open.call === 'write')) return;
    this.#open = null;
    const { sinceMs, probeCount } = open;
    const downForMs = this.#options.clock.monotonicMs() - open.openedMonotonicMs;
    this.#options.onUp({ sinceMs, probeCount, downForMs });
  }

  /** Such a call failed because of the store as a whole, or of the way to it. */
  failed(call: CallKind, fault: Fault): void {
    const { clock, onDown } = this.#options;
    const open = this.#open;
    if (open !== null) {
      open.fault = fault;
      open.faultAtMs = clock.nowMs();
      // What was under way when the breaker opened fails as well and says nothing new.
      if (open.isProbing) this.#putOff(open, fault);
      return;
    }
    const known = this.#streaks[call];
    const streak = { count: (known?.count ?? 0) + 1, sinceMs: known?.sinceMs ?? clock.nowMs() };
    this.#streaks[call] = streak;
    if (streak.count < OPENS_AFTER) return;
    const opened: Open = {
      call,
      sinceMs: streak.sinceMs,
      fault,
      faultAtMs: clock.nowMs(),
      openedMonotonicMs: clock.monotonicMs(),
      probeCount: 0,
      nextProbeMonotonicMs: 0,
      isProbing: false,
    };
    this.#putOff(opened, fault);
    this.#open = opened;
    onDown(opened);
  }

  /** Milliseconds until a probe may begin; 0 for now, and while the store is up. */
  msUntilProbe(): number {
    if (this.#open === null) return 0;
    return Math.max(0, this.#open.nextProbeMonotonicMs - this.#options.clock.monotonicMs());
  }

  /** An attempt begins while the store is down. A probe that hangs does not keep the next one back for longer. */
  probeBegun(): void {
    const open = this.#open;
    if (open === null) return;
    open.isProbing = true;
    open.probeCount += 1;
    open.nextProbeMonotonicMs = this.#options.clock.monotonicMs() + LONGEST_PROBE_MS;
  }

  /** Such an attempt ended. Where it never asked this store anything, the next one may begin at once. */
  probeEnded(): void {
    if (this.#open?.isProbing !== true) return;
    this.#open.isProbing = false;
    this.#open.nextProbeMonotonicMs = this.#options.clock.monotonicMs();
  }

  #putOff(open: Open, fault: Fault): void {
    const { backoff, clock, random } = this.#options;
    open.isProbing = false;
    const capMs = Math.min(backoff.capMs, LONGEST_PROBE_MS);
    const ceilingMs = backoffMs({ baseMs: backoff.baseMs, capMs }, open.probeCount + 1, 1, null);
    // Never the same moment for a whole fleet, and never at once.
    const jitteredMs = Math.floor((ceilingMs * (1 + random.next())) / 2);
    const askedMs = Math.min(fault.retryAfterMs ?? 0, capMs);
    open.nextProbeMonotonicMs = clock.monotonicMs() + Math.max(jitteredMs, askedMs);
  }
}
