// Owns everything that is pending in a simulated run and lets one thing happen at a time: a request arrives at a
// store, an answer arrives at a process, somebody wakes. The order comes from the choices; when nothing is ready the
// clock jumps to whatever is due next.
import type { Clock } from '../../src/core/clock.ts';
import type { Choices } from './choices.ts';

/** A process of the service. Nothing reaches one that is dead, and nothing reaches one that stands still. */
export interface Process {
  readonly name: string;
  isAlive: boolean;
  pausedUntilMs: number;
  /** How far its machine's wall clock is off; none by default. Monotonic time is never off. */
  wallOffsetMs?: number;
}

interface Pending {
  /** Who must be alive and awake for it to happen; null for what happens outside of the service. */
  readonly receiver: Process | null;
  readonly dueAtMs: number;
  /** A sleeping worker alone does not keep a run going. */
  readonly isBackground: boolean;
  readonly run: () => void;
  readonly onForgotten: (() => void) | undefined;
}

/** Each step takes this long, so that many of them fit into one second of the source's clock. */
const STEP_MS = 3;
const RANDOM_ID = /[0-9a-f]{8}-[0-9a-f-]{27}/g;
/** Sleeps end at multiples of this: workers that only keep time then wake together, which saves steps. */
const TICK_MS = 500;

/** What the simulated ports and services need of time and order. */
export type Timekeeper = Pick<Scheduler, 'choices' | 'nowMs' | 'stepCount' | 'note' | 'schedule' | 'clockOf'>;

export class Scheduler {
  readonly choices: Choices;
  readonly #order: Choices;
  readonly startedAtMs = Date.UTC(2026, 0, 1);
  /** Lines of the history; null while nobody wants to read it. */
  readonly history: string[] | null;
  /** Turns of the event loop that one step takes; more where something waits for a real one. */
  turnsPerStep = 1;
  /** Ids that are drawn at random, by the order in which they appear. */
  readonly #shortIds = new Map<string, string>();
  #nowMs = this.startedAtMs;
  #pending: Pending[] = [];
  #stepCount = 0;

  constructor(choices: Choices, keepsHistory: boolean) {
    this.choices = choices;
    this.#order = choices.part('order');
    this.history = keepsHistory ? [] : null;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get stepCount(): number {
    return this.#stepCount;
  }

  /** True while something is on its way that does not end by itself. */
  get isBusy(): boolean {
    return this.#pending.some(({ isBackground }) => !isBackground);
  }

  /** Adds a line to the history; `text` is only built where it is kept. */
  note(text: () => string): void {
    if (this.history === null) return;
    const seconds = ((this.#nowMs - this.startedAtMs) / 1000).toFixed(3);
    const readable = text().replaceAll(RANDOM_ID, (id) => this.#shortIdOf(id));
    this.history.push(`${seconds.padStart(8)}  ${readable}`);
  }

  /** Makes `run` happen once, not before `delayMs` are over. Returns the function that takes it back. */
  schedule(options: {
    readonly receiver: Process | null;
    readonly delayMs: number;
    readonly isBackground?: boolean;
    readonly run: () => void;
    readonly onForgotten?: () => void;
  }): () => void {
    const { receiver, delayMs, isBackground = false, run, onForgotten } = options;
    const pending = { receiver, dueAtMs: this.#nowMs + delayMs, isBackground, run, onForgotten };
    this.#pending.push(pending);
    return () => {
      this.#pending = this.#pending.filter((other) => other !== pending);
    };
  }

  /** Forgets what was to reach a dead process; null forgets everything. */
  forget(receiver: Process | null): void {
    const isGone = (pending: Pending): boolean => receiver === null || pending.receiver === receiver;
    for (const pending of this.#pending) if (isGone(pending)) pending.onForgotten?.();
    this.#pending = this.#pending.filter((pending) => !isGone(pending));
  }

  /** Lets one thing happen and waits until everything that follows from it at once has run. False: nothing is left. */
  async step(): Promise<boolean> {
    if (this.#pending.length === 0) return false;
    this.#nowMs += STEP_MS;
    this.#stepCount += 1;
    let ready = this.#pending.filter((pending) => readyAt(pending) <= this.#nowMs);
    if (ready.length === 0) {
      this.#nowMs = Math.min(...this.#pending.map(readyAt));
      ready = this.#pending.filter((pending) => readyAt(pending) <= this.#nowMs);
    }
    const chosen = ready[ready.length === 1 ? 0 : this.#order.pick(ready.length)];
    if (chosen === undefined) throw new Error('The choice is not among what is ready');
    this.#pending = this.#pending.filter((pending) => pending !== chosen);
    chosen.run();
    for (let turn = 0; turn < this.turnsPerStep; turn += 1) await everythingThatFollows();
    return true;
  }

  #shortIdOf(id: string): string {
    const known = this.#shortIds.get(id) ?? `id${this.#shortIds.size + 1}`;
    this.#shortIds.set(id, known);
    return known;
  }

  /** The clock as one process sees it. */
  clockOf(process: Process): Clock {
    return {
      nowMs: () => this.#nowMs + (process.wallOffsetMs ?? 0),
      monotonicMs: () => this.#nowMs,
      sleep: (ms, signal) => this.#sleep(process, ms, signal),
    };
  }

  async #sleep(process: Process, ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const sinceStartMs = this.#nowMs + ms - this.startedAtMs;
    const wakeAtMs = this.startedAtMs + Math.ceil(sinceStartMs / TICK_MS) * TICK_MS;
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        takeBack();
        reject(signal.reason as Error);
      };
      const takeBack = this.schedule({
        receiver: process,
        delayMs: wakeAtMs - this.#nowMs,
        isBackground: true,
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
}

function readyAt({ dueAtMs, receiver }: Pending): number {
  return receiver === null ? dueAtMs : Math.max(dueAtMs, receiver.pausedUntilMs);
}

/** Everything that is simulated is a chain of resolved promises: when the event loop turns, all of them have run. */
async function everythingThatFollows(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
