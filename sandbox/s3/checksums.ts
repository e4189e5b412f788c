// The checksums S3 knows, computed as bytes stream by, and how a stored one is named in headers and XML.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { crc32c } from '@node-rs/crc32';
import { createCRC64, type IHasher } from 'hash-wasm';
import type { ObjectContent } from './object-content.ts';

const digestBytesOf = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
  SHA512: 64,
  MD5: 16,
} as const;

export type ChecksumAlgorithm = keyof typeof digestBytesOf;
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export interface StoredChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  /** Base64; a composite one ends in `-N`. */
  readonly value: string;
}

export interface RunningChecksum {
  update(bytes: Uint8Array): void;
  /** Big-endian; ends the run. */
  digest(): Buffer;
}

export const checksumAlgorithms = Object.keys(digestBytesOf).filter(isChecksumAlgorithm);

export function isChecksumAlgorithm(name: string): name is ChecksumAlgorithm {
  return Object.hasOwn(digestBytesOf, name);
}

/** `x-amz-checksum-crc32c` and the like. */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** The algorithm behind a header's name; null when the name is no checksum header that is known. */
export function algorithmOfHeader(name: string): ChecksumAlgorithm | null {
  return checksumAlgorithms.find((algorithm) => checksumHeader(algorithm) === name.toLowerCase()) ?? null;
}

/** Whether a header's value has the form and length of a digest. */
export function isDigest(algorithm: ChecksumAlgorithm, base64: string): boolean {
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length === digestBytesOf[algorithm] && bytes.toString('base64') === base64;
}

/** The CRC-64/NVME polynomial as the library wants it: reflected. */
const nvmePolynomial = '9a6c9329ac4bc9b5';
const idleCrc64: IHasher[] = [];

/** Begins one checksum over a stream of bytes. */
export async function startChecksum(algorithm: ChecksumAlgorithm): Promise<RunningChecksum> {
  switch (algorithm) {
    case 'CRC32':
      return runningCrc((bytes, state) => crc32(bytes, state));
    case 'CRC32C':
      return runningCrc((bytes, state) => crc32c(bytes, state));
    case 'CRC64NVME':
      return runningCrc64();
    case 'SHA1':
    case 'SHA256':
    case 'SHA512':
    case 'MD5': {
      const hash = createHash(algorithm.toLowerCase());
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
    }
  }
}

function runningCrc(step: (bytes: Uint8Array, state: number) => number): RunningChecksum {
  let state = 0;
  return {
    update: (bytes) => {
      state = step(bytes, state);
    },
    digest: () => {
      const digest = Buffer.alloc(4);
      digest.writeUInt32BE(state);
      return digest;
    },
  };
}

/** Instances own WebAssembly memory, so they are used again. */
async function runningCrc64(): Promise<RunningChecksum> {
  const hasher = idleCrc64.pop() ?? (await createCRC64(nvmePolynomial));
  hasher.init();
  return {
    update: (bytes) => void hasher.update(bytes),
    digest: () => {
      const digest = Buffer.from(hasher.digest('hex'), 'hex');
      idleCrc64.push(hasher);
      return digest;
    },
  };
}

const bytesBetweenPauses = 16 * 1024 * 1024;

/** Several digests in one pass over content that is already stored. Lets other requests in every 16 MiB. */
export async function digestContent(
  content: ObjectContent,
  algorithms: Iterable<ChecksumAlgorithm>,
): Promise<Map<ChecksumAlgorithm, Buffer>> {
  const running = new Map<ChecksumAlgorithm, RunningChecksum>();
  for (const algorithm of new Set(algorithms)) running.set(algorithm, await startChecksum(algorithm));
  let sincePause = 0;
  for (const bytes of content.read(0, content.sizeBytes)) {
    for (const checksum of running.values()) checksum.update(bytes);
    sincePause += bytes.length;
    if (sincePause >= bytesBetweenPauses) {
      sincePause = 0;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
  return new Map([...running].map(([algorithm, checksum]) => [algorithm, checksum.digest()]));
}
