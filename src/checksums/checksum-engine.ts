// Which algorithms an engine knows, around the one that differs from engine to engine: CRC32C. CRC-64/NVME is
// WebAssembly, CRC32 comes with Node, the rest is OpenSSL.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { createCRC64, type IHasher } from 'hash-wasm';
import type { ChecksumEngine, RunningChecksum } from '../core/checksum.ts';

/** CRC-64/NVME in reflected form, what S3 calls CRC64NVME. */
const NVME_POLYNOMIAL = '9a6c9329ac4bc9b5';

/** The engine around `crc32c`. Loads the WebAssembly part once; the engine itself is synchronous. */
export async function checksumEngine(crc32c: ChecksumEngine['crc32c']): Promise<ChecksumEngine> {
  const crc64 = new SharedCrc64(await createCRC64(NVME_POLYNOMIAL));
  return {
    crc32c,
    start: (algorithm, savedState) => {
      switch (algorithm) {
        case 'crc64nvme':
          return crc64.start(savedState);
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

/**
 * All running CRC64 share one WebAssembly instance: its state is twelve bytes, swapped in and out where another one used
 * it in between. A small object is one update and its digest, and swaps nothing.
 */
class SharedCrc64 {
  readonly #hasher: IHasher;
  /** Whose state the instance holds; null: nobody's. */
  #holder: { state: Uint8Array } | null = null;

  readonly #fresh: Uint8Array;

  constructor(hasher: IHasher) {
    this.#hasher = hasher;
    this.#fresh = hasher.init().save();
  }

  start(savedState: string | null): RunningChecksum {
    const own = { state: savedState === null ? this.#fresh : Buffer.from(savedState, 'base64') };
    const hasher = this.#hasher;
    return {
      update: (bytes) => {
        this.#swapIn(own);
        hasher.update(bytes);
      },
      digestBase64: () => {
        this.#swapIn(own);
        own.state = hasher.save();
        this.#holder = null;
        return Buffer.from(hasher.digest('binary')).toString('base64');
      },
      save: () => {
        this.#swapIn(own);
        return Buffer.from(hasher.save()).toString('base64');
      },
    };
  }

  #swapIn(own: { state: Uint8Array }): void {
    if (this.#holder === own) return;
    this.#swapOut();
    this.#hasher.load(own.state);
    this.#holder = own;
  }

  #swapOut(): void {
    if (this.#holder !== null) this.#holder.state = this.#hasher.save();
    this.#holder = null;
  }
}

function startCrc32(
  step: (bytes: Uint8Array, seed: number) => number,
  savedState: string | null,
): RunningChecksum {
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
