// What tests and the demo do to the store without HTTP: write, read back, and put objects into awkward states.
import { makeBucket } from './bucket-routes.ts';
import type { Bucket, BucketOptions, StoredObject, Versioning } from './buckets.ts';
import { type ChecksumAlgorithm, digestContent } from './checksums.ts';
import { S3Error } from './errors.ts';
import { contentOf, type ObjectContent, syntheticContent } from './object-content.ts';
import { storeObject } from './object-routes.ts';
import { checkKeyLength } from './s3-request.ts';
import { announceCreated, announceRemoved, type S3State } from './s3-state.ts';

export interface PutOptions {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  /** Further system headers (Cache-Control and so on) by lower-case name. */
  readonly systemHeaders?: Readonly<Record<string, string>>;
  /** User metadata by lower-case name; any text. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
  readonly storageClass?: string;
  /** CRC64NVME by default; null for an object that has none, as old ones do. */
  readonly checksumAlgorithm?: ChecksumAlgorithm | null;
}

export interface StoredSummary {
  /** Without quotes. */
  readonly etag: string;
  /** Null in a bucket without versions. */
  readonly versionId: string | null;
  readonly sizeBytes: number;
}

export interface SyntheticObject {
  readonly sizeBytes: number;
  readonly seed: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** False spares reading all bytes once: the ETag then only looks like a multipart one, and there is no checksum. */
  readonly checksums?: boolean;
}

export interface SyntheticSummary extends StoredSummary {
  /** Base64; null where no checksums were wanted. */
  readonly crc32c: string | null;
  readonly crc64nvme: string | null;
}

export interface ObjectState {
  /** True: reads answer InvalidObjectState (storage class GLACIER); false: readable again. */
  readonly archived?: boolean;
  /** A restore of an archived object is under way. */
  readonly restoring?: boolean;
  /** An archived object can be read until then. */
  readonly restoredUntilMs?: number;
  /** True: stored under a customer's key that nobody can give; reads answer 400. */
  readonly customerKey?: boolean;
  /** Any ETag, without quotes, whatever the bytes. */
  readonly etag?: string;
  /** When it was written, as far as S3 tells. */
  readonly lastModifiedMs?: number;
  /** Metadata entries S3 says it could not return. */
  readonly missingMetadataCount?: number;
}

export interface ReadBack {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly versionId: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly systemHeaders: Readonly<Record<string, string>>;
}

export interface DirectAccess {
  createBucket(name: string, options?: BucketOptions): void;
  setVersioning(bucket: string, versioning: Versioning): void;
  /** Writes an object as PutObject would, notification included. The bytes are copied. */
  putObject(
    bucket: string,
    key: string,
    bytes: Uint8Array | string,
    options?: PutOptions,
  ): Promise<StoredSummary>;
  /** Writes an object whose bytes are generated whenever they are read. */
  putSyntheticObject(bucket: string, key: string, object: SyntheticObject): Promise<SyntheticSummary>;
  deleteObject(bucket: string, key: string, versionId?: string): void;
  /** The current object with all its bytes; null when there is none. */
  getObject(bucket: string, key: string): ReadBack | null;
  /** Keys of current objects in byte order. */
  listKeys(bucket: string): string[];
  /** Changes the current object in place, silently: no event, no new version. Throws NoSuchKey. */
  setObjectState(bucket: string, key: string, state: ObjectState): void;
  /** GET and HEAD of objects answer 403. */
  denyReads(bucket: string, denied: boolean): void;
  /** Listing answers 403, and so does a missing key. */
  denyListing(bucket: string, denied: boolean): void;
}

/** Binds the direct operations to one service's state. */
export function directAccess(state: S3State): DirectAccess {
  return {
    createBucket: (name, bucketOptions = {}) => makeBucket(state, name, bucketOptions),
    setVersioning: (name, versioning) => {
      bucketOf(state, name).versioning = versioning;
    },
    putObject: async (name, key, bytes, putOptions = {}) => {
      const bucket = bucketOf(state, name);
      return summary(await putBytes(state, bucket, key, Buffer.from(bytes), putOptions), bucket);
    },
    putSyntheticObject: async (name, key, object) => putSynthetic(state, bucketOf(state, name), key, object),
    deleteObject: (name, key, versionId) => {
      const bucket = bucketOf(state, name);
      announceRemoved(state, bucket, key, bucket.remove(key, versionId ?? null, state.nowMs()));
    },
    getObject: (name, key) => {
      const object = bucketOf(state, name).currentObject(key);
      if (object === null) return null;
      const { content, etag, versionId, metadata, systemHeaders } = object;
      return {
        bytes: Buffer.concat([...content.read(0, content.sizeBytes)]),
        etag,
        versionId,
        metadata,
        systemHeaders,
      };
    },
    listKeys: (name) => {
      const bucket = bucketOf(state, name);
      return [...bucket.byteKeysFrom('')]
        .filter((byteKey) => bucket.versionsOf(byteKey)[0]?.kind === 'object')
        .map((byteKey) => Buffer.from(byteKey, 'latin1').toString('utf8'));
    },
    setObjectState: (name, key, objectState) => amendObject(bucketOf(state, name), key, objectState),
    denyReads: (name, denied) => {
      bucketOf(state, name).readsDenied = denied;
    },
    denyListing: (name, denied) => {
      bucketOf(state, name).listingDenied = denied;
    },
  };
}

