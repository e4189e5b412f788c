// The way between a process and a store or queue: a call becomes a request that arrives some time later, or never,
// and an answer that comes back, or gets lost. Says what a caller may see; the stores decide what it means.
import type { Process, Scheduler, Timekeeper } from './scheduler.ts';

/** The longest a request lives in the network, also after its sender has given it up or died. */
export const REQUEST_LIFE_MS = 9_000;
/** After this a caller gives up waiting for an answer. */
export const DEADLINE_MS = 2_500;

/** What became of a request that nobody answered: it was refused at once, or nobody knows. */
export type Trouble = 'refused' | 'no_answer';

export interface Call<Answer> {
  readonly process: Process;
  readonly signal: AbortSignal | null;
  /** The method of the port. */
  readonly op: string;
  /** What it is called with, as far as it says what will happen. */
  readonly asks: unknown;
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

/** The way as the simulated ports and services see it. */
export interface Wire {
  readonly scheduler: Timekeeper;
  /** How many of a thousand bodies and uploads break or stand still on their way. */
  readonly streamFaultPermille: number;
  /** Sends a call of a live process; what a dead process wants never happens. */
  send<Answer>(call: Call<Answer>): Promise<Answer>;
  /** A process is gone: nothing reaches it any more. */
  lose(process: Process): void;
  /** A process stands still. */
  pause(process: Process, ms: number): void;
  /** The queue tells a process that there may be work. */
  heardOfWork?(process: Process): void;
}

/** A request that has not arrived yet. */
interface InFlight {
  readonly drop: () => void;
  /** Makes it arrive this much later; never after its life. */
  readonly delay: (ms: number) => void;
}

const LATENCIES_MS = [0, 150, 700, 2_000];
const LATENCY_WEIGHTS = [80, 10, 7, 3];

export class Network implements Wire {
  readonly scheduler: Scheduler;
  /** How many of a thousand calls go wrong; zero once the run becomes calm. */
  faultPermille = 0;
  /** How many of a thousand bodies and uploads break or stand still on their way. */
  streamFaultPermille = 0;
  /** Whether requests take different times. */
  hasLatency = false;
  /** The next effect takes so long, and is answered; null where none is to. */
  slowsNextEffectMs: number | null = null;
  /** The next effect gets no answer and happens late. */
  makesNextEffectLate = false;
  readonly #inFlight = new Map<Process, Set<InFlight>>();

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
    return LATENCIES_MS[this.scheduler.choices.part('latency').weighted(LATENCY_WEIGHTS)] ?? 0;
  }

  /** Notes a request on its way. Returns the function to call when it has arrived. */
  track(process: Process, request: InFlight): () => void {
    const requests = this.#inFlight.get(process) ?? new Set();
    this.#inFlight.set(process, requests);
    requests.add(request);
    return () => void requests.delete(request);
  }

  /** A process is gone: nothing reaches it any more; what it sent may still arrive, soon or late. */
  lose(process: Process): void {
    process.isAlive = false;
    this.scheduler.forget(process);
    this.#hold(process, [1, 1, 2]);
    this.#inFlight.delete(process);
  }

  /** A process stands still; what it sent may be held up as well. */
  pause(process: Process, ms: number): void {
    process.pausedUntilMs = this.scheduler.nowMs + ms;
    this.#hold(process, [0, 1, 1]);
  }

  /** Each request is dropped, left alone or delayed. */
  #hold(process: Process, weights: readonly number[]): void {
    const choices = this.scheduler.choices.part('held');
    for (const request of this.#inFlight.get(process) ?? []) {
      const fate = choices.weighted(weights);
      if (fate === 0) request.drop();
      if (fate === 2) request.delay(2_000 + choices.pick(15) * 500);
    }
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
    const choices = this.#network.scheduler.choices.part('faults');
    const latencyMs = this.#network.latencyMs();
    if (this.#call.isEffect && this.#network.makesNextEffectLate) {
      this.#network.makesNextEffectLate = false;
      this.#beLate();
      return;
    }
    if (this.#call.isEffect && this.#network.slowsNextEffectMs !== null) {
      const ms = this.#network.slowsNextEffectMs;
      this.#network.slowsNextEffectMs = null;
      this.#arrive(ms, (deliver) => this.#answer(deliver, 0));
      return;
    }
    if (!choices.chance(this.#network.faultPermille)) {
      this.#arrive(latencyMs, (deliver) =>
        this.#answer(deliver, Math.min(this.#network.latencyMs(), DEADLINE_MS - latencyMs)),
      );
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
        this.#beLate();
        return;
      default:
        this.#fail('no_answer', DEADLINE_MS);
    }
  }

  #beLate(): void {
    const choices = this.#network.scheduler.choices.part('faults');
    this.#arrive(500 + choices.pick(17) * 500, null);
    this.#fail('no_answer', choices.oneOf([DEADLINE_MS, 300]));
  }

  readonly #onAbort = (): void => {
    this.#settle(() => this.#reject(this.#call.signal?.reason));
  };

  /** The request arrives in `delayMs` and is performed; `then` sends the answer, null where it is lost. */
  #arrive(delayMs: number, then: ((deliver: () => void) => void) | null): void {
    const { scheduler } = this.#network;
    const { process, isEffect } = this.#call;
    const run = (): void => {
      untrack();
      if (this.#isOver && !isEffect) return;
      void this.#perform(then);
    };
    const latestMs = scheduler.nowMs + REQUEST_LIFE_MS;
    const schedule = (ms: number): (() => void) =>
      scheduler.schedule({ receiver: null, delayMs: Math.min(ms, latestMs - scheduler.nowMs), run });
    let drop = schedule(delayMs);
    const untrack = this.#network.track(process, {
      drop: () => drop(),
      delay: (ms) => {
        drop();
        drop = schedule(ms);
      },
    });
  }

  /** The store at work; `then` sends its answer, null where it is lost. */
  async #perform(then: ((deliver: () => void) => void) | null): Promise<void> {
    const { process, perform, show, name } = this.#call;
    const { scheduler } = this.#network;
    const late = then === null ? ' (late)' : '';
    try {
      const answer = await perform();
      scheduler.note(() => `${process.name} ${name()}: ${show(answer)}${late}`);
      then?.(() => this.#resolve(answer));
    } catch (error) {
      scheduler.note(() => `${process.name} ${name()}: ${String(error)}${late}`);
      then?.(() => this.#reject(error));
    }
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
