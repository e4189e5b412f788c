// The way between a process and a store or queue: a call becomes a request that arrives some time later, or never,
// and an answer that comes back, or gets lost. Says what a caller may see; the stores decide what it means.
import type { Process, Scheduler } from './scheduler.ts';

/** The longest a request lives in the network, also after its sender has given it up or died. */
export const REQUEST_LIFE_MS = 5_000;
/** After this a caller gives up waiting for an answer. */
export const DEADLINE_MS = 2_500;

/** What became of a request that nobody answered: it was refused at once, or nobody knows. */
export type Trouble = 'refused' | 'no_answer';

export interface Call<Answer> {
  readonly process: Process;
  readonly signal: AbortSignal | null;
  /** True where the call changes something: then it may also take effect long after its caller gave it up. */
  readonly isEffect: boolean;
  /** What the history says about the call. */
  readonly name: () => string;
  /** The store at work; runs at most once. */
  readonly perform: () => Promise<Answer>;
  readonly show: (answer: Answer) => string;
  /** What the caller gets instead of an answer: returned, or thrown. */
  readonly troubled: (trouble: Trouble) => Answer;
}

const LATENCIES_MS = [0, 150, 700, 2_000];
const LATENCY_WEIGHTS = [80, 10, 7, 3];

export class Network {
  readonly scheduler: Scheduler;
  /** How many of a thousand calls go wrong; zero once the run becomes calm. */
  faultPermille = 0;
  /** Whether requests take different times. */
  hasLatency = false;
  readonly #inFlight = new Map<Process, Set<() => void>>();

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
  }

  /** Sends a call of a live process; what a dead process wants never happens. */
  send<Answer>(call: Call<Answer>): Promise<Answer> {
    if (!call.process.isAlive) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      if (call.signal?.aborted === true) {
        reject(call.signal.reason as Error);
        return;
      }
      const exchange = new Exchange(this, call, resolve, reject);
      exchange.begin();
    });
  }

  /** Time that a request or an answer takes, when nothing is wrong. */
  latencyMs(): number {
    if (!this.hasLatency) return 0;
    return LATENCIES_MS[this.scheduler.choices.weighted(LATENCY_WEIGHTS)] ?? 0;
  }

  /** Notes the function that takes a request back, should its sender die. */
  track(process: Process, drop: () => void): () => void {
    const drops = this.#inFlight.get(process) ?? new Set();
    this.#inFlight.set(process, drops);
    drops.add(drop);
    return () => void drops.delete(drop);
  }

  /** A process is gone: nothing reaches it any more; what it sent may still arrive. */
  lose(process: Process): void {
    process.isAlive = false;
    this.scheduler.forget(process);
    for (const drop of this.#inFlight.get(process) ?? []) {
      if (this.scheduler.choices.weighted([1, 1]) === 0) drop();
    }
    this.#inFlight.delete(process);
  }
}

/** One call on its way. */
class Exchange<Answer> {
  readonly #network: Network;
  readonly #call: Call<Answer>;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: unknown) => void;
  #isOver = false;

  constructor(
    network: Network,
    call: Call<Answer>,
    resolve: (answer: Answer) => void,
    reject: (error: unknown) => void,
  ) {
    this.#network = network;
    this.#call = call;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(): void {
    this.#call.signal?.addEventListener('abort', this.#onAbort, { once: true });
    const { choices } = this.#network.scheduler;
    const latencyMs = this.#network.latencyMs();
    if (!choices.chance(this.#network.faultPermille)) {
      this.#arrive(latencyMs, (deliver) => this.#answer(deliver, Math.min(this.#network.latencyMs(), DEADLINE_MS - latencyMs)));
      return;
    }
    switch (choices.weighted(this.#call.isEffect ? [3, 5, 5, 1] : [3, 3, 0, 1])) {
      case 0:
        this.#fail('refused', latencyMs);
        return;
      case 1:
        this.#arrive(latencyMs, () => this.#fail('no_answer', DEADLINE_MS - latencyMs));
        return;
      case 2:
        this.#arrive(500 + choices.pick(10) * 500, null);
        this.#fail('no_answer', choices.oneOf([DEADLINE_MS, 300]));
        return;
      default:
        this.#fail('no_answer', DEADLINE_MS);
    }
  }

  readonly #onAbort = (): void => {
    this.#settle(() => this.#reject(this.#call.signal?.reason));
  };

  /** The request arrives in `delayMs` and is performed; `then` sends the answer, null where it is lost. */
  #arrive(delayMs: number, then: ((deliver: () => void) => void) | null): void {
    const { scheduler } = this.#network;
    const { process, perform, show, name, isEffect } = this.#call;
    const run = (): void => {
      untrack();
      if (this.#isOver && !isEffect) return;
      perform().then(
        (answer) => {
          scheduler.note(() => `${process.name} ${name()}: ${show(answer)}${then === null ? ' (late)' : ''}`);
          then?.(() => this.#resolve(answer));
        },
        (error: unknown) => {
          scheduler.note(() => `${process.name} ${name()}: ${String(error)}`);
          then?.(() => this.#reject(error));
        },
      );
    };
    const untrack = this.#network.track(
      process,
      scheduler.schedule({ receiver: null, delayMs: Math.min(delayMs, REQUEST_LIFE_MS), run }),
    );
  }

  #answer(deliver: () => void, delayMs: number): void {
    const { process } = this.#call;
    const { scheduler } = this.#network;
    if (delayMs === 0 && process.pausedUntilMs <= scheduler.nowMs) this.#settle(deliver);
    else scheduler.schedule({ receiver: process, delayMs, run: () => this.#settle(deliver) });
  }

  #fail(trouble: Trouble, delayMs: number): void {
    const { process, name, troubled } = this.#call;
    const { scheduler } = this.#network;
    scheduler.schedule({
      receiver: process,
      delayMs,
      run: () =>
        this.#settle(() => {
          scheduler.note(() => `${process.name} ${name()}: (${trouble})`);
          try {
            this.#resolve(troubled(trouble));
          } catch (error) {
            this.#reject(error);
          }
        }),
    });
  }

  #settle(tell: () => void): void {
    if (this.#isOver || !this.#call.process.isAlive) return;
    this.#isOver = true;
    this.#call.signal?.removeEventListener('abort', this.#onAbort);
    tell();
  }
}
