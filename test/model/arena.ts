// Time and order of a small world: every request that is on its way, every timer, and what may happen next, as a list
// to choose from. Nothing takes time except waiting: the clock stands still until nobody can do anything, then it
// goes on to whatever is due. Knows for each process what it has been answered, so that states can be compared.
import type { Clock } from '../../src/core/clock.ts';
import { Choices } from './choices.ts';
import { type Answered, type Request, requestOf } from './arena-request.ts';
import type { Call, Wire } from './network.ts';
import type { Process, Timekeeper } from './scheduler.ts';

/** Sleeps end at multiples of this. */
const TICK_MS = 1_500;
/** Longer than a lease, so that what a process has sent may land after another one took over. */
const REQUEST_LIFE_MS = 7_500;
export const ARENA_SPANS = { leaseMs: 4_500, graceMs: 9_000, deadlineMs: TICK_MS };
/** Longer sleeps only ask again without a reason: they never end, so that nothing rests on them. */
const ENDLESS_MS = 30_000;

/** Answers that leave nothing in a process but a lease: the intake keeps nothing, the beat looks at the lease only. */
const UNREMEMBERED: ReadonlySet<string> = new Set(['accept', 'renew', 'progress']);

interface Timer {
  readonly receiver: Process | null;
  readonly dueAtMs: number;
  /** What it brings, for the comparison of states. */
  readonly label: string;
  /** A worker that only keeps time: alone it does not keep a run going. */
  readonly isSleep: boolean;
  readonly run: () => void;
  readonly onForgotten: (() => void) | undefined;
}

/** What one process has been told since its attempt began; what ended before is what a worker keeps of it. */
interface Memory {
  seen: string[];
  leaseEndsAtMs: number | null;
  kept: string;
  /** A claim is on its way, and whether work was announced since it was sent. */
  isClaiming: boolean;
  isWoken: boolean;
}

export class Arena implements Wire, Timekeeper {
  /** Everything that the reused parts draw is quiet. */
  readonly choices = Choices.ofTraces(new Map());
  readonly streamFaultPermille = 0;
  readonly history: string[] | null;
  /** True while a dying process leaves what it sent on its way. */
  keepsRequests = false;
  #nowMs = 0;
  #stepCount = 0;
  #requests: Request[] = [];
  #timers: Timer[] = [];
  readonly #memories = new Map<Process, Memory>();
  readonly #isEager: (op: string) => boolean;

  /** `isEager`: the call is answered at once, because it makes no difference when. */
  constructor(keepsHistory: boolean, isEager: (op: string) => boolean) {
    this.history = keepsHistory ? [] : null;
    this.#isEager = isEager;
  }

  get scheduler(): Timekeeper {
    return this;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get stepCount(): number {
    return this.#stepCount;
  }

  /** Requests that have not arrived and whose callers wait. */
  get waiting(): readonly Request[] {
    return this.#requests.filter(({ isStray, isPerformed }) => !isStray && !isPerformed);
  }

  /** Requests whose callers wait, those included that have arrived and are not done. */
  get answerable(): readonly Request[] {
    return this.#requests.filter(({ isStray }) => !isStray);
  }

  /** Requests that may still arrive although nobody waits for them. */
  get strays(): readonly Request[] {
    return this.#requests.filter(({ isStray }) => isStray);
  }

  /** True while a timer other than a sleep runs, or a request is only half done. */
  get isBusy(): boolean {
    return (
      this.#timers.some(({ isSleep }) => !isSleep) || this.#requests.some(({ isPerformed }) => isPerformed)
    );
  }

  note(text: () => string): void {
    this.history?.push(`${(this.#nowMs / 1000).toFixed(1).padStart(6)}  ${text()}`);
  }

  schedule(options: {
    readonly receiver: Process | null;
    readonly delayMs: number;
    readonly run: () => void;
    readonly onForgotten?: () => void;
  }): () => void {
    return this.#setTimer({ ...options, label: 'then', isSleep: false });
  }

  clockOf(process: Process): Clock {
    this.#memoryOf(process);
    return {
      nowMs: () => this.#nowMs,
      monotonicMs: () => this.#nowMs,
      sleep: (ms, signal) => this.#sleep(process, ms, signal),
    };
  }

  send<Answer>(call: Call<Answer>): Promise<Answer> {
    if (!call.process.isAlive) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      const { signal } = call;
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const onAbort = (): void => {
        this.#abandon(request);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const request = requestOf(call, this.#nowMs + REQUEST_LIFE_MS, resolve, reject, () =>
        signal?.removeEventListener('abort', onAbort),
      );
      this.#requests.push(request);
      if (call.op === 'claim') this.#memoryOf(call.process).isClaiming = true;
      if (this.#isEager(call.op)) void this.arrive(request);
    });
  }

