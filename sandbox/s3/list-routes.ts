// ListObjectsV2 and ListObjectVersions: byte order, prefixes rolled up at a delimiter, pages with a token.
import type { SandboxAnswer } from '../http-answer.ts';
import { type Bucket, fromByteKey, type StoredObject, type StoredVersion, toByteKey } from './buckets.ts';
import { S3Error } from './errors.ts';
import { requireBucket, type S3Request, wholeNumber } from './s3-request.ts';
import type { S3State } from './s3-state.ts';
import { encodeKeyAsForm } from './uri.ts';
import { document, group, root, text } from './xml.ts';

const largestPage = 1000;
/** Sorts after every byte, so `prefix + pastEveryByte` is past every key with that prefix. */
const pastEveryByte = '\u0100';
const xmlHeaders = { 'content-type': 'application/xml' };

interface ListingQuery {
  readonly prefix: string;
  readonly delimiter: string;
  readonly maxKeys: number;
  readonly encodeKey: (key: string) => string;
  readonly encoded: boolean;
}

export async function listObjectsV2(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireListable(state, request);
  const query = readListingQuery(request);
  const token = request.query.get('continuation-token');
  const startAfter = request.query.get('start-after') ?? '';
  const after = token === undefined ? toByteKey(startAfter) : readToken(token);
  const page = listPage(bucket, query, after);
  const answer = root(
    'ListBucketResult',
    text('Name', bucket.name),
    text('Prefix', query.encodeKey(query.prefix)),
    ...(query.delimiter === '' ? [] : [text('Delimiter', query.encodeKey(query.delimiter))]),
    ...(startAfter === '' ? [] : [text('StartAfter', query.encodeKey(startAfter))]),
    ...(token === undefined ? [] : [text('ContinuationToken', token)]),
    ...(page.next === null ? [] : [text('NextContinuationToken', writeToken(page.next))]),
    text('KeyCount', page.contents.length + page.commonPrefixes.length),
    text('MaxKeys', query.maxKeys),
    ...(query.encoded ? [text('EncodingType', 'url')] : []),
    text('IsTruncated', page.next !== null),
    ...page.contents.map(({ key, object }) =>
      group(
        'Contents',
        text('Key', query.encodeKey(key)),
        ...describe(object),
        ...(request.query.get('fetch-owner') === 'true' ? [owner(bucket)] : []),
      ),
    ),
    ...page.commonPrefixes.map((prefix) => group('CommonPrefixes', text('Prefix', query.encodeKey(prefix)))),
  );
  return { status: 200, headers: xmlHeaders, body: document(answer) };
}

interface Page {
  readonly contents: readonly { readonly key: string; readonly object: StoredObject }[];
  readonly commonPrefixes: readonly string[];
  /** The byte key the next page begins after; null when this page is the last. */
  readonly next: string | null;
}

function listPage(bucket: Bucket, query: ListingQuery, after: string): Page {
  const contents: { key: string; object: StoredObject }[] = [];
  const commonPrefixes: string[] = [];
  const prefix = toByteKey(query.prefix);
  const delimiter = toByteKey(query.delimiter);
  let last = after;
  let from = after < prefix ? prefix : `${after}\0`;
  if (query.maxKeys === 0) return { contents, commonPrefixes, next: null };
  for (;;) {
    const found = nextListed(bucket, from, prefix);
    if (found === null) return { contents, commonPrefixes, next: null };
    const end = delimiter === '' ? -1 : found.byteKey.indexOf(delimiter, prefix.length);
    const rolledUp = end < 0 ? null : found.byteKey.slice(0, end + delimiter.length);
    // A page that ended inside a common prefix, or a start within one, must not list that prefix again.
    const repeated = rolledUp !== null && rolledUp === after;
    if (!repeated && contents.length + commonPrefixes.length === query.maxKeys)
      return { contents, commonPrefixes, next: last };
    if (rolledUp === null) contents.push({ key: fromByteKey(found.byteKey), object: found.object });
    else if (!repeated) commonPrefixes.push(fromByteKey(rolledUp));
    last = rolledUp ?? found.byteKey;
    from = rolledUp === null ? `${found.byteKey}\0` : rolledUp + pastEveryByte;
  }
}

function nextListed(
  bucket: Bucket,
  from: string,
  prefix: string,
): { byteKey: string; object: StoredObject } | null {
  for (const byteKey of bucket.byteKeysFrom(from)) {
    if (!byteKey.startsWith(prefix)) return null;
    const [newest] = bucket.versionsOf(byteKey);
    if (newest?.kind === 'object') return { byteKey, object: newest };
  }
  return null;
}

