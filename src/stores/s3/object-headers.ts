// What the headers of one HEAD or GET answer say about the object: the SourceState. Nothing here looks at a body.
import { Fault } from '../../core/faults.ts';
import type { SourceChecksum, SourceMetadata, SourceState } from '../../core/object.ts';
import { decodeEncodedWords, type Headers, header, headerText } from './header-text.ts';

/**
 * The state that an answer shows. `sizeBytes` is the size of the whole object, which the caller reads from
 * Content-Length or Content-Range. `what` names the object in the fault `source_error`, thrown when the answer
 * lacks the headers that identify the state.
 */
export function readSourceState(headers: Headers, sizeBytes: number, what: string): SourceState {
  const rawEtag = header(headers, 'etag');
  const lastModifiedMs = Date.parse(header(headers, 'last-modified') ?? '');
  if (rawEtag === null || rawEtag === '' || Number.isNaN(lastModifiedMs)) {
    const missing = Number.isNaN(lastModifiedMs) ? 'Last-Modified' : 'ETag';
    throw new Fault('source_error', `The answer for ${what} has no usable ${missing} header`);
  }
  const etag = unquoted(rawEtag);
  const checksum = readChecksum(headers);
  return {
    etag,
    versionId: header(headers, 'x-amz-version-id'),
    sizeBytes,
    lastModifiedMs,
    md5: checksum?.kind === 'composite' ? null : md5Of(etag, headers),
    checksum,
    metadata: readMetadata(headers),
    storageClass: header(headers, 'x-amz-storage-class') ?? 'STANDARD',
  };
}

/** An ETag without its quotes. */
export function unquoted(etag: string): string {
  return etag.length > 1 && etag.startsWith('"') && etag.endsWith('"') ? etag.slice(1, -1) : etag;
}

/** The number behind a Content-Length header; null where it is missing or no length. */
export function readContentLength(headers: Headers): number | null {
  const value = header(headers, 'content-length');
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : null;
}

/** `bytes FIRST-LAST/TOTAL` of a 206; null where the header is missing or says something else. */
export function readContentRange(
  headers: Headers,
): { readonly firstByte: number; readonly lastByte: number; readonly totalBytes: number } | null {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header(headers, 'content-range') ?? '');
  if (match === null) return null;
  return { firstByte: Number(match[1]), lastByte: Number(match[2]), totalBytes: Number(match[3]) };
}

/** The ETag is an MD5 of the content for single uploads only, and never where a key of KMS or a customer is used. */
function md5Of(etag: string, headers: Headers): string | null {
  if (!/^[0-9a-f]{32}$/i.test(etag)) return null;
  if (header(headers, 'x-amz-server-side-encryption')?.startsWith('aws:kms') === true) return null;
  if (header(headers, 'x-amz-server-side-encryption-customer-algorithm') !== null) return null;
  return Buffer.from(etag, 'hex').toString('base64');
}

const CHECKSUM_PREFIX = 'x-amz-checksum-';
const NOT_A_CHECKSUM = new Set(['type', 'algorithm', 'mode']);
/** Cheapest to verify first: where the store tells several, one is enough. */
const PREFERENCE = ['crc32c', 'crc64nvme', 'crc32', 'sha256', 'sha1', 'md5'];

function readChecksum(headers: Headers): SourceChecksum | null {
  const isComposite = header(headers, 'x-amz-checksum-type')?.toUpperCase() === 'COMPOSITE';
  let best: SourceChecksum | null = null;
  let bestRank = Infinity;
  for (const name in headers) {
    if (!name.startsWith(CHECKSUM_PREFIX)) continue;
    const algorithm = name.slice(CHECKSUM_PREFIX.length);
    const value = header(headers, name);
    if (NOT_A_CHECKSUM.has(algorithm) || value === null || value === '') continue;
    const kind = isComposite || /-\d+$/.test(value) ? 'composite' : 'full_object';
    const index = PREFERENCE.indexOf(algorithm);
    const rank = (kind === 'composite' ? 100 : 0) + (index < 0 ? PREFERENCE.length : index);
    if (rank < bestRank) {
      best = { algorithm, value, kind };
      bestRank = rank;
    }
  }
  return best;
}

const USER_PREFIX = 'x-amz-meta-';

function readMetadata(headers: Headers): SourceMetadata {
  const user: [string, string][] = [];
  for (const name in headers) {
    if (!name.startsWith(USER_PREFIX)) continue;
    const value = header(headers, name);
    if (value !== null) {
      user.push([headerText(name.slice(USER_PREFIX.length)), decodeEncodedWords(headerText(value))]);
    }
  }
  return {
    contentType: textHeader(headers, 'content-type'),
    cacheControl: textHeader(headers, 'cache-control'),
    contentDisposition: textHeader(headers, 'content-disposition'),
    contentLanguage: textHeader(headers, 'content-language'),
    contentEncoding: storedEncoding(textHeader(headers, 'content-encoding')),
    expires: textHeader(headers, 'expires'),
    websiteRedirectLocation: textHeader(headers, 'x-amz-website-redirect-location'),
    // Not an assignment: a name such as __proto__ would otherwise vanish.
    user: Object.fromEntries(user),
  };
}

function textHeader(headers: Headers, name: string): string | null {
  const value = header(headers, name);
  return value === null || value === '' ? null : headerText(value);
}

/** `aws-chunked` is how the bytes were sent once, not how they are stored; some stores keep it all the same. */
function storedEncoding(encoding: string | null): string | null {
  if (encoding === null || !/aws-chunked/i.test(encoding)) return encoding;
  const kept = encoding
    .split(',')
    .map((token) => token.trim())
    .filter((token) => token !== '' && token.toLowerCase() !== 'aws-chunked');
  return kept.length === 0 ? null : kept.join(',');
}
