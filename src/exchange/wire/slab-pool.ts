// The buffers that large bodies are read into, used again and again: a fresh one for each read costs more than the copy
// of its bytes.

/** One read takes as much as the kernel has, up to this. */
const SLAB_BYTES = 1024 * 1024;
/** For bodies that fit: many of them may be in flight at once. */
const SMALL_SLAB_BYTES = 256 * 1024;
/** So many of each kind lie here at most; what is given back beyond is left to the collector. */
const MAX_FREE = 16;

export class SlabPool {
  readonly #free: Buffer[] = [];
  readonly #freeSmall: Buffer[] = [];

  /** For a body of which so much is still to come. */
  take(missingBytes: number): Buffer {
    return missingBytes > SMALL_SLAB_BYTES
      ? (this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES))
      : (this.#freeSmall.pop() ?? Buffer.allocUnsafeSlow(SMALL_SLAB_BYTES));
  }

  /** Nobody may hold a view of it any more, and no read may be on its way into it. */
  give(slab: Buffer): void {
    const free = slab.length === SLAB_BYTES ? this.#free : this.#freeSmall;
    if (free.length < MAX_FREE) free.push(slab);
  }
}
