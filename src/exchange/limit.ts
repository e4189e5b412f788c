// The end of what a caller waits for: its signal, or a deadline where there is one. A plain timer that is cleared, and no
// signal of its own: most requests end long before either, and an abort of a sleep costs an error with its stack.

/** One request's time. Call `end` when it is over. */
export class Limit {
  readonly #caller: AbortSignal;
  readonly #timer: NodeJS.Timeout | null;
  #listener: (() => void) | null = null;
  #isOver = false;
  readonly #tell = (): void => this.#listener?.();

  /** `deadlineMs`: from now on; null for none. Both bounds are the caller's; nothing happens before `watch`. */
  constructor(caller: AbortSignal, deadlineMs: number | null) {
    this.#caller = caller;
    this.#timer =
      deadlineMs === null
        ? null
        : setTimeout(() => {
            this.#isOver = true;
            this.#tell();
          }, deadlineMs);
  }

  /** True once the deadline has passed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Why nobody waits any more; null while somebody does. */
  get reason(): unknown {
    if (this.#caller.aborted) return this.#caller.reason;
    return this.#isOver ? new Error('The deadline of the request is over') : null;
  }

  /** Calls `listener` once it ends; one listener at a time. Returns the function that ends that. */
  watch(listener: () => void): () => void {
    this.#listener = listener;
    this.#caller.addEventListener('abort', this.#tell);
    return () => {
      if (this.#listener !== listener) return;
      this.#listener = null;
      this.#caller.removeEventListener('abort', this.#tell);
    };
  }

  /** The promise's end, or the limit's reason when that comes first. */
  async race<T>(promise: Promise<T>): Promise<T> {
    if (this.reason !== null) throw this.reason;
    return await new Promise<T>((resolve, reject) => {
      const unwatch = this.watch(() => reject(this.reason));
      promise.then(resolve, reject).finally(unwatch);
    });
  }

  /** Frees the timer. */
  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}
