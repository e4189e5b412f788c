// Checksums that a client announces for an upload, and the refusal of bytes that do not have them.
import { type JsonObject, header } from './gcs-query.ts';
import type { SandboxRequest } from '../http-server.ts';
import { HashMismatch, invalid } from './errors.ts';
import type { StoredBytes } from './stored-bytes.ts';

/** Base64 checksums that the whole object must have; null where nothing was said. */
export interface AnnouncedHashes {
  readonly crc32c: string | null;
  readonly md5: string | null;
}

/** From `X-Goog-Hash: crc32c=...,md5=...`. 400 where a value is no such checksum. */
export function hashesOfHeader(request: SandboxRequest): AnnouncedHashes {
  const entries = new Map(
    (header(request, 'x-goog-hash') ?? '')
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '')
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)] as const),
  );
  return checked({ crc32c: entries.get('crc32c') ?? null, md5: entries.get('md5') ?? null });
}

/** From `crc32c` and `md5Hash` of the object resource. 400 where a value is no such checksum. */
export function hashesOfResource(resource: JsonObject): AnnouncedHashes {
  const { crc32c, md5Hash } = resource;
  return checked({
    crc32c: typeof crc32c === 'string' ? crc32c : null,
    md5: typeof md5Hash === 'string' ? md5Hash : null,
  });
}

/** Throws `HashMismatch` (400) unless the bytes have every announced checksum. */
export function checkHashes(announced: readonly AnnouncedHashes[], bytes: StoredBytes): void {
  for (const { crc32c, md5 } of announced) {
    if (crc32c !== null && crc32c !== bytes.crc32c)
      throw new HashMismatch(
        `Provided CRC32C "${crc32c}" doesn't match calculated CRC32C "${bytes.crc32c}".`,
      );
    if (md5 !== null && md5 !== bytes.md5)
      throw new HashMismatch(`Provided MD5 hash "${md5}" doesn't match calculated MD5 hash "${bytes.md5}".`);
  }
}

function checked(hashes: AnnouncedHashes): AnnouncedHashes {
  if (hashes.crc32c !== null && Buffer.from(hashes.crc32c, 'base64').length !== 4)
    throw invalid(`Invalid CRC32C '${hashes.crc32c}': it must be four bytes in base64`);
  if (hashes.md5 !== null && Buffer.from(hashes.md5, 'base64').length !== 16)
    throw invalid(`Invalid MD5 hash '${hashes.md5}': it must be sixteen bytes in base64`);
  return hashes;
}
