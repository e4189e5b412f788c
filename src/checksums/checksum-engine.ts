// Which algorithms an engine knows, around what differs from engine to engine: CRC32C of short pieces. CRC-64/NVME and
// CRC32C of long ones are our own WebAssembly (crcs.ts), CRC32 comes with Node, the rest is OpenSSL.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ChecksumEngine, RunningChecksum } from '../core/checksum.ts';
import { type Crc32, type Crc64, openCrcs } from './crcs.ts';

/** The engine around a CRC32C of short pieces. Makes the WebAssembly part once. */
export function checksumEngine(crc32cOfShort: Crc32): ChecksumEngine {
  const { crc64, crc32c } = openCrcs(crc32cOfShort);
  return {
    crc32c,
    start: (algorithm, savedState) => {
      switch (algorithm) {
        case 'crc64nvme':
          return startCrc64(crc64, savedState);
        case 'crc32':
          return startCrc32(crc32, savedState);
        case 'crc32c':
          return startCrc32(crc32c, savedState);
        case 'md5':
        case 'sha1':
        case 'sha256':
        case 'sha512':
          return savedState === null ? startHash(algorithm) : null;
        default:
          return null;
      }
    },
  };
}

/** A saved CRC64; what has another form was saved by something else. */
const CRC64_STATE = /^crc64:([0-9a-f]{1,16})$/;

/** Null for a saved state that cannot be read. */
function startCrc64(step: Crc64, savedState: string | null): RunningChecksum | null {
  const saved = savedState === null ? '0' : CRC64_STATE.exec(savedState)?.[1];
  if (saved === undefined) return null;
  let crc = BigInt(`0x${saved}`);
  return {
    update(bytes) {
      crc = step(bytes, crc);
    },
    digestBase64() {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(crc);
      return bytes.toString('base64');
    },
    save: () => `crc64:${crc.toString(16)}`,
  };
}

function startCrc32(step: Crc32, savedState: string | null): RunningChecksum {
  let crc = savedState === null ? 0 : Number(savedState);
  return {
    update(bytes) {
      crc = step(bytes, crc);
    },
    digestBase64() {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(crc);
      return bytes.toString('base64');
    },
    save: () => String(crc),
  };
}

function startHash(algorithm: string): RunningChecksum {
  const running = createHash(algorithm);
  return {
    update: (bytes) => void running.update(bytes),
    digestBase64: () => running.digest('base64'),
    save: () => null,
  };
}
