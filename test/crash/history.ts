// What happened in a run, line by line, kept to be printed where something is wrong: all that concerns some keys, and
// all that concerns none in particular.

/** Lines kept; older ones are dropped, so that a long run keeps its memory. */
const MAX_LINES = 50_000;

export class History {
  readonly #startedMs = performance.now();
  #lines: { readonly text: string; readonly isGeneral: boolean }[] = [];

  /** Notes something about the whole run, or, with `isGeneral` false, about the key that the text names. */
  note(text: string, isGeneral = false): void {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(3).padStart(9);
    this.#lines.push({ text: `${seconds} ${text}`, isGeneral });
    if (this.#lines.length > MAX_LINES) this.#lines = this.#lines.slice(MAX_LINES / 2);
  }

  /** The lines about these keys, and the general ones. */
  about(keys: readonly string[]): string[] {
    // Requests carry keys encoded in ways of their own; the last part of a key is the same in all of them.
    const tails = keys.map((key) => new RegExp(`${key.slice(key.lastIndexOf('/') + 1)}(?!\\d)`));
    return this.#lines
      .filter(({ text, isGeneral }) => isGeneral || tails.some((tail) => tail.test(text)))
      .map(({ text }) => text);
  }
}