/** Throws NoSuchBucket. */
export function bucketOf(state: S3State, name: string): Bucket {
  const bucket = state.buckets.get(name);
  if (bucket === undefined) throw new S3Error('NoSuchBucket', { elements: { BucketName: name } });
  return bucket;
}

async function putBytes(
  state: S3State,
  bucket: Bucket,
  key: string,
  bytes: Buffer,
  options: PutOptions,
): Promise<StoredObject> {
  checkKeyLength(key);
  const content = contentOf([bytes]);
  const algorithm = options.checksumAlgorithm === undefined ? 'CRC64NVME' : options.checksumAlgorithm;
  const digests = await digestContent(content, algorithm === null ? ['MD5'] : ['MD5', algorithm]);
  const value = algorithm === null ? undefined : digests.get(algorithm)?.toString('base64');
  const attributes = {
    systemHeaders: {
      'content-type': options.contentType ?? 'binary/octet-stream',
      ...(options.contentEncoding === undefined ? {} : { 'content-encoding': options.contentEncoding }),
      ...options.systemHeaders,
    },
    metadata: options.metadata ?? {},
    storageClass: options.storageClass ?? 'STANDARD',
    encryption: { kind: 'AES256' as const },
    tags: options.tags ?? {},
  };
  const created = {
    content,
    md5: digests.get('MD5')?.toString('hex') ?? '',
    checksum:
      algorithm === null || value === undefined ? null : { algorithm, type: 'FULL_OBJECT' as const, value },
    attributes,
  };
  return storeObject(state, bucket, key, created, 'Put');
}

async function putSynthetic(
  state: S3State,
  bucket: Bucket,
  key: string,
  object: SyntheticObject,
): Promise<SyntheticSummary> {
  checkKeyLength(key);
  const content = syntheticContent(object.sizeBytes, object.seed);
  const digests = await syntheticDigests(content, object);
  const stored = bucket.put(key, {
    systemHeaders: { 'content-type': 'binary/octet-stream' },
    metadata: object.metadata ?? {},
    storageClass: 'STANDARD',
    encryption: { kind: 'AES256' },
    tags: {},
    content,
    etag: digests.etag,
    lastModifiedMs: state.nowMs(),
    checksum:
      digests.crc64nvme === null
        ? null
        : { algorithm: 'CRC64NVME', type: 'FULL_OBJECT', value: digests.crc64nvme },
    partSizes: null,
    missingMetadataCount: 0,
    archive: null,
  });
  announceCreated(state, bucket, key, stored, 'Put');
  return { ...summary(stored, bucket), crc32c: digests.crc32c, crc64nvme: digests.crc64nvme };
}

async function syntheticDigests(
  content: ObjectContent,
  object: SyntheticObject,
): Promise<{ etag: string; crc32c: string | null; crc64nvme: string | null }> {
  if (object.checksums === false) {
    const label = contentOf([Buffer.from(`${object.sizeBytes}:${object.seed}`)]);
    const md5 = (await digestContent(label, ['MD5'])).get('MD5')?.toString('hex') ?? '';
    return { etag: `${md5}-10000`, crc32c: null, crc64nvme: null };
  }
  const digests = await digestContent(content, ['MD5', 'CRC32C', 'CRC64NVME']);
  return {
    etag: digests.get('MD5')?.toString('hex') ?? '',
    crc32c: digests.get('CRC32C')?.toString('base64') ?? null,
    crc64nvme: digests.get('CRC64NVME')?.toString('base64') ?? null,
  };
}

function summary(object: StoredObject, bucket: Bucket): StoredSummary {
  return {
    etag: object.etag,
    versionId: bucket.versioning === 'off' ? null : object.versionId,
    sizeBytes: object.content.sizeBytes,
  };
}

function amendObject(bucket: Bucket, key: string, change: ObjectState): void {
  const object = bucket.currentObject(key);
  if (object === null) throw new S3Error('NoSuchKey', { elements: { Key: key } });
  const archived =
    change.archived ??
    (object.archive !== null || change.restoring !== undefined || change.restoredUntilMs !== undefined);
  bucket.amend(key, object.versionId, {
    storageClass: archived ? archiveClass(object.storageClass) : activeClass(object.storageClass),
    archive: archived
      ? { restoring: change.restoring ?? false, restoredUntilMs: change.restoredUntilMs ?? null }
      : null,
    encryption:
      change.customerKey === undefined
        ? object.encryption
        : change.customerKey
          ? { kind: 'customer', keyMd5: 'a key that nobody holds' }
          : { kind: 'AES256' },
    etag: change.etag ?? object.etag,
    lastModifiedMs: change.lastModifiedMs ?? object.lastModifiedMs,
    missingMetadataCount: change.missingMetadataCount ?? object.missingMetadataCount,
  });
}

function archiveClass(storageClass: string): string {
  return storageClass === 'DEEP_ARCHIVE' ? storageClass : 'GLACIER';
}

function activeClass(storageClass: string): string {
  return storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE' ? 'STANDARD' : storageClass;
}
