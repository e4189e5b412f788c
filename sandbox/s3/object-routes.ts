// PutObject, CopyObject, DeleteObject, DeleteObjects and the tags of an object.
import { randomBytes } from 'node:crypto';
import type { SandboxAnswer } from '../http-answer.ts';
import type { ArchiveState, Bucket, Encryption, ObjectAttributes, StoredObject } from './buckets.ts';
import { checksumHeader, digestContent, isChecksumAlgorithm, type StoredChecksum } from './checksums.ts';
import { judgeRead, judgeWrite } from './conditions.ts';
import { S3Error } from './errors.ts';
import { encryptionHeaders, readAttributes } from './object-attributes.ts';
import type { ObjectContent } from './object-content.ts';
import { checkReadable, findObject } from './read-routes.ts';
import { receiveBody, receiveDocument } from './request-body.ts';
import {
  checkKeyLength,
  checkOwner,
  checkVersionId,
  requestedVersion,
  requireBucket,
  type S3Request,
} from './s3-request.ts';
import { announceCreated, announceRemoved, type S3State, versionHeader } from './s3-state.ts';
import { decodeUri } from './uri.ts';
import { childNodes, childText, parseDocument } from './xml-reader.ts';
import { document, group, root, text } from './xml.ts';

export interface NewObject {
  readonly content: ObjectContent;
  /** Hexadecimal MD5 of the bytes. */
  readonly md5: string;
  readonly checksum: StoredChecksum | null;
  readonly attributes: ObjectAttributes;
}

/** Stores an object written at once and announces it. */
export function storeObject(
  state: S3State,
  bucket: Bucket,
  key: string,
  created: NewObject,
  by: 'Put' | 'Copy',
): StoredObject {
  const stored = bucket.put(key, {
    ...created.attributes,
    content: created.content,
    etag: etagFor(created.md5, created.attributes.encryption),
    lastModifiedMs: state.nowMs(),
    checksum: created.checksum,
    partSizes: null,
    missingMetadataCount: 0,
    archive: initialArchive(created.attributes.storageClass),
  });
  announceCreated(state, bucket, key, stored, by);
  return stored;
}

/** Under KMS or customer keys the ETag is not the MD5 of the bytes. */
function etagFor(md5: string, encryption: Encryption): string {
  return encryption.kind === 'AES256' ? md5 : randomBytes(16).toString('hex');
}

/** Two storage classes cannot be read at once. */
export function initialArchive(storageClass: string): ArchiveState | null {
  return storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE'
    ? { restoring: false, restoredUntilMs: null }
    : null;
}

export async function putObject(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  const attributes = readAttributes(request.headers);
  const received = await receiveBody(request, (algorithm) => (algorithm === null ? ['CRC64NVME'] : []));
  const algorithm = received.clientAlgorithm ?? 'CRC64NVME';
  const checksum: StoredChecksum = {
    algorithm,
    type: 'FULL_OBJECT',
    value: received.checksums.get(algorithm) ?? '',
  };
  judgeWrite(request.headers, bucket, request.key);
  const created = { content: received.content, md5: received.md5, checksum, attributes };
  const stored = storeObject(state, bucket, request.key, created, 'Put');
  return {
    status: 200,
    headers: {
      etag: `"${stored.etag}"`,
      ...versionHeader(bucket, stored.versionId),
      ...encryptionHeaders(stored.encryption),
      [checksumHeader(algorithm)]: checksum.value,
      'x-amz-checksum-type': checksum.type,
    },
  };
}

export async function copyObject(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  const { sourceBucket, source, sourceKey } = findCopySource(state, request);
  if (judgeRead(request.headers, source, 'x-amz-copy-source-if-'))
    throw new S3Error('PreconditionFailed', { elements: { Condition: 'x-amz-copy-source-if-none-match' } });
  const replace = (request.headers['x-amz-metadata-directive'] ?? 'COPY') === 'REPLACE';
  const own = readAttributes(request.headers);
  if (
    sourceBucket === bucket &&
    sourceKey === request.key &&
    !replace &&
    !request.headers['x-amz-copy-source']?.includes('versionId=') &&
    own.storageClass === source.storageClass
  )
    throw new S3Error('InvalidRequest', {
      message:
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    });
  const attributes: ObjectAttributes = {
    ...(replace ? own : { ...own, systemHeaders: source.systemHeaders, metadata: source.metadata }),
    tags: request.headers['x-amz-tagging-directive'] === 'REPLACE' ? own.tags : source.tags,
  };
  const asked = request.headers['x-amz-checksum-algorithm']?.toUpperCase() ?? source.checksum?.algorithm;
  const algorithm = asked !== undefined && isChecksumAlgorithm(asked) ? asked : 'CRC64NVME';
  const digests = await digestContent(source.content, ['MD5', algorithm]);
  const checksum: StoredChecksum = {
    algorithm,
    type: 'FULL_OBJECT',
    value: digests.get(algorithm)?.toString('base64') ?? '',
  };
  judgeWrite(request.headers, bucket, request.key);
  const md5 = digests.get('MD5')?.toString('hex') ?? '';
  const created = { content: source.content, md5, checksum, attributes };
  const stored = storeObject(state, bucket, request.key, created, 'Copy');
  return {
    status: 200,
    headers: {
      'content-type': 'application/xml',
      ...versionHeader(bucket, stored.versionId),
      ...encryptionHeaders(stored.encryption),
      ...(sourceBucket.versioning === 'off' ? {} : { 'x-amz-copy-source-version-id': source.versionId }),
    },
    body: document(
      root(
        'CopyObjectResult',
        text('ETag', `"${stored.etag}"`),
        text('LastModified', new Date(stored.lastModifiedMs).toISOString()),
        text(`Checksum${algorithm}`, checksum.value),
        text('ChecksumType', checksum.type),
      ),
    ),
  };
}

