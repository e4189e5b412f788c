// What the worker knows of its two stores from every answer they give: whether one is down (store-breaker.ts), how
// many attempts it takes at once (concurrency-limit.ts), how many retries (retry-budget.ts). Decides from it how many
// attempts may begin. The answers are noted by the stores themselves (watched-stores.ts), so a fault is always laid
// at the right door, also one about credentials, which both sides can have.
import type { BackoffPolicy } from '../core/backoff.ts';
import type { Clock, Random } from '../core/clock.ts';
import { type Fault, type FaultCode, recordOfFault } from '../core/faults.ts';
import type { Happenings } from '../core/happenings.ts';
import type { StoreSide, StoreState } from '../core/store-state.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { InFlightLimit, type InFlightOptions } from './in-flight-limit.ts';
import { RetryBudget } from './retry-budget.ts';
import { type CallKind, StoreBreaker } from './store-breaker.ts';

/** Faults of the store as a whole, or of the way to it. */
const DOWN: ReadonlySet<FaultCode> = new Set([
  'source_unavailable',
  'source_unreachable',
  'target_unavailable',
  'target_unreachable',
  'credentials_expired',
  'credentials_unavailable',
]);
const THROTTLED: ReadonlySet<FaultCode> = new Set(['source_throttled', 'target_throttled']);
/** Errors of a store that may be about one object only: of several objects in a row they are most likely the store's. */
const ERRORS: ReadonlySet<FaultCode> = new Set(['source_error', 'target_error']);
/** Objects that have to fail so, with nothing else heard of the store, before it is about the store. */
const ERRONEOUS_OBJECTS = 5;
const LONGEST_WAIT_MS = 3_600_000;
/** Faults that may arise without an answer, or with one that is about one object: they say nothing. */
const UNCLEAR: ReadonlySet<FaultCode> = new Set([
  'source_read_broken',
  'source_refused',
  'name_not_storable',
  'unexpected',
]);

interface StoreHealthOptions {
  readonly side: StoreSide;
  readonly clock: Clock;
  readonly random: Random;
  readonly happenings: Happenings;
  readonly maxConcurrency: number;
  /** How many attempts may run at once as far as the process goes. */
  readonly inFlight: () => number;
  readonly backoff: BackoffPolicy;
  /** The store answers again. */
  readonly onUp: () => void;
  /** Transfers that wait now; null where the queue does not answer. */
  readonly countWaiting: () => Promise<number | null>;
}

/** One store. */
export class StoreHealth {
  readonly side: StoreSide;
  readonly limit: ConcurrencyLimit;
  readonly budget: RetryBudget;
  readonly breaker: StoreBreaker;
  readonly #faults = new WeakSet<Fault>();
  /** Objects whose calls ended with such an error since anything else was heard of such calls. */
  readonly #erroneous: Record<CallKind, Set<string>> = { read: new Set(), write: new Set() };
  #erroneousSinceMs = 0;
  readonly #clock: Clock;
  readonly #inFlight: () => number;

  constructor(options: StoreHealthOptions) {
    this.#inFlight = options.inFlight;
    const { side, clock, random, happenings, maxConcurrency, backoff, onUp, countWaiting } = options;
    this.side = side;
    this.#clock = clock;
    this.limit = new ConcurrencyLimit(maxConcurrency, clock);
    this.budget = new RetryBudget(clock);
    this.breaker = new StoreBreaker({
      backoff,
      clock,
      random,
      onDown: ({ sinceMs, fault }) => happenings.storeDown({ store: side, sinceMs, fault }),
      onUp: ({ sinceMs, downForMs, probeCount }) => {
        void countWaiting().then((waitingCount) =>
          happenings.storeUp({ store: side, sinceMs, downForMs, probeCount, waitingCount }),
        );
        onUp();
      },
    });
  }

  /** The store did what it was asked. */
  succeeded(call: CallKind): void {
    this.limit.succeeded();
    this.budget.succeeded();
    this.#answered(call);
  }

