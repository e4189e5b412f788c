// CRC-64/NVME as a WebAssembly module that is written here, instruction by instruction: there is nothing to build, and no
// engine but this is fast enough without native code. Four places of a block are taken side by side, because one CRC
// alone waits for its own table look-ups most of the time, and then put together: a CRC is linear.
//
// The table look-ups are slicing-by-8 (Kounavis and Berry, 2005); the polynomial is that of the NVM Express
// specification, reflected.

/** Bytes of one of the four places. A block has four times as many. */
export const PLACE_BYTES = 2048;
/** Eight tables of 256 numbers: a CRC moved on by one to eight bytes. */
export const STEP_TABLES_AT = 0;
/** Eight tables: a CRC moved on by the bytes of one place, for each of its own bytes. */
export const MOVE_TABLES_AT = 8 * 256 * 8;
/** The bytes to take. */
export const DATA_AT = 2 * MOVE_TABLES_AT;
export const DATA_BYTES = 256 * 1024;

const PAGE_BYTES = 64 * 1024;
const TABLE_BYTES = 256 * 8;
/** The mark of a module, and the version. */
const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const I32 = 0x7f;
const I64 = 0x7e;

/** The instructions that are used, by their names in the specification of WebAssembly. */
const OP = {
  loop: [0x03, 0x40],
  end: [0x0b],
  brIf: [0x0d],
  localGet: [0x20],
  localSet: [0x21],
  localTee: [0x22],
  i64Load: [0x29, 0x03],
  i64Load8U: [0x31, 0x00],
  i32Const: [0x41],
  i64Const: [0x42],
  i32LtU: [0x49],
  i32Add: [0x6a],
  i32Sub: [0x6b],
  i32And: [0x71],
  i32Shl: [0x74],
  i32ShrU: [0x76],
  i64Xor: [0x85],
  i64ShrU: [0x88],
  i32WrapI64: [0xa7],
} as const;

/** A whole number without a sign, as WebAssembly writes it. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** A whole number with a sign. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    const isLast = (rest < 0x40 && rest >= 0) || (rest >= -0x40 && rest < 0);
    bytes.push((rest & 0x7f) | (isLast ? 0 : 0x80));
    if (isLast) return bytes;
  }
}

const get = (local: number): number[] => [...OP.localGet, ...unsigned(local)];
const set = (local: number): number[] => [...OP.localSet, ...unsigned(local)];
const tee = (local: number): number[] => [...OP.localTee, ...unsigned(local)];
const number = (value: number): number[] => [...OP.i32Const, ...signed(value)];
const load = (offset: number): number[] => [...OP.i64Load, ...unsigned(offset)];

/** Instructions one after the other. */
function code(...instructions: readonly (readonly number[])[]): number[] {
  return instructions.flat();
}

/**
 * Leaves the CRC in local `crc`, moved on by tables at `tablesAt`. Its first byte goes through the last of the tables where
 * `isReversed` (steps over bytes), through the first one otherwise. `low` and `high`: locals to work with.
 */
function throughTables(options: {
  readonly crc: number;
  readonly low: number;
  readonly high: number;
  readonly tablesAt: number;
  readonly isReversed: boolean;
}): number[] {
  const { crc, low, high, tablesAt, isReversed } = options;
  const lookUps = Array.from({ length: 8 }, (_, byte) => {
    const shift = 8 * (byte % 4) - 3;
    const table = tablesAt + (isReversed ? 7 - byte : byte) * TABLE_BYTES;
    return code(
      get(byte < 4 ? low : high),
      // The byte, times eight.
      number(Math.abs(shift)),
      shift < 0 ? OP.i32Shl : OP.i32ShrU,
      number(0xff << 3),
      OP.i32And,
      load(table),
      byte > 0 ? OP.i64Xor : [],
    );
  });
  return code(
    code(get(crc), OP.i32WrapI64, set(low)),
    code(get(crc), OP.i64Const, [32], OP.i64ShrU, OP.i32WrapI64, set(high)),
    ...lookUps,
    set(crc),
  );
}

