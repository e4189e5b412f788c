// CRC-64/NVME, what S3 calls CRC64NVME, over any bytes: the tables, and how a piece is divided among the functions of the
// module beside this file.
import {
  crc64Module,
  DATA_AT,
  DATA_BYTES,
  MOVE_TABLES_AT,
  PLACE_BYTES,
  STEP_TABLES_AT,
} from './crc64-module.ts';

/** Reflected. */
const NVME_POLYNOMIAL = 0x9a6c9329ac4bc9b5n;
const BLOCK_BYTES = 4 * PLACE_BYTES;

type Take = (at: number, countOrEnd: number, crc: bigint) => bigint;

interface Crc64Functions {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly blocks: Take;
  readonly words: Take;
  readonly bytes: Take;
}

/** What Node has and its types do not tell. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object;
    readonly Instance: new (module: object) => { readonly exports: Crc64Functions };
  };
};

/** Continues a CRC, which begins with 0, by some bytes. */
export type Crc64 = (bytes: Uint8Array, crc: bigint) => bigint;

/** Makes the function. It keeps nothing between two calls; call it once for the process. */
export function openCrc64(): Crc64 {
  const functions = new WebAssembly.Instance(new WebAssembly.Module(crc64Module())).exports;
  fillTables(functions);
  const data = new Uint8Array(functions.memory.buffer, DATA_AT, DATA_BYTES);
  return (bytes, crc) => {
    let register = BigInt.asIntN(64, ~crc);
    for (let from = 0; from < bytes.length; from += DATA_BYTES) {
      const part = bytes.subarray(from, from + DATA_BYTES);
      data.set(part);
      register = take(functions, part.length, register);
    }
    return BigInt.asUintN(64, ~register);
  };
}

function take({ blocks, words, bytes }: Crc64Functions, length: number, register: bigint): bigint {
  let at = DATA_AT;
  const end = DATA_AT + length;
  let next = register;
  const blockCount = Math.floor(length / BLOCK_BYTES);
  if (blockCount > 0) next = blocks(at, blockCount, next);
  at += blockCount * BLOCK_BYTES;
  const wordsEnd = end - ((end - at) % 8);
  if (wordsEnd > at) next = words(at, wordsEnd, next);
  return end > wordsEnd ? bytes(wordsEnd, end, next) : next;
}

function fillTables({ memory, bytes }: Crc64Functions): void {
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
  // The bytes of the data are still zero: each bit of a CRC, moved on by one place of them.
  const bits = Array.from({ length: 64 }, (_, bit) =>
    BigInt.asUintN(64, bytes(DATA_AT, DATA_AT + PLACE_BYTES, BigInt.asIntN(64, 1n << BigInt(bit)))),
  );
  const moves = new BigUint64Array(memory.buffer, MOVE_TABLES_AT, 8 * 256);
  for (let byte = 0; byte < 8; byte += 1)
    for (let value = 0; value < 256; value += 1) {
      let moved = 0n;
      for (let bit = 0; bit < 8; bit += 1) if (value & (1 << bit)) moved ^= bits[8 * byte + bit] ?? 0n;
      moves[256 * byte + value] = moved;
    }
}
