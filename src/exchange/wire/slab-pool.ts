// The buffers that large bodies are read into, used again and again: a fresh one for each read costs more than the copy
// of its bytes.

/** One read takes as much as the kernel has, up to this. */
const SLAB_BYTES = 1024 * 1024;
/** So many lie here at most; what is given back beyond is left to the collector. */
const MAX_FREE = 16;

export class SlabPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  }

  /** Nobody may hold a view of it any more, and no read may be on its way into it. */
  give(slab: Buffer): void {
    if (this.#free.length < MAX_FREE) this.#free.push(slab);
  }
}