/** A CRC takes the eight bytes at `at`, and `offset` behind it. */
function takeWord(crc: number, at: number, offset: number, work: readonly [number, number]): number[] {
  const [low, high] = work;
  return code(
    code(get(crc), get(at), load(offset), OP.i64Xor, set(crc)),
    throughTables({ crc, low, high, tablesAt: STEP_TABLES_AT, isReversed: true }),
  );
}

/** Goes on by so many bytes, and back to the begin of the loop while that is before `end`. */
function repeat(at: number, bytes: number, end: number): number[] {
  return code(get(at), number(bytes), OP.i32Add, tee(at), get(end), OP.i32LtU, OP.brIf, [0], OP.end);
}

/** Takes whole blocks: (at, count, crc) -> crc; at least one. */
function blocksCode(): number[] {
  const [at, count, crc, second, third, fourth, end] = [0, 1, 2, 3, 4, 5, 6];
  const others = [second, third, fourth];
  const work = (place: number): [number, number] => [7 + 2 * place, 8 + 2 * place];
  const [low, high] = work(0);
  const move = throughTables({ crc, low, high, tablesAt: MOVE_TABLES_AT, isReversed: false });
  return code(
    OP.loop,
    ...others.map((local) => code(OP.i64Const, [0], set(local))),
    code(get(at), number(PLACE_BYTES), OP.i32Add, set(end)),
    OP.loop,
    ...[crc, ...others].map((local, place) => takeWord(local, at, place * PLACE_BYTES, work(place))),
    repeat(at, 8, end),
    ...others.map((local) => code(move, get(crc), get(local), OP.i64Xor, set(crc))),
    code(get(at), number(3 * PLACE_BYTES), OP.i32Add, set(at)),
    code(get(count), number(1), OP.i32Sub, tee(count), OP.brIf, [0]),
    OP.end,
    get(crc),
    OP.end,
  );
}

/** Takes words of eight bytes: (at, end, crc) -> crc; at least one. */
function wordsCode(): number[] {
  const [at, end, crc] = [0, 1, 2];
  return code(OP.loop, takeWord(crc, at, 0, [3, 4]), repeat(at, 8, end), get(crc), OP.end);
}

/** Takes single bytes: (at, end, crc) -> crc; at least one. */
function bytesCode(): number[] {
  const [at, end, crc] = [0, 1, 2];
  return code(
    OP.loop,
    code(get(crc), get(at), OP.i64Load8U, [0], OP.i64Xor, OP.i32WrapI64),
    code(number(0xff), OP.i32And, number(3), OP.i32Shl, load(STEP_TABLES_AT)),
    code(get(crc), OP.i64Const, [8], OP.i64ShrU, OP.i64Xor, set(crc)),
    repeat(at, 1, end),
    get(crc),
    OP.end,
  );
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function list(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function exported(name: string, kind: number, index: number): number[] {
  return [...unsigned(name.length), ...Buffer.from(name), kind, index];
}

/** A function's code behind the locals that it has beside its parameters, as counts of one type each. */
function body(locals: readonly (readonly [number, number])[], instructions: readonly number[]): number[] {
  const content = [...list(locals.map(([count, type]) => [...unsigned(count), type])), ...instructions];
  return [...unsigned(content.length), ...content];
}

/** The module: its memory `memory`, and the functions `blocks`, `words` and `bytes`. */
export function crc64Module(): Uint8Array<ArrayBuffer> {
  const pages = Math.ceil((DATA_AT + DATA_BYTES) / PAGE_BYTES);
  return Uint8Array.from([
    ...MAGIC,
    ...section(1, list([[0x60, 3, I32, I32, I64, 1, I64]])),
    ...section(3, list([[0], [0], [0]])),
    ...section(5, list([[0x00, ...unsigned(pages)]])),
    ...section(
      7,
      list([
        exported('memory', 2, 0),
        exported('blocks', 0, 0),
        exported('words', 0, 1),
        exported('bytes', 0, 2),
      ]),
    ),
    ...section(
      10,
      list([
        body(
          [
            [3, I64],
            [9, I32],
          ],
          blocksCode(),
        ),
        body([[2, I32]], wordsCode()),
        body([[2, I32]], bytesCode()),
      ]),
    ),
  ]);
}
