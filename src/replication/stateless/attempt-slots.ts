// Who may begin an attempt, and when: as many side by side as both stores take, in two lanes by size, so that a few
// huge objects never hold back small ones. While a store is down one attempt at a time is let through as a probe.
import type { Clock } from '../../core/clock.ts';
import { Fault } from '../../core/faults.ts';
import type { Lane } from '../../core/transfer-queue.ts';
import { mostLarge } from '../in-flight-limit.ts';
import type { StoresHealth } from '../store-health.ts';

interface AttemptSlotsOptions {
  readonly health: StoresHealth;
  readonly clock: Clock;
  /** Attempts side by side at most. */
  readonly maxConcurrency: number;
  /** Told when an attempt may begin that could not before. */
  readonly onFree: () => void;
}

/** The right to run one attempt. */
export interface Slot {
  readonly lane: Lane;
  /** A store is down, and the attempt is to find out whether it still is. */
  readonly isProbe: boolean;
  /** Goes over to the large lane; false where it has no room, and the slot stays what it is. */
  enterLarge(): boolean;
  /** The attempt has ended. */
  release(): void;
}

interface Waiting {
  readonly lane: Lane;
  readonly grant: (slot: Slot) => void;
}

export class AttemptSlots {
  readonly #options: AttemptSlotsOptions;
  readonly #taken = new Set<{ lane: Lane }>();
  #waiting: Waiting[] = [];
  #wasProbeLarge = false;
  /** Ends the wait for the moment when a store may be asked again; null while nobody waits for it. */
  #alarm: AbortController | null = null;

  constructor(options: AttemptSlotsOptions) {
    this.#options = options;
  }

  /** Attempts that could begin now, beyond those that wait. */
  get free(): number {
    return Math.max(0, this.#room().total - this.#waiting.filter(({ lane }) => lane === 'small').length);
  }

  /** Milliseconds until an attempt may begin where the stores let none begin now; null where that is not the reason. */
  get untilFreeMs(): number | null {
    const ms = this.#options.health.msUntilRoom();
    return ms > 0 ? ms : null;
  }

  /** How many wait for room among the large objects. */
  get waitingLarge(): number {
    return this.#waiting.filter(({ lane }) => lane === 'large').length;
  }

  get mostLarge(): number {
    return mostLarge(this.#options.maxConcurrency);
  }

  /**
   * Waits for room in a lane, first come, first served. Rejects with the signal's reason when aborted. Whoever gets a
   * slot releases it, also where the signal was aborted meanwhile.
   */
  async acquire(lane: Lane, signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted();
    return new Promise<Slot>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        this.#settleAlarm();
        reject(signal.reason as Error);
      };
      const grant = (slot: Slot): void => {
        signal.removeEventListener('abort', onAbort);
        resolve(slot);
      };
      const waiting = { lane, grant };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
      this.serve();
    });
  }

  /**
   * As `acquire`, but resolves with the latest fault of a store that has let nobody begin for `longestMs` and still is
   * down. A wait for other attempts has no end but the signal's.
   */
  async acquireUnlessDown(lane: Lane, signal: AbortSignal, longestMs: number): Promise<Slot | Fault> {
    const over = new AbortController();
    const done = new AbortController();
    const watching = this.#abortWhileDown(over, longestMs, done.signal);
    try {
      return await this.acquire(lane, AbortSignal.any([signal, over.signal]));
    } catch (error) {
      if (over.signal.aborted && error === over.signal.reason && error instanceof Fault) return error;
      throw error;
    } finally {
      done.abort();
      await watching;
    }
  }

  async #abortWhileDown(over: AbortController, longestMs: number, done: AbortSignal): Promise<void> {
    const { clock, health } = this.#options;
    try {
      for (;;) {
        await clock.sleep(longestMs, done);
        const down = health.states().find((state) => state.down !== null)?.down;
        if (down !== null && down !== undefined) {
          const { code, message, details } = down.fault;
          over.abort(new Fault(code, message, { details }));
          return;
        }
      }
    } catch {
      // Nobody waits any more.
    }
  }

  /** Lets begin what may: to be called when a store answers again. */
  serve(): void {
    for (let next = this.#next(); next !== null; next = this.#next()) this.#grant(next);
    this.#settleAlarm();
    if (this.free > 0) this.#options.onFree();
  }

  #grant(waiting: Waiting): void {
    const { health } = this.#options;
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    const taken: { lane: Lane } = { lane: waiting.lane };
    this.#taken.add(taken);
    const isProbe = health.isDown;
    if (isProbe) {
      health.probeBegun();
      this.#wasProbeLarge = taken.lane === 'large';
    }
    waiting.grant({
      get lane() {
        return taken.lane;
      },
      isProbe,
      enterLarge: () => {
        if (this.#largeLeft() === 0) return false;
        taken.lane = 'large';
        return true;
      },
      release: () => {
        if (!this.#taken.delete(taken)) return;
        if (isProbe) health.probeEnded();
        this.serve();
      },
    });
  }

  /** Whose turn it is; null where nobody's. */
  #next(): Waiting | null {
    const room = this.#room();
    if (room.total === 0) return null;
    const large = room.large > 0 ? this.#first('large') : null;
    const small = this.#first('small');
    // A large object that always fails must not be every probe of a store that is down.
    if (this.#options.health.isDown && this.#wasProbeLarge) return small ?? large;
    return large ?? small;
  }

  #first(lane: Lane): Waiting | null {
    return this.#waiting.find((waiting) => waiting.lane === lane) ?? null;
  }

  /** As many as both stores take. Beside large objects one small one may always run: those can take hours. */
  #room(): { readonly total: number; readonly large: number } {
    const { health, maxConcurrency } = this.#options;
    const runningCount = this.#taken.size;
    const total = health.room(runningCount);
    if (total > 0 || health.isDown || health.msUntilRoom() > 0) return { total, large: this.#largeLeft() };
    const areAllLarge = [...this.#taken].every(({ lane }) => lane === 'large');
    return { total: runningCount < maxConcurrency && areAllLarge ? 1 : 0, large: 0 };
  }

  #largeLeft(): number {
    let taken = 0;
    for (const { lane } of this.#taken) if (lane === 'large') taken += 1;
    return Math.max(0, this.mostLarge - taken);
  }

  /** While somebody waits for a store, the next moment at which it may be asked is waited for, and no longer. */
  #settleAlarm(): void {
    const ms = this.untilFreeMs;
    if (this.#waiting.length === 0 || ms === null) {
      this.#alarm?.abort();
      this.#alarm = null;
      return;
    }
    if (this.#alarm !== null) return;
    const alarm = new AbortController();
    this.#alarm = alarm;
    void this.#serveAfter(ms, alarm.signal);
  }

  async #serveAfter(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.clock.sleep(ms, signal);
    } catch {
      // Called off: somebody served meanwhile.
      return;
    }
    this.#alarm = null;
    this.serve();
  }
}
