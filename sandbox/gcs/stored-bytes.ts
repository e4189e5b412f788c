// How object bytes arrive and are kept: copied into blocks of 256 KiB, with CRC32C and MD5 computed on the way.
// Only whole blocks count as persisted until the end of the object is known, as in a real upload session.
import { createHash } from 'node:crypto';
import { crc32c } from '@node-rs/crc32';

/** Unfinished uploads are kept in multiples of this many bytes. */
export const BLOCK_BYTES = 256 * 1024;

const FIRST_BUFFER_BYTES = 16 * 1024;

/** The content of one object generation; immutable. */
export interface StoredBytes {
  readonly sizeBytes: number;
  readonly crc32c: string;
  /** Null for a composed object, which has none. */
  readonly md5: string | null;
  /** Null when the server or bucket was told not to keep bytes. */
  readonly blocks: readonly Uint8Array[] | null;
}

/** Collects one object's bytes. What `write` got beyond the last whole block is the tail: kept only once persisted. */
export class ByteSink {
  readonly #keepBytes: boolean;
  readonly #md5 = createHash('md5');
  readonly #blocks: Buffer[] = [];
  #crc = 0;
  #persistedBytes = 0;
  #buffer: Buffer = Buffer.alloc(0);
  #tailBytes = 0;

  constructor(keepBytes: boolean) {
    this.#keepBytes = keepBytes;
  }

  get persistedBytes(): number {
    return this.#persistedBytes;
  }

  /** Persisted bytes and the tail. */
  get receivedBytes(): number {
    return this.#persistedBytes + this.#tailBytes;
  }

  write(bytes: Uint8Array): void {
    let offset = 0;
    while (offset < bytes.length) {
      const take = Math.min(bytes.length - offset, BLOCK_BYTES - this.#tailBytes);
      this.#reserve(this.#tailBytes + take);
      this.#buffer.set(bytes.subarray(offset, offset + take), this.#tailBytes);
      this.#tailBytes += take;
      offset += take;
      if (this.#tailBytes === BLOCK_BYTES) this.persistTail();
    }
  }

  /** Forgets what came after the last whole block: the fate of a chunk that was cut. */
  dropTail(): void {
    this.#tailBytes = 0;
  }

  /** Keeps the tail although it is no whole block: the end of the object. */
  persistTail(): void {
    if (this.#tailBytes === 0) return;
    const block = this.#buffer.subarray(0, this.#tailBytes);
    this.#crc = crc32c(block, this.#crc);
    this.#md5.update(block);
    if (this.#keepBytes && this.#tailBytes === BLOCK_BYTES) {
      this.#blocks.push(block);
      this.#buffer = Buffer.alloc(0);
    } else if (this.#keepBytes) this.#blocks.push(Buffer.from(block));
    this.#persistedBytes += this.#tailBytes;
    this.#tailBytes = 0;
  }

  /** The content so far, without the tail. Later writes do not change it. */
  snapshot(): StoredBytes {
    return {
      sizeBytes: this.#persistedBytes,
      crc32c: crcToBase64(this.#crc),
      md5: this.#md5.copy().digest('base64'),
      blocks: this.#keepBytes ? [...this.#blocks] : null,
    };
  }

  #reserve(neededBytes: number): void {
    if (this.#buffer.length >= neededBytes) return;
    let capacityBytes = Math.max(FIRST_BUFFER_BYTES, this.#buffer.length);
    while (capacityBytes < neededBytes) capacityBytes *= 4;
    const grown = Buffer.allocUnsafeSlow(Math.min(capacityBytes, BLOCK_BYTES));
    grown.set(this.#buffer.subarray(0, this.#tailBytes));
    this.#buffer = grown;
  }
}

/** The bytes from `startByte` up to but without `endByte`, block by block. */
export async function* readBlocks(
  blocks: readonly Uint8Array[],
  startByte: number,
  endByte: number,
): AsyncGenerator<Uint8Array> {
  let position = 0;
  for (const block of blocks) {
    const from = Math.max(startByte - position, 0);
    const to = Math.min(endByte - position, block.length);
    position += block.length;
    if (from < to) yield block.subarray(from, to);
    if (position >= endByte) return;
  }
}

/** The content of several objects one after the other; the CRC comes from theirs, so it works without kept bytes. */
export function concatenate(parts: readonly StoredBytes[]): StoredBytes {
  let crc = 0;
  let sizeBytes = 0;
  let blocks: Uint8Array[] | null = [];
  for (const part of parts) {
    crc = combineCrc(crc, crcFromBase64(part.crc32c), part.sizeBytes);
    sizeBytes += part.sizeBytes;
    blocks = blocks === null || part.blocks === null ? null : [...blocks, ...part.blocks];
  }
  return { sizeBytes, crc32c: crcToBase64(crc), md5: null, blocks };
}

function crcToBase64(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc >>> 0);
  return bytes.toString('base64');
}

function crcFromBase64(text: string): number {
  return Buffer.from(text, 'base64').readUInt32BE(0);
}

// A CRC is a remainder modulo a polynomial over GF(2), so following bytes multiply it by x^(8 * their number).
// Bits are reflected: the highest bit of the number is the coefficient of x^0.
const POLYNOMIAL = 0x82f63b78;
const X_TO_0 = 0x80000000;
const X_TO_8 = 0x00800000;

function multiply(left: number, right: number): number {
  let product = 0;
  let shifted = right;
  for (let bit = 31; bit >= 0; bit -= 1) {
    if ((left >>> bit) & 1) product ^= shifted;
    shifted = shifted & 1 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}

function combineCrc(first: number, second: number, secondBytes: number): number {
  let power = X_TO_0;
  let square = X_TO_8;
  for (let left = secondBytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  return (multiply(first, power) ^ second) >>> 0;
}