  /** A call failed, or nobody knows what became of it. `subject` names its object; null for calls about none. */
  failed(call: CallKind, fault: Fault, subject: string | null): void {
    // Bytes on their way from one store to the other can fail at both ends: whoever noted the fault first has it.
    if (fault.code.startsWith(this.side === 'source' ? 'target_' : 'source_')) return;
    this.#faults.add(fault);
    if (DOWN.has(fault.code)) this.breaker.failed(call, fault);
    else if (THROTTLED.has(fault.code)) {
      // One name written too often is no reason to slow all others down.
      if (fault.details['scope'] !== 'object') this.limit.throttled(fault.retryAfterMs, this.#inFlight());
      this.#answered(call);
    } else if (ERRORS.has(fault.code)) this.#erred(call, subject);
    else if (!UNCLEAR.has(fault.code)) this.#answered(call);
  }

  #answered(call: CallKind): void {
    // As in the breaker: a look that succeeds says nothing about writes.
    this.#erroneous.read.clear();
    if (call === 'write') this.#erroneous.write.clear();
    this.breaker.answered(call);
  }

  #erred(call: CallKind, subject: string | null): void {
    const objects = this.#erroneous[call];
    if (subject === null || objects.size === ERRONEOUS_OBJECTS) return;
    objects.add(subject);
    if (objects.size === ERRONEOUS_OBJECTS) this.#erroneousSinceMs = this.#clock.monotonicMs();
  }

  /**
   * True for an error that many objects get, while none gets anything else: it is waited out like a store that is
   * down. Not for ever, though: when nothing but objects that fail is left it looks the same.
   */
  isWaitedOut(fault: Fault): boolean {
    const { read, write } = this.#erroneous;
    if (!ERRORS.has(fault.code) || Math.max(read.size, write.size) < ERRONEOUS_OBJECTS) return false;
    return this.#clock.monotonicMs() - this.#erroneousSinceMs < LONGEST_WAIT_MS;
  }

  /** True for a fault that a call to this store ended with. */
  hasNoted(fault: Fault): boolean {
    return this.#faults.has(fault);
  }

  state(): StoreState {
    const { outage } = this.breaker;
    return {
      store: this.side,
      down:
        outage === null
          ? null
          : { sinceMs: outage.sinceMs, fault: recordOfFault(outage.fault, outage.faultAtMs) },
      concurrencyLimit: this.limit.value,
    };
  }
}

/** Both stores of a worker. */
export class StoresHealth {
  readonly source: StoreHealth;
  readonly target: StoreHealth;
  readonly #inFlight: InFlightLimit;
  readonly #both: readonly StoreHealth[];

  constructor(options: Omit<StoreHealthOptions, 'side' | 'inFlight'> & InFlightOptions) {
    this.#inFlight = new InFlightLimit(options);
    const inFlight = (): number => this.#inFlight.value;
    this.source = new StoreHealth({ ...options, inFlight, side: 'source' });
    this.target = new StoreHealth({ ...options, inFlight, side: 'target' });
    this.#both = [this.source, this.target];
  }

  /** True while a store is down: every attempt that begins is a probe. */
  get isDown(): boolean {
    return this.#both.some(({ breaker }) => breaker.outage !== null);
  }

  /** How many more attempts may begin beside those running. */
  room(runningCount: number): number {
    if (this.msUntilRoom() > 0) return 0;
    if (this.isDown) return 1;
    this.#inFlight.look(runningCount);
    const limits = this.#both.map(({ limit }) => limit.value);
    return Math.max(0, Math.min(this.#inFlight.value, ...limits) - runningCount);
  }

  /** Milliseconds until an attempt may begin at all, a probe where a store is down; 0 for now. */
  msUntilRoom(): number {
    return Math.max(
      ...this.#both.flatMap(({ breaker, limit }) => [breaker.msUntilProbe(), limit.pauseLeftMs]),
    );
  }

  probeBegun(): void {
    for (const { breaker } of this.#both) breaker.probeBegun();
  }

  probeEnded(): void {
    for (const { breaker } of this.#both) breaker.probeEnded();
  }

  /** The store whose fault this is; null where it is nobody's. */
  ownerOf(fault: Fault): StoreHealth | null {
    const noted = this.#both.find((store) => store.hasNoted(fault));
    if (noted !== undefined) return noted;
    return this.#both.find(({ side }) => fault.code.startsWith(`${side}_`)) ?? null;
  }

  states(): readonly StoreState[] {
    return this.#both.map((store) => {
      const state = store.state();
      return { ...state, concurrencyLimit: Math.min(state.concurrencyLimit, this.#inFlight.value) };
    });
  }
}