export async function listObjectVersions(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireListable(state, request);
  const query = readListingQuery(request);
  if (query.delimiter !== '') throw new S3Error('NotImplemented', { elements: { Header: 'delimiter' } });
  const keyMarker = request.query.get('key-marker') ?? '';
  const versionMarker = request.query.get('version-id-marker') ?? '';
  const entries: string[] = [];
  let last: { key: string; versionId: string } | null = null;
  let truncated = false;
  for (const { key, version, isLatest } of versionsAfter(bucket, query.prefix, keyMarker, versionMarker)) {
    truncated = entries.length === query.maxKeys;
    if (truncated) break;
    last = { key, versionId: version.versionId };
    entries.push(
      group(
        version.kind === 'object' ? 'Version' : 'DeleteMarker',
        text('Key', query.encodeKey(key)),
        text('VersionId', version.versionId),
        text('IsLatest', isLatest),
        ...(version.kind === 'object'
          ? describe(version)
          : [text('LastModified', new Date(version.lastModifiedMs).toISOString())]),
        owner(bucket),
      ),
    );
  }
  const answer = root(
    'ListVersionsResult',
    text('Name', bucket.name),
    text('Prefix', query.encodeKey(query.prefix)),
    text('KeyMarker', query.encodeKey(keyMarker)),
    text('VersionIdMarker', versionMarker),
    ...(truncated && last !== null
      ? [text('NextKeyMarker', query.encodeKey(last.key)), text('NextVersionIdMarker', last.versionId)]
      : []),
    text('MaxKeys', query.maxKeys),
    ...(query.encoded ? [text('EncodingType', 'url')] : []),
    text('IsTruncated', truncated),
    ...entries,
  );
  return { status: 200, headers: xmlHeaders, body: document(answer) };
}

function* versionsAfter(
  bucket: Bucket,
  prefix: string,
  keyMarker: string,
  versionMarker: string,
): Generator<{ key: string; version: StoredVersion; isLatest: boolean }> {
  const bytePrefix = toByteKey(prefix);
  const byteMarker = toByteKey(keyMarker);
  const afterMarker = versionMarker === '' && keyMarker !== '' ? `${byteMarker}\0` : byteMarker;
  for (const byteKey of bucket.byteKeysFrom(afterMarker < bytePrefix ? bytePrefix : afterMarker)) {
    if (!byteKey.startsWith(bytePrefix)) return;
    const versions = bucket.versionsOf(byteKey);
    const skipped =
      byteKey === byteMarker ? versions.findIndex((version) => version.versionId === versionMarker) + 1 : 0;
    for (const [index, version] of versions.entries())
      if (index >= skipped) yield { key: fromByteKey(byteKey), version, isLatest: index === 0 };
  }
}

function describe(object: StoredObject): string[] {
  return [
    text('LastModified', new Date(Math.floor(object.lastModifiedMs / 1000) * 1000).toISOString()),
    text('ETag', `"${object.etag}"`),
    ...(object.checksum === null
      ? []
      : [text('ChecksumAlgorithm', object.checksum.algorithm), text('ChecksumType', object.checksum.type)]),
    text('Size', object.content.sizeBytes),
    text('StorageClass', object.storageClass),
  ];
}

function owner(bucket: Bucket): string {
  return group('Owner', text('ID', bucket.ownerAccountId));
}

function requireListable(state: S3State, request: S3Request): Bucket {
  const bucket = requireBucket(state, request);
  if (bucket.listingDenied) throw new S3Error('AccessDenied');
  return bucket;
}

function readListingQuery(request: S3Request): ListingQuery {
  const encodingType = request.query.get('encoding-type');
  if (encodingType !== undefined && encodingType !== 'url')
    throw new S3Error('InvalidArgument', { message: 'Invalid Encoding Method specified in Request' });
  const encoded = encodingType === 'url';
  const asked = wholeNumber(request, 'max-keys', { fallback: largestPage, least: 0, most: 2_147_483_647 });
  return {
    prefix: request.query.get('prefix') ?? '',
    delimiter: request.query.get('delimiter') ?? '',
    maxKeys: Math.min(asked, largestPage),
    encoded,
    encodeKey: encoded ? encodeKeyAsForm : (key) => key,
  };
}

const tokenMark = 'after:';

function writeToken(byteKey: string): string {
  return Buffer.from(tokenMark + byteKey, 'latin1').toString('base64');
}

function readToken(token: string): string {
  const decoded = Buffer.from(token, 'base64').toString('latin1');
  if (!decoded.startsWith(tokenMark) || writeToken(decoded.slice(tokenMark.length)) !== token)
    throw new S3Error('InvalidArgument', {
      message: 'The continuation token provided is incorrect',
      elements: { ArgumentName: 'continuation-token' },
    });
  return decoded.slice(tokenMark.length);
}
