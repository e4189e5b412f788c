// The checksum engine of production: native CRC32C, the fastest there is.
import { crc32c } from '@node-rs/crc32';
import type { ChecksumEngine } from '../core/checksum.ts';
import { checksumEngine } from './checksum-engine.ts';

/** Opens the engine around the native CRC32C. */
export function openChecksumEngine(): ChecksumEngine {
  return checksumEngine((bytes, seed) => crc32c(bytes, seed));
}
