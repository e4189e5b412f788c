// The body of a large answer, read into pooled buffers ("slabs") and lent out of them without a copy. Reads land one
// behind the other in the last slab, also the 16 KiB records of TLS; whoever takes a piece gets all there is of one slab.
import type { AnswerBody } from '../connections.ts';
import type { BodyFlow } from '../held-body.ts';
import { DONE, OneReader, type Taken } from '../one-reader.ts';
import type { SlabPool } from './slab-pool.ts';

interface Slab {
  readonly bytes: Buffer;
  /** Bytes from its start that lie in it, and how many of them were handed out. */
  filled: number;
  taken: number;
}

/** So many bytes lie here unread before the connection is held back. */
const HELD_BYTES = 1024 * 1024;
/** A read into less room than this is not worth its call, unless the rest of the body fits: the next slab is begun. */
const MIN_ROOM_BYTES = 64 * 1024;
/** A reader that waits is woken at once with this, and with less once everything that lies ready was read. */
const WAKE_BYTES = 512 * 1024;

/** What the body needs of its connection. */
export interface SlabFlow extends BodyFlow {
  /** Nobody wants the rest; so many bytes of it are still to come. */
  dropped(missingBytes: number, limitBytes: number): void;
}

/** `space` and `fill` are the connection's: it reads into the one and then says how much with the other. */
export class SlabBody implements AnswerBody {
  readonly #pool: SlabPool;
  readonly #flow: SlabFlow;
  readonly #slabs: Slab[] = [];
  #missingBytes: number;
  #unreadBytes = 0;
  #isPaused = false;
  #isOver = false;
  #isWaking = false;
  #error: Error | null = null;
  readonly #reader = new OneReader();
  readonly #wake = (): void => {
    this.#isWaking = false;
    if (this.#reader.isWaiting && this.#unreadBytes > 0) this.#reader.tell(this.#lend());
  };

  /** `lengthBytes`: of the whole body; what of it came with the head is filled in first. */
  constructor(pool: SlabPool, flow: SlabFlow, lengthBytes: number) {
    this.#pool = pool;
    this.#flow = flow;
    this.#missingBytes = lengthBytes;
  }

  /** True until the last byte has come or nobody wants any more. */
  get isFilling(): boolean {
    return this.#missingBytes > 0 && !this.#isOver;
  }

  /** Where the next read is to land. */
  space(): Buffer {
    let last = this.#slabs.at(-1);
    const worthBytes = Math.min(MIN_ROOM_BYTES, this.#missingBytes);
    if (last === undefined || last.bytes.length - last.filled < worthBytes) {
      last = { bytes: this.#pool.take(this.#missingBytes), filled: 0, taken: 0 };
      this.#slabs.push(last);
    }
    return last.bytes.subarray(last.filled);
  }

  /** So many bytes have landed in the last space. Returns how many of them do not belong to the body. */
  fill(landedBytes: number): number {
    const bytes = Math.min(landedBytes, this.#missingBytes);
    const last = this.#slabs.at(-1);
    if (last !== undefined) last.filled += bytes;
    this.#missingBytes -= bytes;
    this.#unreadBytes += bytes;
    if (this.#reader.isWaiting) this.#wakeSoon();
    else if (this.#missingBytes > 0 && this.#unreadBytes >= HELD_BYTES && !this.#isPaused) {
      this.#isPaused = true;
      this.#flow.pause();
    }
    return landedBytes - bytes;
  }

  /**
   * It broke off; who reads on is told, after what has come where `keepsUnread`: a copy goes on from there, and a
   * connection that breaks again and again must not keep it from coming any further.
   */
  fail(error: Error, keepsUnread: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    if (!keepsUnread) this.#unreadBytes = 0;
    if (this.#unreadBytes > 0) this.#wake();
    else this.#reader.fail(error);
  }

  next(): Promise<Taken> {
    this.#takeBack();
    if (this.#unreadBytes > 0) return Promise.resolve(this.#lend());
    if (this.#error !== null) return Promise.reject(this.#error);
    if (this.#isOver || this.#missingBytes === 0) {
      this.#isOver = true;
      return Promise.resolve(DONE);
    }
    this.#flowOn();
    return this.#reader.wait();
  }

  return(): Promise<Taken> {
    this.drop(0);
    return Promise.resolve(DONE);
  }

  drop(limitBytes: number): void {
    // What it broke off with may still lie here.
    this.#unreadBytes = 0;
    if (this.#isOver) return;
    this.#isOver = true;
    // The piece that was lent last may still be on its way to somewhere: its slab is not used again, nor is any other.
    this.#slabs.length = 0;
    this.#reader.tell(DONE);
    if (this.#missingBytes === 0) return;
    this.#flow.dropped(this.#missingBytes, limitBytes);
    if (this.#isPaused) this.#flow.resume();
    this.#isPaused = false;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** All that lies unread in the first slab that has any. */
  #lend(): Taken {
    const slab = this.#slabs.find(({ filled, taken }) => taken < filled);
    if (slab === undefined) throw new Error('No slab has what is counted as unread');
    const value = slab.bytes.subarray(slab.taken, slab.filled);
    this.#unreadBytes -= value.length;
    slab.taken = slab.filled;
    this.#flowOn();
    return { done: false, value };
  }

  /** The reader is through with what it had. The last slab stays while reads land in it. */
  #takeBack(): void {
    // A read may have been on its way into the last one when it broke off: none is used again.
    if (this.#error !== null) return;
    const keptCount = this.isFilling ? 1 : 0;
    while (this.#slabs.length > keptCount) {
      const first = this.#slabs[0];
      if (first === undefined || first.taken < first.filled) return;
      this.#slabs.shift();
      this.#pool.give(first.bytes);
    }
  }

  #wakeSoon(): void {
    if (this.#unreadBytes >= WAKE_BYTES || this.#missingBytes === 0) {
      this.#wake();
    } else if (!this.#isWaking) {
      this.#isWaking = true;
      setImmediate(this.#wake);
    }
  }

  #flowOn(): void {
    if (!this.#isPaused || this.#unreadBytes >= HELD_BYTES) return;
    this.#isPaused = false;
    this.#flow.resume();
  }
}
