// One moment after which something is too late, moved on at every sign of life. The timer is not: it looks when it fires
// how much is left, so that moving the moment costs a reading of the clock.

/** `arm` and `disarm` as often as wanted; `tell` is called when an armed moment has passed. */
export class Deadline {
  readonly #tell: () => void;
  #timer: NodeJS.Timeout | null = null;
  /** When the timer fires, and when it is too late; milliseconds of `performance.now`. */
  #firesAtMs = 0;
  #endsAtMs: number | null = null;
  readonly #look = (): void => {
    this.#timer = null;
    if (this.#endsAtMs === null) return;
    const nowMs = performance.now();
    if (nowMs < this.#endsAtMs) {
      this.#start(nowMs);
      return;
    }
    this.#endsAtMs = null;
    this.#tell();
  };

  constructor(tell: () => void) {
    this.#tell = tell;
  }

  /** From now on so many milliseconds. */
  arm(ms: number): void {
    const nowMs = performance.now();
    this.#endsAtMs = nowMs + ms;
    if (this.#timer !== null) {
      if (this.#firesAtMs <= this.#endsAtMs) return;
      clearTimeout(this.#timer);
    }
    this.#start(nowMs);
  }

  /** True where an armed moment has passed, although the timer has not fired yet. */
  get isPast(): boolean {
    return this.#endsAtMs !== null && performance.now() >= this.#endsAtMs;
  }

  disarm(): void {
    this.#endsAtMs = null;
  }

  /** Frees the timer. */
  end(): void {
    this.#endsAtMs = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #start(nowMs: number): void {
    const endsAtMs = this.#endsAtMs ?? nowMs;
    this.#firesAtMs = endsAtMs;
    this.#timer = setTimeout(this.#look, Math.max(1, Math.ceil(endsAtMs - nowMs)));
    // What is awaited holds the process by its connection.
    this.#timer.unref();
  }
}
