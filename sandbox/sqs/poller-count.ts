// How many long polls wait at a queue, for those who want to do something once they do.

export class PollerCount {
  #count = 0;
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  set(count: number): void {
    this.#count = count;
    const reached = this.#waiting.filter((entry) => entry.count === count);
    this.#waiting = this.#waiting.filter((entry) => entry.count !== count);
    for (const { resolve } of reached) resolve();
  }

  /** Resolves as soon as there are exactly so many. */
  async is(count: number): Promise<void> {
    if (this.#count === count) return;
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
  }
}
