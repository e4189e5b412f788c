// Cuts a stream of chunks into exact pieces: so many bytes for this request, the rest for the next one.

export class ByteCursor {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #leftover: Uint8Array | null = null;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#iterator = body[Symbol.asyncIterator]();
  }

  /**
   * Yields exactly `lengthBytes` bytes, in whatever chunks come. Ending early keeps the stream open for the next
   * call. Throws what the stream throws, and an error where it ends too soon (a driver counts, so this is a bug).
   */
  async *take(lengthBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
    let missing = lengthBytes;
    while (missing > 0) {
      const chunk = this.#leftover ?? (await this.#nextChunk());
      this.#leftover = null;
      if (chunk.length > missing) {
        this.#leftover = chunk.subarray(missing);
        const piece = chunk.subarray(0, missing);
        missing = 0;
        yield piece;
      } else {
        missing -= chunk.length;
        yield chunk;
      }
    }
  }

  /** The next `lengthBytes` bytes in one buffer of their own. */
  async collect(lengthBytes: number): Promise<Uint8Array> {
    const whole = Buffer.allocUnsafe(lengthBytes);
    for (let filled = 0; filled < lengthBytes;) {
      const chunk = this.#leftover ?? (await this.#nextChunk());
      const missing = lengthBytes - filled;
      const isMore = chunk.length > missing;
      // Copied before the next one is asked for: a source may use its buffer again then.
      whole.set(isMore ? chunk.subarray(0, missing) : chunk, filled);
      this.#leftover = isMore ? chunk.subarray(missing) : null;
      filled += chunk.length;
    }
    return whole;
  }

  /**
   * Reads to the end, which must come now: the driver's own end checks (a body longer than declared) run only when
   * the stream is asked once more.
   */
  async expectEnd(): Promise<void> {
    let surplusBytes = this.#leftover?.length ?? 0;
    while (surplusBytes === 0) {
      const next = await this.#iterator.next();
      if (next.done === true) return;
      surplusBytes = next.value.length;
    }
    throw new Error('The stream is longer than its state says');
  }

  async #nextChunk(): Promise<Uint8Array> {
    const next = await this.#iterator.next();
    if (next.done === true) throw new Error('The stream ended before its state says');
    return next.value;
  }
}
