// CRC-64/NVME, what S3 calls CRC64NVME, and CRC32C over the same bytes, with the functions of the module beside this file:
// long pieces are folded to their last few kilobytes, which have the same CRCs.
import {
  BLOCK_BYTES,
  CRC32C_MULTIPLE,
  CRC64_NVME_MULTIPLE,
  type CrcFunctions,
  crcModule,
  DATA_AT,
  distancesOf,
  LAST_BLOCK_BYTES,
  ROUND_BYTES,
  STEP_TABLES_AT,
  TO_CRC32C,
  WINDOW_BYTES,
} from './crc-module.ts';

/** Reflected. */
const NVME_POLYNOMIAL = 0x9a6c9329ac4bc9b5n;
/** Shorter pieces are not folded. */
const FOLDED_FROM_BYTES = 2 * WINDOW_BYTES;
const DISTANCES_64 = distancesOf(CRC64_NVME_MULTIPLE);
const DISTANCES_32 = distancesOf(CRC32C_MULTIPLE);
/** The first units of the windows that are added to anything. */
const FIRST_64_AT = DATA_AT - Math.max(...DISTANCES_64);
const FIRST_32_AT = DATA_AT + TO_CRC32C - Math.max(...DISTANCES_32);

/** What Node has and its types do not tell. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object;
    readonly Instance: new (module: object) => { readonly exports: CrcFunctions };
  };
};

/** Continues a CRC32C, which begins with 0, by some bytes. */
export type Crc32 = (bytes: Uint8Array, crc: number) => number;

/** The two CRCs that most large objects need; the values after the last update. Both begin with 0. */
export class Crcs {
  readonly #functions: CrcFunctions;
  readonly #crc32cOfShort: Crc32;
  readonly #memory: Uint8Array;
  readonly #view: DataView;
  crc64 = 0n;
  crc32c = 0;

  /**
   * One is enough for a process: it keeps nothing between two updates.
   *
   * @param crc32cOfShort takes pieces that are not folded, and what a fold leaves
   */
  constructor(crc32cOfShort: Crc32) {
    this.#functions = new WebAssembly.Instance(new WebAssembly.Module(crcModule())).exports;
    this.#crc32cOfShort = crc32cOfShort;
    this.#memory = new Uint8Array(this.#functions.memory.buffer);
    this.#view = new DataView(this.#functions.memory.buffer);
    fillStepTables(this.#functions);
  }

  /** Continues these two by the bytes; what comes out stands in `crc64` and `crc32c` until the next update. */
  update(bytes: Uint8Array, crc64: bigint, crc32c: number): void {
    this.crc64 = crc64;
    this.crc32c = crc32c;
    if (bytes.length >= FOLDED_FROM_BYTES) {
      this.#fold(bytes);
      return;
    }
    this.crc32c = this.#crc32cOfShort(bytes, this.crc32c);
    this.#memory.set(bytes, DATA_AT);
    this.crc64 = this.#crc64Of(DATA_AT, DATA_AT + bytes.length, this.crc64);
  }

  #fold(bytes: Uint8Array): void {
    this.#begin();
    let from = 0;
    for (; bytes.length - from > LAST_BLOCK_BYTES; from += BLOCK_BYTES) {
      this.#memory.set(bytes.subarray(from, from + BLOCK_BYTES), DATA_AT);
      this.#functions.fold(DATA_AT - WINDOW_BYTES, DATA_AT + BLOCK_BYTES - WINDOW_BYTES);
      for (const at of [DATA_AT, DATA_AT + TO_CRC32C])
        this.#memory.copyWithin(at - WINDOW_BYTES, at + BLOCK_BYTES - WINDOW_BYTES, at + BLOCK_BYTES);
    }
    const length = bytes.length - from;
    this.#memory.set(bytes.subarray(from), DATA_AT);
    this.#foldLast(DATA_AT + length);
  }

  /**
   * The windows are zero but for their first units, which are added to nothing but the first units of the bytes: there
   * stand the registers of the CRCs.
   */
  #begin(): void {
    this.#memory.fill(0, DATA_AT - WINDOW_BYTES, DATA_AT);
    this.#memory.fill(0, DATA_AT + TO_CRC32C - WINDOW_BYTES, DATA_AT + TO_CRC32C);
    this.#view.setBigInt64(FIRST_64_AT, ~this.crc64, true);
    this.#view.setUint32(FIRST_32_AT, ~this.crc32c, true);
  }

  #foldLast(end: number): void {
    const { fold, add } = this.#functions;
    const folded = end - WINDOW_BYTES - ((end - WINDOW_BYTES - DATA_AT) % ROUND_BYTES);
    fold(DATA_AT - WINDOW_BYTES, folded - WINDOW_BYTES);
    this.#memory.copyWithin(folded + TO_CRC32C, folded, end);
    for (const distance of DISTANCES_64) add(folded - distance, folded, folded + distance);
    this.crc64 = this.#crc64Of(folded, end, ~0n);
    const folded32 = folded + TO_CRC32C;
    for (const distance of DISTANCES_32) add(folded32 - distance, folded32, folded32 + distance);
    const rest = this.#memory.subarray(folded32, end + TO_CRC32C);
    this.crc32c = this.#crc32cOfShort(rest, REGISTER_OF_ZERO);
  }

  #crc64Of(at: number, end: number, crc: bigint): bigint {
    const { words, bytes } = this.#functions;
    let register = BigInt.asIntN(64, ~crc);
    const wordsEnd = end - ((end - at) % 8);
    if (wordsEnd > at) register = words(at, wordsEnd, register);
    if (end > wordsEnd) register = bytes(wordsEnd, end, register);
    return BigInt.asUintN(64, ~register);
  }
}

/** A CRC32C whose register is zero: what it began with was folded already. */
const REGISTER_OF_ZERO = 0xffffffff;

function fillStepTables({ memory }: CrcFunctions): void {
  const steps = new BigUint64Array(memory.buffer, STEP_TABLES_AT, 8 * 256);
  for (let index = 0; index < 256; index += 1) {
    let crc = BigInt(index);
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1n ? (crc >> 1n) ^ NVME_POLYNOMIAL : crc >> 1n;
    steps[index] = crc;
  }
  for (let index = 256; index < 8 * 256; index += 1) {
    const before = steps[index - 256] ?? 0n;
    steps[index] = (before >> 8n) ^ (steps[Number(before & 0xffn)] ?? 0n);
  }
}
