// The time of a sandbox service: the machine's, or one that a test moves by hand so that hours take no time at all.

export interface SandboxClock {
  nowMs(): number;
  /** Calls once, when the time has come or has passed already, never before this call returned. Returns how to cancel. */
  at(timeMs: number, run: () => void): () => void;
}

/** The longest wait that a timer of the machine can count. */
const longestTimerMs = 2 ** 31 - 1;

/** The machine's clock; its timers keep no process alive. */
export const machineClock: SandboxClock = {
  nowMs: () => Date.now(),
  at: (timeMs, run) => {
    const timer = setTimeout(run, Math.min(Math.max(0, timeMs - Date.now()), longestTimerMs));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** A clock that stands still until it is told to go on. */
export class ManualClock implements SandboxClock {
  #nowMs: number;
  #timers: { readonly timeMs: number; readonly run: () => void }[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  at(timeMs: number, run: () => void): () => void {
    if (timeMs <= this.#nowMs) {
      const immediate = setImmediate(run);
      return () => clearImmediate(immediate);
    }
    const timer = { timeMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves on by so many milliseconds and runs what became due, in order, each at its own time. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [next] = this.#timers
        .filter((timer) => timer.timeMs <= endMs)
        .toSorted((a, b) => a.timeMs - b.timeMs);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = next.timeMs;
      next.run();
    }
    this.#nowMs = endMs;
  }
}
