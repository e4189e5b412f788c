// CRC-64/NVME, what S3 calls CRC64NVME, and CRC32C over any bytes, with the functions of the module beside this file: long
// pieces are folded to their last few kilobytes, which have the same CRC.
import {
  CRC32C_MULTIPLE,
  CRC64_NVME_MULTIPLE,
  type CrcFunctions,
  crcModule,
  DATA_AT,
  DATA_BYTES,
  distancesOf,
  ROUND_BYTES,
  STEP_TABLES_AT,
  UNIT_BYTES,
  windowBytes,
} from './crc-module.ts';

/** Reflected. */
const NVME_POLYNOMIAL = 0x9a6c9329ac4bc9b5n;

/** What Node has and its types do not tell. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object;
    readonly Instance: new (module: object) => { readonly exports: CrcFunctions };
  };
};

/** Continues a CRC, which begins with 0, by some bytes. */
export type Crc64 = (bytes: Uint8Array, crc: bigint) => bigint;
export type Crc32 = (bytes: Uint8Array, crc: number) => number;

export interface Crcs {
  readonly crc64: Crc64;
  readonly crc32c: Crc32;
}

/**
 * Makes the functions; call it once for the process. They keep nothing between two calls.
 *
 * @param crc32cOfShort takes pieces that folding does not pay for, and what a fold leaves
 */
export function openCrcs(crc32cOfShort: Crc32): Crcs {
  const functions = new WebAssembly.Instance(new WebAssembly.Module(crcModule())).exports;
  fillStepTables(functions);
  const data = new Uint8Array(functions.memory.buffer, DATA_AT, DATA_BYTES);
  const view = new DataView(functions.memory.buffer);
  const foldCrc64 = folding(functions, functions.foldCrc64, CRC64_NVME_MULTIPLE);
  const foldCrc32c = folding(functions, functions.foldCrc32c, CRC32C_MULTIPLE);
  return {
    crc64: (bytes, crc) => {
      let register = BigInt.asIntN(64, ~crc);
      for (let from = 0; from < bytes.length; from += DATA_BYTES) {
        const part = bytes.subarray(from, from + DATA_BYTES);
        data.set(part);
        if (part.length >= foldCrc64.fromBytes) {
          view.setBigInt64(DATA_AT, view.getBigInt64(DATA_AT, true) ^ register, true);
          register = 0n;
        }
        register = takeCrc64(functions, foldCrc64.fold(part.length), DATA_AT + part.length, register);
      }
      return BigInt.asUintN(64, ~register);
    },
    crc32c: (bytes, crc) => {
      let next = crc;
      for (let from = 0; from < bytes.length; from += DATA_BYTES) {
        const part = bytes.subarray(from, from + DATA_BYTES);
        if (part.length < foldCrc32c.fromBytes) return crc32cOfShort(part, next);
        data.set(part);
        view.setUint32(DATA_AT, view.getUint32(DATA_AT, true) ^ ~next, true);
        const rest = foldCrc32c.fold(part.length) - DATA_AT;
        // A register of zero: it was added to the first bytes.
        next = crc32cOfShort(data.subarray(rest, part.length), 0xffffffff);
      }
      return next;
    },
  };
}

interface Folding {
  /** Shorter pieces are not folded. */
  readonly fromBytes: number;
  /** Folds what was put at `DATA_AT`; returns where those bytes begin that are left. */
  readonly fold: (length: number) => number;
}

function folding(
  { add }: CrcFunctions,
  foldRounds: (at: number, end: number) => void,
  multiple: readonly number[],
): Folding {
  const window = windowBytes(multiple);
  const distances = distancesOf(multiple).map((units) => units * UNIT_BYTES);
  const fromBytes = 2 * window;
  return {
    fromBytes,
    fold(length) {
      if (length < fromBytes) return DATA_AT;
      const end = DATA_AT + length - window;
      const folded = end - ((end - DATA_AT) % ROUND_BYTES);
      foldRounds(DATA_AT - window, folded - window);
      for (const distance of distances) add(folded - distance, folded, folded + distance);
      return folded;
    },
  };
}

function takeCrc64({ words, bytes }: CrcFunctions, at: number, end: number, register: bigint): bigint {
  const wordsEnd = end - ((end - at) % 8);
  const next = wordsEnd > at ? words(at, wordsEnd, register) : register;
  return end > wordsEnd ? bytes(wordsEnd, end, next) : next;
}

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
