// A budget of bytes that may be held in memory at once, over all transfers. Waiting is first come, first served, so
// a big request is never starved by small ones.

export class ByteBudget {
  #freeBytes: number;
  readonly #totalBytes: number;
  #waiting: { bytes: number; grant: () => void }[] = [];

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
    this.#freeBytes = totalBytes;
  }

  /** True while somebody waits for room. */
  get isWaitedFor(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Resolves when `bytes` may be held; call the returned function once to give them back. More than the whole
   * budget counts as the whole budget. Rejects with the signal's reason when aborted while waiting.
   */
  async acquire(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const charged = Math.min(bytes, this.#totalBytes);
    if (this.#waiting.length === 0 && charged <= this.#freeBytes) {
      this.#freeBytes -= charged;
    } else {
      await this.#wait(charged, signal);
    }
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#freeBytes += charged;
      this.#serve();
    };
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const entry = {
        bytes,
        grant: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== entry);
        // The head of the line may have been this one, and the next one small enough.
        this.#serve();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(entry);
    });
  }

  #serve(): void {
    for (
      let head = this.#waiting[0];
      head !== undefined && head.bytes <= this.#freeBytes;
      head = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#freeBytes -= head.bytes;
      head.grant();
    }
  }
}