  /** The request reaches its store, and the answer its sender. */
  async arrive(request: Request): Promise<void> {
    request.isPerformed = true;
    const answered = await request.perform();
    this.#remove(request);
    this.note(() => `${request.process.name} ${request.name()}: ${answered.shown}`);
    this.#deliver(request, answered);
  }

  /** The request reaches its store; its sender hears nothing and gives it up. */
  async loseAnswer(request: Request): Promise<void> {
    const { shown } = await request.perform();
    this.#remove(request);
    this.note(() => `${request.process.name} ${request.name()}: ${shown} (the answer is lost)`);
    this.#giveUp(request);
  }

  /** The sender gives the request up while it is still on its way. */
  beLate(request: Request): void {
    this.note(() => `${request.process.name} ${request.name()}: nobody answers`);
    request.isStray = true;
    this.#giveUp(request);
  }

  /** A request arrives that nobody waits for. */
  async land(stray: Request): Promise<void> {
    this.#remove(stray);
    const { shown } = await stray.perform();
    this.note(() => `${stray.process.name} ${stray.name()}: ${shown} (late)`);
  }

  lose(process: Process): void {
    process.isAlive = false;
    this.#memories.delete(process);
    const isGone = ({ receiver }: Timer): boolean => receiver === process;
    for (const timer of this.#timers) if (isGone(timer)) timer.onForgotten?.();
    this.#timers = this.#timers.filter((timer) => !isGone(timer));
    for (const request of this.#requests) {
      if (request.process !== process || request.isStray) continue;
      request.forget();
      if (this.keepsRequests && request.isEffect) request.isStray = true;
      else this.#remove(request);
    }
  }

  heardOfWork(process: Process): void {
    const memory = this.#memoryOf(process);
    memory.isWoken = memory.isClaiming;
  }

  pause(process: Process, ms: number): void {
    process.pausedUntilMs = this.#nowMs + ms;
    this.note(() => `${process.name} stands still for ${ms} ms`);
    this.#setTimer({ receiver: process, delayMs: 0, run: () => {}, label: 'wakes', isSleep: false });
  }

  /** An attempt of the process has ended: what it was told counts no more. `kept` is what the worker keeps of it. */
  attemptEnded(process: Process, kept: (before: string) => string): void {
    const memory = this.#memoryOf(process);
    memory.seen = [];
    memory.leaseEndsAtMs = null;
    memory.kept = kept(memory.kept);
  }

  /** Runs what is due, and everything that follows from it. */
  async settle(): Promise<void> {
    this.#stepCount += 1;
    await everythingThatFollows();
    for (;;) {
      const due = this.#timers
        .filter((timer) => readyAt(timer) <= this.#nowMs)
        .toSorted((a, b) => readyAt(a) - readyAt(b))[0];
      if (due === undefined) return;
      this.#timers = this.#timers.filter((other) => other !== due);
      due.run();
      await everythingThatFollows();
    }
  }

  /** The clock goes on to what is due next. */
  advance(): void {
    this.#nowMs = Math.max(this.#nowMs, Math.min(...this.#timers.map(readyAt)));
    for (const request of this.#requests) {
      if (request.latestMs > this.#nowMs || request.isPerformed) continue;
      this.#remove(request);
      if (!request.isStray) this.#giveUp(request);
    }
  }

  /** The run is over: nothing of it stays anywhere. */
  forget(): void {
    for (const timer of this.#timers) timer.onForgotten?.();
    for (const request of this.#requests) request.forget();
    this.#timers = [];
    this.#requests = [];
  }

  /** Everything that decides what the processes will do, as text; `more`: what only the world knows of a process. */
  describe(more: (process: Process) => string = () => ''): string {
    const processes = [...this.#memories].map(([process, memory]) => {
      const { seen, leaseEndsAtMs, kept, isWoken } = memory;
      const lease = leaseEndsAtMs === null ? '' : this.fromNow(leaseEndsAtMs);
      const pause = process.pausedUntilMs > this.#nowMs ? this.fromNow(process.pausedUntilMs) : '';
      const sent = this.#requests
        .filter((request) => request.process === process && !request.isStray)
        .map(
          ({ op, latestMs, isPerformed }) =>
            `${op}${isPerformed ? '!' : ''}${pause === '' ? '' : this.fromNow(latestMs)}`,
        );
      const timers = this.#timers
        .filter(({ receiver }) => receiver === process)
        .map((timer) => `${timer.label}${this.fromNow(readyAt(timer))}`);
      return [
        // Processes of one service differ by their names only.
        process.name.charAt(0),
        pause,
        lease,
        kept,
        more(process),
        isWoken ? 'woken' : '',
        ...seen,
        '|',
        ...sent.toSorted(),
        '|',
        ...timers.toSorted(),
      ].join(' ');
    });
    const strays = this.strays.map(({ asks, latestMs }) => `${asks()}${this.fromNow(latestMs)}`);
    const others = this.#timers
      .filter(({ receiver }) => receiver === null)
      .map((timer) => `${timer.label}${this.fromNow(readyAt(timer))}`);
    return [...processes.toSorted(), '#', ...strays.toSorted(), '#', ...others.toSorted()].join('\n');
  }

  /** A moment by how far away it is, as text. */
  fromNow(atMs: number): string {
    return `@${atMs - this.#nowMs}`;
  }

  #sleep(process: Process, ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const isEndless = ms >= ENDLESS_MS;
    const wakeAtMs = isEndless ? Number.POSITIVE_INFINITY : Math.ceil((this.#nowMs + ms) / TICK_MS) * TICK_MS;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        takeBack();
        reject(signal.reason as Error);
      };
      const takeBack = this.#setTimer({
        receiver: process,
        delayMs: wakeAtMs - this.#nowMs,
        label: 'sleep',
        isSleep: true,
        // A signal may outlive the run: nothing of it may stay there.
        onForgotten: () => signal.removeEventListener('abort', onAbort),
        run: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #setTimer(options: {
    readonly receiver: Process | null;
    readonly delayMs: number;
    readonly label: string;
    readonly isSleep: boolean;
    readonly run: () => void;
    readonly onForgotten?: () => void;
  }): () => void {
    const { delayMs, onForgotten, ...rest } = options;
    const timer: Timer = { ...rest, dueAtMs: this.#nowMs + delayMs, onForgotten };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** The sender was told to stop waiting. */
  #abandon(request: Request): void {
    if (request.isEffect && !request.isPerformed) request.isStray = true;
    else this.#remove(request);
  }

  #giveUp(request: Request): void {
    const answered = request.fail('no_answer');
    this.#setTimer({
      receiver: request.process,
      delayMs: ARENA_SPANS.deadlineMs,
      label: `${request.op} fails`,
      isSleep: false,
      run: () => this.#tell(request, answered),
    });
  }

  #deliver(request: Request, answered: Answered): void {
    const { process } = request;
    if (!process.isAlive) return;
    if (process.pausedUntilMs <= this.#nowMs) {
      this.#tell(request, answered);
      return;
    }
    const label = `${request.op} ${answered.seen}`;
    const run = (): void => this.#tell(request, answered);
    this.#setTimer({ receiver: process, delayMs: 0, label, isSleep: false, run });
  }

  #tell(request: Request, { deliver, seen, leaseEndsAtMs }: Answered): void {
    request.forget();
    const memory = this.#memoryOf(request.process);
    memory.leaseEndsAtMs = leaseEndsAtMs ?? memory.leaseEndsAtMs;
    if (request.op === 'claim') Object.assign(memory, { isClaiming: false, isWoken: false });
    if (!UNREMEMBERED.has(request.op) && seen !== '[]') memory.seen.push(`${request.op} ${seen}`);
    deliver();
  }

  #memoryOf(process: Process): Memory {
    const known = this.#memories.get(process);
    if (known !== undefined) return known;
    const memory: Memory = { seen: [], leaseEndsAtMs: null, kept: '', isClaiming: false, isWoken: false };
    this.#memories.set(process, memory);
    return memory;
  }

  #remove(request: Request): void {
    this.#requests = this.#requests.filter((other) => other !== request);
  }
}

function readyAt({ dueAtMs, receiver }: Timer): number {
  return receiver === null ? dueAtMs : Math.max(dueAtMs, receiver.pausedUntilMs);
}

/** Everything that is simulated is a chain of resolved promises: when the event loop turns, all of them have run. */
async function everythingThatFollows(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
