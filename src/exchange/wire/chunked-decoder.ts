// A body in chunks (RFC 9112, 7.1), cut wherever the network cuts it. Sizes, extensions and trailers are bounded;
// extensions and trailers are read and mean nothing.
import { malformed } from './answer-head.ts';

/** A size of at most so many hexadecimal digits stays a safe integer. */
const MAX_SIZE_DIGITS = 13;
const MAX_LINE_BYTES = 4 * 1024;
const MAX_TRAILER_BYTES = 16 * 1024;

const CR = 13;
const LF = 10;

const SIZE_LINE = /^([0-9a-fA-F]+)[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;
const TRAILER_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*$/;

export class ChunkedDecoder {
  readonly #push: (piece: Buffer) => void;
  #state: 'size' | 'data' | 'data-end' | 'trailer' | 'done' = 'size';
  #line = '';
  #missingBytes = 0;
  #trailerBytes = 0;

  /** `push` gets views of the bytes that are decoded. */
  constructor(push: (piece: Buffer) => void) {
    this.#push = push;
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Takes what came; returns how many bytes of it belong to the body. Throws ExchangeError where it is malformed. */
  decode(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && this.#state !== 'done') {
      if (this.#state !== 'data') {
        at = this.#readLine(bytes, at);
        continue;
      }
      const end = Math.min(bytes.length, at + this.#missingBytes);
      this.#push(bytes.subarray(at, end));
      this.#missingBytes -= end - at;
      at = end;
      if (this.#missingBytes === 0) this.#state = 'data-end';
    }
    return at;
  }

  /** Reads up to the end of a line, or all there is. */
  #readLine(bytes: Buffer, start: number): number {
    const found = bytes.indexOf(LF, start);
    const end = found === -1 ? bytes.length : found + 1;
    if (this.#line.length + end - start > MAX_LINE_BYTES)
      throw malformed('a line between its chunks is too long');
    this.#line += bytes.toString('latin1', start, end);
    if (this.#state === 'data-end' && !'\r\n'.startsWith(this.#line))
      throw malformed('a chunk is longer than its size');
    if (found === -1) return end;
    const line = this.#line;
    this.#line = '';
    if (line.length < 2 || line.charCodeAt(line.length - 2) !== CR)
      throw malformed('a line feed stands alone between its chunks');
    this.#lineRead(line.slice(0, -2));
    return end;
  }

  #lineRead(line: string): void {
    if (this.#state === 'data-end') {
      this.#state = 'size';
    } else if (this.#state === 'size') {
      const digits = SIZE_LINE.exec(line)?.[1];
      if (digits === undefined) throw malformed('the size of a chunk is none');
      if (digits.replace(/^0+/, '').length > MAX_SIZE_DIGITS) throw malformed('a chunk is too large');
      this.#missingBytes = Number.parseInt(digits, 16);
      this.#state = this.#missingBytes === 0 ? 'trailer' : 'data';
    } else if (line === '') {
      this.#state = 'done';
    } else {
      this.#trailerBytes += line.length;
      if (this.#trailerBytes > MAX_TRAILER_BYTES) throw malformed('its trailers are too long');
      if (!TRAILER_LINE.test(line)) throw malformed('a trailer is none');
    }
  }
}
