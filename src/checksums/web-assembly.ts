// Just enough of WebAssembly's binary format to write a module here, instruction by instruction: there is nothing to
// build. The names are those of the specification (WebAssembly Core, "Binary Format").

export const I32 = 0x7f;
export const I64 = 0x7e;
export const V128 = 0x7b;

/** The instructions that are used; what stands behind the code of a load or store is its alignment, as a power of two. */
export const OP = {
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
  i32And: [0x71],
  i32Shl: [0x74],
  i32ShrU: [0x76],
  i64Xor: [0x85],
  i64ShrU: [0x88],
  i32WrapI64: [0xa7],
  v128Load: [0xfd, 0x00, 0x04],
  v128Store: [0xfd, 0x0b, 0x04],
  v128Xor: [0xfd, 0x51],
} as const;

const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const FUNCTION_TYPE = 0x60;
const SECTION = { type: 1, function: 3, memory: 5, export: 7, code: 10 };
const EXPORTED = { function: 0, memory: 2 };
const PAGE_BYTES = 64 * 1024;

/** A whole number without a sign. */
export function unsigned(value: number): number[] {
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

export const get = (local: number): number[] => [...OP.localGet, ...unsigned(local)];
export const set = (local: number): number[] => [...OP.localSet, ...unsigned(local)];
export const number = (value: number): number[] => [...OP.i32Const, ...signed(value)];

/** Instructions one after the other. */
export function code(...instructions: readonly (readonly number[])[]): number[] {
  return instructions.flat();
}

/** Adds `bytes` to a local, and goes back to the begin of the loop while that is below `end`. */
export function repeat(local: number, bytes: number, end: number): number[] {
  return code(
    code(get(local), number(bytes), OP.i32Add, OP.localTee, unsigned(local)),
    code(get(end), OP.i32LtU, OP.brIf, [0], OP.end),
  );
}

export interface ModuleFunction {
  readonly name: string;
  readonly parameters: readonly number[];
  readonly results: readonly number[];
  /** Types of the locals behind the parameters. */
  readonly locals: readonly number[];
  readonly code: readonly number[];
}

/** A module that exports its functions, and its memory of at least `memoryBytes` as `memory`. */
export function webAssemblyModule(
  memoryBytes: number,
  functions: readonly ModuleFunction[],
): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters, results }) => [
    FUNCTION_TYPE,
    ...list(parameters.map((type) => [type])),
    ...list(results.map((type) => [type])),
  ]);
  const exports = functions.map(({ name }, index) => exported(name, EXPORTED.function, index));
  return Uint8Array.from([
    ...MAGIC_AND_VERSION,
    ...section(SECTION.type, list(types)),
    ...section(SECTION.function, list(functions.map((_, index) => unsigned(index)))),
    ...section(SECTION.memory, list([[0x00, ...unsigned(Math.ceil(memoryBytes / PAGE_BYTES))]])),
    ...section(SECTION.export, list([...exports, exported('memory', EXPORTED.memory, 0)])),
    ...section(SECTION.code, list(functions.map(body))),
  ]);
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

function body({ locals, code: instructions }: ModuleFunction): number[] {
  const content = [...list(locals.map((type) => [1, type])), ...instructions, ...OP.end];
  return [...unsigned(content.length), ...content];
}
