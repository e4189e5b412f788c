// Which algorithms an engine knows, around the one that differs from engine to engine: CRC32C. CRC-64/NVME, with the
// CRC32C of the same bytes beside it, is our own WebAssembly (crcs.ts), CRC32 comes with Node, the rest is OpenSSL.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ChecksumEngine, RunningChecksum } from '../core/checksum.ts';
import { type Crc32, Crcs } from './crcs.ts';

/** The engine around a CRC32C. Makes the WebAssembly part once. */
export function checksumEngine(crc32c: Crc32): ChecksumEngine {
  const crcs = new Crcs(crc32c);
  const beside = (running: Alone): RunningChecksum => ({
    ...running,
    updateBeside: (bytes, crc) => {
      running.update(bytes);
      return crc32c(bytes, crc);
    },
  });
  return {
    crc32c,
    start: (algorithm, savedState) => {
      switch (algorithm) {
        case 'crc64nvme':
          return startCrc64(crcs, savedState);
        case 'crc32':
          return beside(startCrc32(crc32, savedState));
        case 'crc32c':
          return beside(startCrc32(crc32c, savedState));
        case 'md5':
        case 'sha1':
        case 'sha256':
        case 'sha512':
          return savedState === null ? beside(startHash(algorithm)) : null;
        default:
          return null;
      }
    },
  };
}

/** A saved CRC64; what has another form was saved by something else. */
const CRC64_STATE = /^crc64:([0-9a-f]{1,16})$/;

/** Null for a saved state that cannot be read. */
function startCrc64(crcs: Crcs, savedState: string | null): RunningChecksum | null {
  const saved = savedState === null ? '0' : CRC64_STATE.exec(savedState)?.[1];
  if (saved === undefined) return null;
  let crc = BigInt(`0x${saved}`);
  const updateBeside = (bytes: Uint8Array, crc32c: number): number => {
    crcs.update(bytes, crc, crc32c);
    crc = crcs.crc64;
    return crcs.crc32c;
  };
  return {
    update: (bytes) => void updateBeside(bytes, 0),
    updateBeside,
    digestBase64() {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(crc);
      return bytes.toString('base64');
    },
    save: () => `crc64:${crc.toString(16)}`,
  };
}

/** Has nothing in common with a CRC32C. */
type Alone = Omit<RunningChecksum, 'updateBeside'>;

function startCrc32(step: Crc32, savedState: string | null): Alone {
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

function startHash(algorithm: string): Alone {
  const running = createHash(algorithm);
  return {
    update: (bytes) => void running.update(bytes),
    digestBase64: () => running.digest('base64'),
    save: () => null,
  };
}
