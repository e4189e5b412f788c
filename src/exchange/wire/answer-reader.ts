// Takes what a connection reads and makes one answer after the other of it: head, body, end. Reads of small answers land
// in one buffer of the connection and are copied out; a large body reads into slabs that it lends.
import type { AnswerBody } from '../connections.ts';
import { HeldBody } from '../held-body.ts';
import { type AnswerHead, endOfHead, malformed, MAX_HEAD_BYTES, parseHead } from './answer-head.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import { SlabBody, type SlabFlow } from './slab-body.ts';
import type { SlabPool } from './slab-pool.ts';

/** Bodies of a known length above this are lent out of slabs. */
const LARGE_BODY_BYTES = 64 * 1024;
const MAX_INTERIM_ANSWERS = 16;

/** What the reader tells its connection. */
export interface AnswerEvents {
  /** A final answer has begun. */
  answered(head: AnswerHead, body: AnswerBody): void;
  /** It has ended. `isClean`: nothing came behind it. */
  ended(isClean: boolean): void;
}

export class AnswerReader {
  readonly #slabs: SlabPool;
  readonly #events: AnswerEvents;
  readonly #small = Buffer.allocUnsafeSlow(MAX_HEAD_BYTES);
  /** What of the small buffer was read and is not understood yet. */
  #start = 0;
  #end = 0;
  #phase: 'idle' | 'head' | 'length' | 'chunked' | 'close' | 'slabs' | 'dropped' = 'idle';
  #method = '';
  #interimCount = 0;
  #flow: SlabFlow | null = null;
  #missingBytes = 0;
  #decoder: ChunkedDecoder | null = null;
  #held: HeldBody | null = null;
  #large: SlabBody | null = null;
  /** The body whose slab the read that is under way lands in; null: the small buffer. */
  #landing: SlabBody | null = null;

  constructor(slabs: SlabPool, events: AnswerEvents) {
    this.#slabs = slabs;
    this.#events = events;
  }

  /** An answer to a request of `method` comes next; `flow` is what its body needs. */
  begin(method: string, flow: SlabFlow): void {
    this.#method = method;
    this.#flow = flow;
    this.#phase = 'head';
    this.#interimCount = 0;
  }

  /** Where the next read is to land. */
  space(): Buffer {
    this.#landing = this.#phase === 'slabs' ? this.#large : null;
    return this.#landing === null ? this.#small.subarray(this.#end) : this.#landing.space();
  }

  /** So many bytes have landed in the last space. Throws ExchangeError where they cannot be an answer. */
  landed(bytes: number): void {
    if (this.#landing !== null) {
      this.#slabLanded(this.#landing, bytes);
      return;
    }
    const seen = this.#end;
    this.#end += bytes;
    if (this.#phase === 'head') this.#readHead(seen);
    if (this.#phase === 'idle') {
      if (this.#start < this.#end) throw malformed('bytes came that no request has asked for');
    } else if (this.#phase !== 'head') this.#readBody();
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
    }
  }

  /** Nothing more comes. True where that is the end of the answer. */
  endOfInput(): boolean {
    if (this.#phase !== 'close') return false;
    this.#finish(true);
    return true;
  }

  /** The rest of a large body is not wanted; it is read away. */
  dropRest(missingBytes: number): void {
    this.#phase = 'dropped';
    this.#missingBytes = missingBytes;
  }

  /** The body under way, if any, ends by this; `keepsUnread`: after what has come of it, where it is a large one. */
  fail(error: Error, keepsUnread: boolean): void {
    this.#held?.fail(error);
    this.#large?.fail(error, keepsUnread);
    this.#held = null;
    this.#large = null;
  }

  #readHead(seenBytes: number): void {
    let seen = seenBytes;
    for (;;) {
      if (this.#start === this.#end) return;
      const end = endOfHead(this.#small, this.#start, seen, this.#end);
      if (end === -1) {
        if (this.#end === this.#small.length)
          throw malformed(`its head is longer than ${MAX_HEAD_BYTES} bytes`);
        return;
      }
      const head = parseHead(this.#small.toString('latin1', this.#start, end), this.#method);
      this.#start = end;
      if (head.status >= 200) {
        this.#open(head);
        return;
      }
      seen = end;
      this.#interimCount += 1;
      if (this.#interimCount > MAX_INTERIM_ANSWERS)
        throw malformed('too many interim answers came before it');
    }
  }

  #open(head: AnswerHead): void {
    const { framing } = head;
    const flow = this.#flow as SlabFlow;
    if (framing.kind === 'length' && framing.lengthBytes > LARGE_BODY_BYTES) {
      this.#large = new SlabBody(this.#slabs, flow, framing.lengthBytes);
      this.#phase = 'slabs';
      this.#events.answered(head, this.#large);
      return;
    }
    const held = new HeldBody(flow);
    this.#held = held;
    this.#events.answered(head, held);
    if (framing.kind === 'none') {
      this.#finish(this.#start === this.#end);
      return;
    }
    this.#phase = framing.kind;
    if (framing.kind === 'length') this.#missingBytes = framing.lengthBytes;
    // Copied: what is pushed lies there until it is taken.
    if (framing.kind === 'chunked')
      this.#decoder = new ChunkedDecoder((piece) => held.push(Buffer.from(piece)));
  }

  #readBody(): void {
    const bytes = this.#small.subarray(this.#start, this.#end);
    if (bytes.length === 0) return;
    if (this.#phase === 'slabs') {
      const large = this.#large as SlabBody;
      bytes.copy(large.space());
      this.#start = this.#end;
      this.#slabLanded(large, bytes.length);
    } else if (this.#phase === 'chunked') {
      const decoder = this.#decoder as ChunkedDecoder;
      this.#start += decoder.decode(bytes);
      if (decoder.isDone) this.#finish(this.#start === this.#end);
    } else if (this.#phase === 'close') {
      this.#start = this.#end;
      this.#held?.push(Buffer.from(bytes));
    } else {
      this.#readLength(bytes);
    }
  }

  #readLength(bytes: Buffer): void {
    const own = Math.min(bytes.length, this.#missingBytes);
    this.#start += own;
    this.#missingBytes -= own;
    if (this.#phase === 'length') this.#held?.push(Buffer.from(bytes.subarray(0, own)));
    if (this.#missingBytes === 0) this.#finish(own === bytes.length);
  }

  #slabLanded(body: SlabBody, bytes: number): void {
    if (this.#phase === 'slabs') {
      const surplus = body.fill(bytes);
      if (!body.isFilling) this.#finish(surplus === 0);
      return;
    }
    // It was dropped while the read was under way.
    const own = Math.min(bytes, this.#missingBytes);
    this.#missingBytes -= own;
    if (this.#missingBytes === 0) this.#finish(own === bytes);
  }

  #finish(isClean: boolean): void {
    this.#phase = 'idle';
    this.#start = 0;
    this.#end = 0;
    this.#held?.close();
    this.#held = null;
    this.#large = null;
    this.#decoder = null;
    this.#flow = null;
    this.#events.ended(isClean);
  }
}
