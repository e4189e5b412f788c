// What the CRCs are computed with, as a WebAssembly module that needs no native code. `words` and `bytes` are slicing-by-8
// (Kounavis and Berry, 2005) for CRC-64/NVME. `fold` makes long bytes short without a table: a CRC is a remainder modulo a
// polynomial, so adding (exclusive or) multiples of that polynomial changes nothing; of a multiple with few terms, all of
// them powers of x^128, each adding is a few loads of 16 bytes ("Chorba", Sam Russell, 2024).
import { code, get, I32, I64, number, OP, repeat, set, unsigned, webAssemblyModule } from './web-assembly.ts';

export const UNIT_BYTES = 16;

/**
 * The exponents of x^128 in a multiple of a CRC's polynomial. Found by search, as sums of few powers that are zero;
 * checksum-engines.test.ts proves them.
 */
export const CRC64_NVME_MULTIPLE = [0, 107, 141, 148, 361, 431, 961, 987, 1079];
export const CRC32C_MULTIPLE = [0, 14, 39, 54, 144, 209];

/** Eight tables of 256 numbers: a CRC-64 moved on by one to eight bytes. */
export const STEP_TABLES_AT = 0;
const STEP_TABLES_BYTES = 8 * 256 * 8;
/** Where bytes to take are put. What is folded from before them is zero, always. */
export const DATA_AT = STEP_TABLES_BYTES + windowBytes(CRC64_NVME_MULTIPLE);
export const DATA_BYTES = 512 * 1024;

const TABLE_BYTES = 256 * 8;
/** Units that a round of the fold's loop takes. */
const UNITS_AT_ONCE = 4;
export const ROUND_BYTES = UNITS_AT_ONCE * UNIT_BYTES;

/** How far a multiple reaches; so many bytes are left of a fold. */
export function windowBytes(multiple: readonly number[]): number {
  return Math.max(...multiple) * UNIT_BYTES;
}

/** How far before a unit stand those that are added to it, in units. */
export function distancesOf(multiple: readonly number[]): number[] {
  const highest = Math.max(...multiple);
  return multiple.filter((exponent) => exponent < highest).map((exponent) => highest - exponent);
}

export interface CrcFunctions {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** Takes words of eight bytes into a CRC-64, at least one. */
  readonly words: (at: number, end: number, crc: bigint) => bigint;
  /** Takes single bytes into a CRC-64, at least one. */
  readonly bytes: (at: number, end: number, crc: bigint) => bigint;
  /** Folds rounds, at least one, where they stand. `at` and `end`: the window's length before them. */
  readonly foldCrc64: (at: number, end: number) => void;
  readonly foldCrc32c: (at: number, end: number) => void;
  /** Adds the units from `from` on to those from `to` up to `end`, at least one. */
  readonly add: (from: number, to: number, end: number) => void;
}

/** The module with `CrcFunctions`. */
export function crcModule(): Uint8Array<ArrayBuffer> {
  const crc = { parameters: [I32, I32, I64], results: [I64] };
  const fold = { parameters: [I32, I32], results: [], locals: [] };
  return webAssemblyModule(DATA_AT + DATA_BYTES, [
    { name: 'words', ...crc, locals: [I32, I32], code: wordsCode() },
    { name: 'bytes', ...crc, locals: [], code: bytesCode() },
    { name: 'foldCrc64', ...fold, code: foldCode(CRC64_NVME_MULTIPLE) },
    { name: 'foldCrc32c', ...fold, code: foldCode(CRC32C_MULTIPLE) },
    { name: 'add', parameters: [I32, I32, I32], results: [], locals: [], code: addCode() },
  ]);
}

function foldCode(multiple: readonly number[]): number[] {
  const [at, end] = [0, 1];
  const window = Math.max(...multiple);
  const loadUnit = (unit: number): number[] =>
    code(get(at), OP.v128Load, unsigned((window + unit) * UNIT_BYTES));
  const units = Array.from({ length: UNITS_AT_ONCE }, (_, unit) =>
    code(
      get(at),
      loadUnit(unit),
      ...distancesOf(multiple).map((distance) => code(loadUnit(unit - distance), OP.v128Xor)),
      OP.v128Store,
      unsigned((window + unit) * UNIT_BYTES),
    ),
  );
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
