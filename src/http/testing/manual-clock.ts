// A clock that stands still until a test moves it.
import type { Clock } from '../../core/clock.ts';

interface Sleeper {
  readonly wakeAtMs: number;
  readonly wake: () => void;
}

export class ManualClock implements Clock {
  #elapsedMs = 0;
  readonly #startMs: number;
  readonly #sleepers = new Set<Sleeper>();
  #whenAsleep: (() => void)[] = [];
  #whenAwake: (() => void)[] = [];

  constructor(startMs = Date.UTC(2026, 10, 23, 9, 30)) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#startMs + this.#elapsedMs;
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const sleeper = { wakeAtMs: this.#elapsedMs + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', () => {
        this.#end(sleeper);
        reject(signal.reason);
      });
      for (const tell of this.#whenAsleep.splice(0)) tell();
    });
  }

  /** Sleeps that nobody has ended yet. */
  get sleeperCount(): number {
    return this.#sleepers.size;
  }

  /** Resolves as soon as somebody sleeps. */
  async untilSomebodySleeps(): Promise<void> {
    if (this.#sleepers.size > 0) return;
    await new Promise<void>((resolve) => {
      this.#whenAsleep.push(resolve);
    });
  }

  /** Resolves as soon as every sleep has ended. */
  async untilNobodySleeps(): Promise<void> {
    if (this.#sleepers.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenAwake.push(resolve);
    });
  }

  /** Moves the time and wakes whoever is due. */
  advance(ms: number): void {
    this.#elapsedMs += ms;
    for (const sleeper of this.#sleepers) {
      if (sleeper.wakeAtMs > this.#elapsedMs) continue;
      this.#end(sleeper);
      sleeper.wake();
    }
  }

  #end(sleeper: Sleeper): void {
    this.#sleepers.delete(sleeper);
    if (this.#sleepers.size === 0) for (const tell of this.#whenAwake.splice(0)) tell();
  }
}