function findCopySource(
  state: S3State,
  request: S3Request,
): { sourceBucket: Bucket; sourceKey: string; source: StoredObject } {
  const [path = '', query] = (request.headers['x-amz-copy-source'] ?? '')
    .replace(/^\//, '')
    .split('?versionId=');
  const decoded = decodeUri(path);
  const slash = decoded.indexOf('/');
  if (slash < 1)
    throw new S3Error('InvalidArgument', {
      message: 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
    });
  const sourceBucket = state.buckets.get(decoded.slice(0, slash));
  if (sourceBucket === undefined) throw new S3Error('NoSuchBucket');
  checkOwner(sourceBucket, request.headers['x-amz-source-expected-bucket-owner']);
  if (sourceBucket.readsDenied) throw new S3Error('AccessDenied');
  const sourceKey = decoded.slice(slash + 1);
  const source = findObject(sourceBucket, sourceKey, checkVersionId(query));
  if (source.encryption.kind === 'customer') throw new S3Error('NotImplemented');
  checkReadable(source, state.nowMs());
  return { sourceBucket, sourceKey, source };
}

export async function deleteObject(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  const versionId = requestedVersion(request);
  if (request.headers['if-match'] !== undefined) judgeWrite(request.headers, bucket, request.key);
  const removal = bucket.remove(request.key, versionId, state.nowMs());
  announceRemoved(state, bucket, request.key, removal);
  if (removal.kind === 'nothing')
    return { status: 204, headers: versionId === null ? {} : versionHeader(bucket, versionId) };
  const version = removal.kind === 'marked' ? removal.marker : removal.version;
  return {
    status: 204,
    headers: {
      ...versionHeader(bucket, version.versionId),
      ...(version.kind === 'delete_marker' ? { 'x-amz-delete-marker': 'true' } : {}),
    },
  };
}

const largestDeleteBatch = 1000;

export async function deleteObjects(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  const parsed = parseDocument(await receiveDocument(request, { checked: true }), 'Delete');
  const entries = childNodes(parsed, 'Object');
  if (entries.length === 0 || entries.length > largestDeleteBatch) throw new S3Error('MalformedXML');
  const quiet = childText(parsed, 'Quiet')?.trim() === 'true';
  const results = entries.map((entry) => {
    const key = childText(entry, 'Key');
    if (key === null || key === '') throw new S3Error('MalformedXML');
    if (childText(entry, 'ETag') !== null) throw new S3Error('NotImplemented');
    return deleteOne(state, bucket, key, childText(entry, 'VersionId'), quiet);
  });
  return {
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: document(root('DeleteResult', ...results)),
  };
}

function deleteOne(
  state: S3State,
  bucket: Bucket,
  key: string,
  rawVersionId: string | null,
  quiet: boolean,
): string {
  try {
    checkKeyLength(key);
    const versionId = checkVersionId(rawVersionId);
    const removal = bucket.remove(key, versionId, state.nowMs());
    announceRemoved(state, bucket, key, removal);
    if (quiet) return '';
    const marker =
      removal.kind === 'marked'
        ? removal.marker
        : removal.kind === 'removed' && removal.version.kind === 'delete_marker'
          ? removal.version
          : null;
    return group(
      'Deleted',
      text('Key', key),
      ...(versionId === null ? [] : [text('VersionId', versionId)]),
      ...(marker === null
        ? []
        : [text('DeleteMarker', true), text('DeleteMarkerVersionId', marker.versionId)]),
    );
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return group('Error', text('Key', key), text('Code', error.code), text('Message', error.message));
  }
}

export async function getObjectTagging(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  if (bucket.readsDenied) throw new S3Error('AccessDenied');
  const object = findObject(bucket, request.key, requestedVersion(request));
  const tags = Object.entries(object.tags).map(([name, value]) =>
    group('Tag', text('Key', name), text('Value', value)),
  );
  return {
    status: 200,
    headers: { 'content-type': 'application/xml', ...versionHeader(bucket, object.versionId) },
    body: document(root('Tagging', group('TagSet', ...tags))),
  };
}
