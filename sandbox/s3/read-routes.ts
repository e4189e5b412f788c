// GetObject and HeadObject: which version is meant, whether it may be read, and which bytes of it are sent.
import type { SandboxAnswer } from '../http-answer.ts';
import type { Bucket, StoredObject, StoredVersion } from './buckets.ts';
import { checksumHeader } from './checksums.ts';
import { judgeRead } from './conditions.ts';
import { S3Error } from './errors.ts';
import { attributeHeaders, checkReadEncryption } from './object-attributes.ts';
import type { ObjectContent } from './object-content.ts';
import { requestedVersion, requireBucket, type S3Request, wholeNumber } from './s3-request.ts';
import { type S3State, versionHeader } from './s3-state.ts';

interface ByteRange {
  readonly start: number;
  readonly end: number;
  readonly partial: boolean;
}

/** Answers GET and HEAD of an object; a HEAD is told from a GET by the request's method. */
export async function readObject(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  if (bucket.readsDenied) throw new S3Error('AccessDenied');
  const object = findObject(bucket, request.key, requestedVersion(request));
  checkReadEncryption(request.headers, object.encryption);
  if (request.method === 'GET') checkReadable(object, state.nowMs());
  const shared = {
    ...attributeHeaders(object),
    ...versionHeader(bucket, object.versionId),
    ...(bucket.requesterPays ? { 'x-amz-request-charged': 'requester' } : {}),
  };
  if (judgeRead(request.headers, object)) return { status: 304, headers: shared };
  const range = chooseRange(request, object);
  const headers = {
    ...shared,
    ...(range.partial ? contentRange(range, object) : {}),
    ...checksumHeaders(request, object, range),
    ...overriddenHeaders(request),
    ...(request.query.has('partNumber') && object.partSizes !== null
      ? { 'x-amz-mp-parts-count': object.partSizes.length }
      : {}),
    'content-length': range.end - range.start,
  };
  const status = range.partial ? 206 : 200;
  if (request.method === 'HEAD') return { status, headers };
  return { status, headers, body: bodyOf(object.content, range) };
}

/**
 * The object a request means. Throws NoSuchKey (AccessDenied where listing is denied), NoSuchVersion, or
 * MethodNotAllowed for a version that is a delete marker.
 */
export function findObject(bucket: Bucket, key: string, versionId: string | null): StoredObject {
  const version = versionId === null ? bucket.current(key) : bucket.version(key, versionId);
  if (version?.kind === 'object') return version;
  if (version === null && versionId !== null)
    throw new S3Error('NoSuchVersion', { elements: { Key: key, VersionId: versionId } });
  if (versionId !== null && version !== null)
    throw new S3Error('MethodNotAllowed', {
      headers: {
        ...markerHeaders(bucket, version),
        allow: 'DELETE',
        'last-modified': new Date(version.lastModifiedMs).toUTCString(),
      },
    });
  if (bucket.listingDenied) throw new S3Error('AccessDenied');
  throw new S3Error('NoSuchKey', {
    elements: { Key: key },
    headers: version === null ? {} : markerHeaders(bucket, version),
  });
}

function markerHeaders(bucket: Bucket, marker: StoredVersion): Record<string, string> {
  return { 'x-amz-delete-marker': 'true', ...versionHeader(bucket, marker.versionId) };
}

/** Throws InvalidObjectState for an archived object that is not restored. */
export function checkReadable(object: StoredObject, nowMs: number): void {
  const { archive } = object;
  if (archive === null || (archive.restoredUntilMs !== null && archive.restoredUntilMs > nowMs)) return;
  throw new S3Error('InvalidObjectState', { elements: { StorageClass: object.storageClass } });
}

function chooseRange(request: S3Request, object: StoredObject): ByteRange {
  const whole = { start: 0, end: object.content.sizeBytes, partial: false };
  const range = request.headers['range'];
  if (request.query.has('partNumber')) {
    if (range !== undefined)
      throw new S3Error('InvalidRequest', {
        message: 'Cannot specify both Range header and partNumber query parameter',
      });
    return partRange(request, object) ?? whole;
  }
  // Several ranges, or anything else that is not one range of bytes, is answered with the whole object.
  const match = /^bytes=(\d*)-(\d*)$/.exec(range ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (range === undefined || match === null || (first === '' && last === '')) return whole;
  if (first !== '' && last !== '' && Number(last) < Number(first)) return whole;
  const start = first === '' ? Math.max(0, whole.end - Number(last)) : Number(first);
  const end = first === '' || last === '' ? whole.end : Math.min(whole.end, Number(last) + 1);
  if (start >= whole.end || (first === '' && Number(last) === 0))
    throw new S3Error('InvalidRange', {
      elements: { RangeRequested: range, ActualObjectSize: whole.end },
    });
  return { start, end, partial: true };
}

function partRange(request: S3Request, object: StoredObject): ByteRange | null {
  const part = wholeNumber(request, 'partNumber', { fallback: 1, least: 1, most: 10_000 });
  const sizes = object.partSizes ?? [object.content.sizeBytes];
  const sizeBytes = sizes[part - 1];
  if (sizeBytes === undefined) throw new S3Error('InvalidPartNumber');
  if (sizeBytes === 0) return null;
  const start = sizes.slice(0, part - 1).reduce((sum, size) => sum + size, 0);
  return { start, end: start + sizeBytes, partial: true };
}

function contentRange(range: ByteRange, object: StoredObject): Record<string, string> {
  return { 'content-range': `bytes ${range.start}-${range.end - 1}/${object.content.sizeBytes}` };
}

/** The stored checksum speaks of the whole object, so an answer with less of it goes without. */
function checksumHeaders(request: S3Request, object: StoredObject, range: ByteRange): Record<string, string> {
  const { checksum } = object;
  const asked = request.headers['x-amz-checksum-mode']?.toUpperCase() === 'ENABLED';
  if (!asked || checksum === null || range.end - range.start !== object.content.sizeBytes) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

function overriddenHeaders(request: S3Request): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of request.query)
    if (name.startsWith('response-')) headers[name.slice('response-'.length)] = value;
  return headers;
}

function bodyOf(content: ObjectContent, range: ByteRange): AsyncIterable<Uint8Array> | Uint8Array {
  const pieces = content.read(range.start, range.end)[Symbol.iterator]();
  const first = pieces.next();
  if (first.done === true) return new Uint8Array(0);
  if (first.value.length === range.end - range.start) return first.value;
  return (async function* streamed() {
    yield first.value;
    for (;;) {
      const next = pieces.next();
      if (next.done === true) return;
      yield next.value;
    }
  })();
}
