// CRC32C (Castagnoli) in plain code: the reference for the native engine, and the combine that only arithmetic
// can do. Faster engines stand behind the ChecksumEngine port.
import type { ChecksumAlgorithm } from './object.ts';

/** A checksum in progress over a stream of bytes. */
export interface RunningChecksum {
  update(bytes: Uint8Array): void;
  /**
   * The same, and returns a CRC32C continued from `crc32c` by the same bytes: that costs less than one after the other
   * where the two have something in common.
   */
  updateBeside(bytes: Uint8Array, crc32c: number): number;
  /** Base64 of the checksum of everything seen. The running state is not disturbed for CRCs; call it once. */
  digestBase64(): string;
  /** The state as text, to continue after a crash; null where the algorithm cannot be exported. */
  save(): string | null;
}

export interface ChecksumEngine {
  /** CRC32C of `bytes` continued from `seed` (0 for a new one), as an unsigned 32-bit number. */
  crc32c(bytes: Uint8Array, seed: number): number;
  /** A running checksum, from its start or from a saved state; null for an algorithm the engine does not know. */
  start(algorithm: ChecksumAlgorithm, savedState: string | null): RunningChecksum | null;
}

const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value >>> 0;
});

/** CRC32C of `bytes` continued from `seed` (0 for a new one), as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed >>> 0;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
}

type Matrix = Uint32Array;

function times(matrix: Matrix, vector: number): number {
  let sum = 0;
  for (let bit = 0; vector !== 0; bit += 1, vector >>>= 1) if (vector & 1) sum ^= matrix[bit] ?? 0;
  return sum >>> 0;
}

function square(matrix: Matrix): Matrix {
  return matrix.map((column) => times(matrix, column));
}

/**
 * The CRC32C of two pieces put together, from the CRC32C of each and the length of the second: appending n zero
 * bytes is a linear map over GF(2), applied by repeated squaring.
 */
export function combineCrc32c(first: number, second: number, secondBytes: number): number {
  let remaining = secondBytes;
  let crc = first >>> 0;
  let oneBit: Matrix = Uint32Array.from({ length: 32 }, (_, bit) =>
    bit === 0 ? POLYNOMIAL : 2 ** (bit - 1),
  );
  let matrix = square(square(square(oneBit)));
  oneBit = matrix;
  while (remaining > 0) {
    if (remaining % 2 === 1) crc = times(matrix, crc);
    remaining = Math.floor(remaining / 2);
    if (remaining > 0) matrix = square(matrix);
  }
  return (crc ^ second) >>> 0;
}

/** Big-endian base64, the form in which stores tell CRC32C. */
export function crc32cToBase64(crc: number): string {
  return Buffer.from([crc >>> 24, (crc >>> 16) & 0xff, (crc >>> 8) & 0xff, crc & 0xff]).toString('base64');
}

/** The number behind a store's base64 CRC32C; null where the text is not four bytes of base64. */
export function crc32cFromBase64(text: string): number | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === 4 ? bytes.readUInt32BE(0) : null;
}
