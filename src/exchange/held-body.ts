// The body of an answer as it comes: pieces that somebody takes one after the other. While nobody takes them the
// connection is held back, so that a body never piles up in memory.
import type { AnswerBody } from './connections.ts';
import { DONE, OneReader, type Taken } from './one-reader.ts';

/** What a body needs of its connection. */
export interface BodyFlow {
  pause(): void;
  resume(): void;
  abort(reason: Error): void;
}

/** So much lies here at most before the connection is held back. */
const HELD_BYTES = 64 * 1024;

/** Read it once, to its end, or drop it: it holds a connection. */
export class HeldBody implements AnswerBody {
  readonly #flow: BodyFlow;
  #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #isPaused = false;
  #isEnded = false;
  #error: Error | null = null;
  readonly #reader = new OneReader();
  /** Not null: nobody wants the rest, and so many bytes more are read away before the connection is given up. */
  #dropBytes: number | null = null;

  constructor(flow: BodyFlow) {
    this.#flow = flow;
  }

  /** A piece has come. */
  push(chunk: Uint8Array): void {
    if (this.#dropBytes !== null) {
      this.#dropBytes -= chunk.length;
      if (this.#dropBytes < 0) this.#flow.abort(new Error('Nobody wants the rest of the body'));
      return;
    }
    if (this.#reader.isWaiting) {
      this.#reader.tell({ done: false, value: chunk });
      return;
    }
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes < HELD_BYTES || this.#isPaused) return;
    this.#isPaused = true;
    this.#flow.pause();
  }

  /** It is whole. */
  close(): void {
    this.#isEnded = true;
    this.#reader.tell(DONE);
  }

  /** It broke off; who reads on is told, and where nobody does it is no error. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#chunks = [];
    this.#reader.fail(error);
  }

  /** The next piece. Rejects with what broke the body. */
  next(): Promise<Taken> {
    if (this.#error !== null) return Promise.reject(this.#error);
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#heldBytes -= chunk.length;
      this.#flowOn();
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.#isEnded || this.#dropBytes !== null) return Promise.resolve(DONE);
    return this.#reader.wait();
  }

  /** Ends a loop over it early: the connection is given up. */
  return(): Promise<Taken> {
    // Also where nothing lies here: what is still to come would hold the connection.
    this.drop(-1);
    return Promise.resolve(DONE);
  }

  /** Nobody wants the rest: up to `limitBytes` of it are read away, more costs the connection. */
  drop(limitBytes: number): void {
    if (this.#isEnded || this.#error !== null || this.#dropBytes !== null) return;
    this.#dropBytes = limitBytes - this.#heldBytes;
    this.#chunks = [];
    this.#heldBytes = 0;
    this.#reader.tell(DONE);
    if (this.#dropBytes < 0) this.#flow.abort(new Error('Nobody wants the rest of the body'));
    else this.#flowOn();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #flowOn(): void {
    if (!this.#isPaused || this.#heldBytes >= HELD_BYTES) return;
    this.#isPaused = false;
    this.#flow.resume();
  }
}
