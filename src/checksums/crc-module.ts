// What the CRCs are computed with, as a WebAssembly module that needs no native code. `words` and `bytes` are slicing-by-8
// (Kounavis and Berry, 2005) for CRC-64/NVME. `fold` makes long bytes short without a table: a CRC is a remainder modulo a
// polynomial, so adding (exclusive or) multiples of that polynomial changes nothing; of a multiple with few terms, all of
// them powers of x^128, each adding is a few loads of 16 bytes ("Chorba", Sam Russell, 2024).
import {
  code,
  get,
  I32,
  I64,
  number,
  OP,
  repeat,
  set,
  unsigned,
  V128,
  webAssemblyModule,
} from './web-assembly.ts';

const UNIT_BYTES = 16;

/**
 * The exponents of x^128 in a multiple of a CRC's polynomial. Found by search, as sums of few powers that are zero;
 * checksum-engines.test.ts proves them.
 */
export const CRC64_NVME_MULTIPLE = [0, 107, 141, 148, 361, 431, 961, 987, 1079];
export const CRC32C_MULTIPLE = [0, 14, 39, 54, 144, 209];

/** Eight tables of 256 numbers: a CRC-64 moved on by one to eight bytes. */
export const STEP_TABLES_AT = 0;
const TABLE_BYTES = 256 * 8;
/** Units that a round of the fold's loop takes. */
const UNITS_AT_ONCE = 4;
export const ROUND_BYTES = UNITS_AT_ONCE * UNIT_BYTES;

/** How far the multiples reach; so many bytes are left of a fold. */
const WINDOW_UNITS = Math.max(...CRC64_NVME_MULTIPLE);
export const WINDOW_BYTES = WINDOW_UNITS * UNIT_BYTES;
/** So many bytes are folded while they are near the processor, the window before them moves on, and the next are put there. */
export const BLOCK_BYTES = 64 * 1024;
/** The last block has at least twice the window. */
export const LAST_BLOCK_BYTES = BLOCK_BYTES + 2 * WINDOW_BYTES;
/** Where bytes are put, and become what folds to the CRC-64. Before them is a window. */
export const DATA_AT = 8 * TABLE_BYTES + WINDOW_BYTES;
/** From a byte to the same one of what folds to the CRC32C. */
export const TO_CRC32C = LAST_BLOCK_BYTES + WINDOW_BYTES;

/** How far before a unit stand those that are added to it, in bytes. */
export function distancesOf(multiple: readonly number[]): number[] {
  const highest = Math.max(...multiple);
  return multiple
    .filter((exponent) => exponent < highest)
    .map((exponent) => (highest - exponent) * UNIT_BYTES);
}

export interface CrcFunctions {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** Takes words of eight bytes into a CRC-64, at least one. */
  readonly words: (at: number, end: number, crc: bigint) => bigint;
  /** Takes single bytes into a CRC-64, at least one. */
  readonly bytes: (at: number, end: number, crc: bigint) => bigint;
  /** Folds rounds, at least one, for both CRCs. `at` and `end`: a window before them. */
  readonly fold: (at: number, end: number) => void;
  /** Adds the units from `from` on to those from `to` up to `end`, at least one. */
  readonly add: (from: number, to: number, end: number) => void;
}

/** The module with `CrcFunctions`. */
export function crcModule(): Uint8Array<ArrayBuffer> {
  const crc = { parameters: [I32, I32, I64], results: [I64] };
  return webAssemblyModule(DATA_AT + TO_CRC32C + LAST_BLOCK_BYTES, [
    { name: 'words', ...crc, locals: [I32, I32], code: wordsCode() },
    { name: 'bytes', ...crc, locals: [], code: bytesCode() },
    { name: 'fold', parameters: [I32, I32], results: [], locals: [V128], code: foldCode() },
    { name: 'add', parameters: [I32, I32, I32], results: [], locals: [], code: addCode() },
  ]);
}

function foldCode(): number[] {
  const [at, end, fresh] = [0, 1, 2];
  const load = (offset: number): number[] => code(get(at), OP.v128Load, unsigned(offset));
  const add = (multiple: readonly number[], offset: number): number[] =>
    code(
      code(get(at), get(fresh)),
      ...distancesOf(multiple).map((distance) => code(load(offset - distance), OP.v128Xor)),
      code(OP.v128Store, unsigned(offset)),
    );
  const units = Array.from({ length: UNITS_AT_ONCE }, (_, unit) => {
    const offset = WINDOW_BYTES + unit * UNIT_BYTES;
    return code(
      code(load(offset), set(fresh)),
      add(CRC32C_MULTIPLE, offset + TO_CRC32C),
      add(CRC64_NVME_MULTIPLE, offset),
    );
  });
  return code(OP.loop, ...units, repeat(at, ROUND_BYTES, end));
}

function addCode(): number[] {
  const [from, to, end] = [0, 1, 2];
  const loadAt = (local: number): number[] => code(get(local), OP.v128Load, [0]);
  return code(
    OP.loop,
    code(get(to), loadAt(from), loadAt(to), OP.v128Xor, OP.v128Store, [0]),
    code(get(from), number(UNIT_BYTES), OP.i32Add, set(from)),
    repeat(to, UNIT_BYTES, end),
  );
}

function wordsCode(): number[] {
  const [at, end, crc, low, high] = [0, 1, 2, 3, 4];
  const lookUps = Array.from({ length: 8 }, (_, byte) => {
    // The byte, times eight.
    const shift = 8 * (byte % 4) - 3;
    return code(
      code(get(byte < 4 ? low : high), number(Math.abs(shift)), shift < 0 ? OP.i32Shl : OP.i32ShrU),
      code(number(0xff << 3), OP.i32And, OP.i64Load, unsigned(STEP_TABLES_AT + (7 - byte) * TABLE_BYTES)),
      byte > 0 ? OP.i64Xor : [],
    );
  });
  return code(
    OP.loop,
    code(get(crc), get(at), OP.i64Load, [0], OP.i64Xor, set(crc)),
    code(get(crc), OP.i32WrapI64, set(low)),
    code(get(crc), OP.i64Const, [32], OP.i64ShrU, OP.i32WrapI64, set(high)),
    ...lookUps,
    set(crc),
    repeat(at, 8, end),
    get(crc),
  );
}

function bytesCode(): number[] {
  const [at, end, crc] = [0, 1, 2];
  return code(
    OP.loop,
    code(get(crc), get(at), OP.i64Load8U, [0], OP.i64Xor, OP.i32WrapI64),
    code(number(0xff), OP.i32And, number(3), OP.i32Shl, OP.i64Load, unsigned(STEP_TABLES_AT)),
    code(get(crc), OP.i64Const, [8], OP.i64ShrU, OP.i64Xor, set(crc)),
    repeat(at, 1, end),
    get(crc),
  );
}
