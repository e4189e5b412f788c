// The body of a request: its exact length, and its own failure kept apart from those of the connection.

/** Pieces of at most this size are handed to the connection, so that a slow one still shows progress. */
const PIECE_BYTES = 256 * 1024;

/** Bodies up to this size are joined into one write: cheaper than several small ones. */
const JOIN_BYTES = 64 * 1024;

export class SentBody {
  readonly lengthBytes: number;
  /** True for a body that can be read only once, so that the request cannot be sent again. */
  readonly isOnce: boolean;
  readonly #source: readonly Uint8Array[] | AsyncIterable<Uint8Array>;
  #failure: { readonly error: unknown } | null = null;

  private constructor(
    lengthBytes: number,
    isOnce: boolean,
    source: readonly Uint8Array[] | AsyncIterable<Uint8Array>,
  ) {
    this.lengthBytes = lengthBytes;
    this.isOnce = isOnce;
    this.#source = source;
  }

  /** A body of bytes in memory. They are sent from where they are, not copied. */
  static ofParts(parts: readonly Uint8Array[]): SentBody {
    return new SentBody(
      parts.reduce((sum, part) => sum + part.length, 0),
      false,
      parts,
    );
  }

  /** A body of exactly `lengthBytes` bytes that `source` yields. */
  static ofStream(source: AsyncIterable<Uint8Array>, lengthBytes: number): SentBody {
    return new SentBody(lengthBytes, true, source);
  }

  /** What made the source of the body fail; null where it did not. */
  get failure(): { readonly error: unknown } | null {
    return this.#failure;
  }

  /** The body as an exchange takes it: bytes, or an iterable that is read no faster than the connection takes it. */
  pieces(): Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
    const source = this.#source;
    if (!Array.isArray(source)) return this.#read(source as AsyncIterable<Uint8Array>);
    const parts = source as readonly Uint8Array[];
    return this.lengthBytes <= JOIN_BYTES ? Buffer.concat(parts) : cut(parts);
  }

  async *#read(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let sentBytes = 0;
    try {
      for await (const chunk of source) {
        sentBytes += chunk.length;
        if (sentBytes > this.lengthBytes) break;
        yield* cut([chunk]);
      }
      if (sentBytes !== this.lengthBytes)
        throw new Error(`The body has ${sentBytes} bytes or more where ${this.lengthBytes} were announced`);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }
}

function* cut(parts: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const part of parts)
    for (let start = 0; start < part.length; start += PIECE_BYTES)
      yield part.subarray(start, start + PIECE_BYTES);
}
