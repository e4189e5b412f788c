// Whoever waits for the next piece of a body: one at a time, told once.

export type Taken = IteratorResult<Uint8Array, undefined>;

/** What a body yields behind its last piece. */
export const DONE: Taken = { done: true, value: undefined };

export class OneReader {
  #resolve: ((taken: Taken) => void) | null = null;
  #reject: ((error: Error) => void) | null = null;

  get isWaiting(): boolean {
    return this.#resolve !== null;
  }

  /** Settles with what is told next. */
  wait(): Promise<Taken> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Nothing happens where nobody waits, here and below. */
  tell(taken: Taken): void {
    const resolve = this.#resolve;
    this.#forget();
    resolve?.(taken);
  }

  fail(error: Error): void {
    const reject = this.#reject;
    this.#forget();
    reject?.(error);
  }

  #forget(): void {
    this.#resolve = null;
    this.#reject = null;
  }
}
