// A multipart/related body of two parts, taken apart while it arrives: the first part is collected, the bytes of the
// second are passed on. Only as much is held back as could be the beginning of the closing boundary.
import { invalid, notImplemented } from './errors.ts';

const HEAD_LIMIT_BYTES = 64 * 1024;
const BLANK_LINE = Buffer.from('\r\n\r\n');

type Stage = 'before resource' | 'resource' | 'bytes' | 'after';

/** A parser for the two parts, fed chunk by chunk. */
export class RelatedParser {
  readonly #delimiter: Buffer;
  readonly #onBytes: (bytes: Uint8Array) => void;
  #stage: Stage = 'before resource';
  // A body may begin with the boundary itself; the line break that every other boundary has is put in front.
  #pending: Buffer = Buffer.from('\r\n');
  #resource: Buffer = Buffer.alloc(0);
  #bytesType: string | null = null;
  #failure: unknown = null;

  constructor(boundary: string, onBytes: (bytes: Uint8Array) => void) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
    this.#onBytes = onBytes;
  }

  /** Never throws: leaving a request's body half read would cut the connection instead of answering. */
  push(chunk: Uint8Array): void {
    if (this.#stage === 'after' || this.#failure !== null) return;
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    try {
      while (this.#step());
    } catch (error) {
      this.#failure = error;
    }
  }

  /** The parts' descriptions, once the body has ended; 400 when it was not whole. */
  end(): { readonly resource: Uint8Array; readonly bytesType: string | null } {
    if (this.#failure !== null) throw this.#failure;
    if (this.#stage !== 'after') throw invalid('Missing end boundary in multipart body.');
    return { resource: this.#resource, bytesType: this.#bytesType };
  }

  /** Consumes what can be consumed; false when more bytes are needed. */
  #step(): boolean {
    switch (this.#stage) {
      case 'before resource': {
        if (this.#takePartHead() === null) return false;
        this.#stage = 'resource';
        return true;
      }
      case 'resource': {
        const end = this.#pending.indexOf(this.#delimiter);
        if (end < 0) return this.#needMore();
        this.#resource = Buffer.from(this.#pending.subarray(0, end));
        const head = this.#takePartHead();
        if (head === null) return this.#needMore();
        const transfer = /^content-transfer-encoding:[ \t]*(\S+)/im.exec(head)?.[1];
        if (transfer !== undefined && !/^(binary|8bit|7bit)$/i.test(transfer))
          throw notImplemented(`Content-Transfer-Encoding ${transfer}`);
        this.#bytesType = /^content-type:[ \t]*(.+?)[ \t]*$/im.exec(head)?.[1] ?? null;
        this.#stage = 'bytes';
        return true;
      }
      case 'bytes':
        return this.#takeBytes();
      case 'after':
        return false;
    }
  }

  /** The header lines of the part behind the next delimiter; null while they are incomplete. */
  #takePartHead(): string | null {
    const start = this.#pending.indexOf(this.#delimiter);
    if (start < 0) return this.#needMoreHead();
    const headStart = start + this.#delimiter.length;
    if (this.#pending.subarray(headStart, headStart + 2).toString('latin1') === '--')
      throw invalid('A multipart upload has two parts: the object resource and the bytes');
    const headEnd = this.#pending.indexOf(BLANK_LINE, headStart);
    if (headEnd < 0) return this.#needMoreHead();
    const head = this.#pending.subarray(headStart, headEnd).toString('utf8');
    this.#pending = this.#pending.subarray(headEnd + BLANK_LINE.length);
    return head;
  }

  #takeBytes(): boolean {
    const end = this.#pending.indexOf(this.#delimiter);
    if (end < 0) {
      const safeBytes = this.#pending.length - this.#delimiter.length + 1;
      if (safeBytes > 0) {
        this.#onBytes(this.#pending.subarray(0, safeBytes));
        this.#pending = this.#pending.subarray(safeBytes);
      }
      return false;
    }
    const close = this.#pending.subarray(end + this.#delimiter.length, end + this.#delimiter.length + 2);
    if (close.length < 2) return false;
    if (close.toString('latin1') !== '--') throw invalid('A multipart upload has only two parts');
    this.#onBytes(this.#pending.subarray(0, end));
    this.#pending = Buffer.alloc(0);
    this.#stage = 'after';
    return false;
  }

  #needMore(): false {
    if (this.#pending.length > HEAD_LIMIT_BYTES) throw invalid('The metadata part of the upload is too long');
    return false;
  }

  #needMoreHead(): null {
    this.#needMore();
    return null;
  }
}
