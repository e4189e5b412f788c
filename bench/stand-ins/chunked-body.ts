// The bytes of a body in chunks, as others' clients send it: sizes and ends taken away, nothing checked.

/** Feeds on what arrives, until the last chunk. */
export class ChunkedBody {
  readonly #onBytes: (bytes: Buffer) => void;
  #line = '';
  /** Bytes of the chunk that are missing, its line break included; -1 while its size is read. */
  #missing = -1;
  #isLast = false;

  constructor(onBytes: (bytes: Buffer) => void) {
    this.#onBytes = onBytes;
  }

  /** What follows behind the body; null while it has not ended. */
  take(chunk: Buffer): Buffer | null {
    let at = 0;
    while (at < chunk.length) {
      if (this.#missing < 0) {
        const end = chunk.indexOf(10, at);
        this.#line += chunk.toString('latin1', at, end < 0 ? chunk.length : end);
        if (end < 0) return null;
        at = end + 1;
        if (this.#isLast) return chunk.subarray(at);
        const size = Number.parseInt(this.#line, 16);
        this.#line = '';
        if (size === 0) this.#isLast = true;
        else this.#missing = size + 2;
      } else {
        const own = Math.min(this.#missing, chunk.length - at);
        const bytes = Math.min(own, Math.max(0, this.#missing - 2));
        if (bytes > 0) this.#onBytes(chunk.subarray(at, at + bytes));
        at += own;
        this.#missing -= own;
        if (this.#missing === 0) this.#missing = -1;
      }
    }
    return null;
  }
}
