// How objects and buckets look in answers: the JSON resources of the API.
import type { Bucket, StoredObject } from './store-state.ts';

/** The JSON resource of one generation. `baseUrl` is the address under which the caller reached the sandbox. */
export function objectResource(
  object: StoredObject,
  baseUrl: string,
  bucket: Bucket,
): Record<string, unknown> {
  const path = `/b/${encodeURIComponent(object.bucket)}/o/${encodeURIComponent(object.name)}`;
  const media = `${baseUrl}/download/storage/v1${path}?generation=${object.generation}&alt=media`;
  return {
    kind: 'storage#object',
    id: `${object.bucket}/${object.name}/${object.generation}`,
    selfLink: `${baseUrl}/storage/v1${path}`,
    mediaLink: media,
    name: object.name,
    bucket: object.bucket,
    generation: object.generation,
    metageneration: String(object.metageneration),
    storageClass: bucket.options.storageClass ?? 'STANDARD',
    ...object.fields,
    size: String(object.bytes.sizeBytes),
    ...(object.bytes.md5 === null ? {} : { md5Hash: object.bytes.md5 }),
    crc32c: object.bytes.crc32c,
    etag: objectEtag(object),
    ...(object.componentCount === null ? {} : { componentCount: object.componentCount }),
    ...(object.kmsKeyName === null ? {} : { kmsKeyName: object.kmsKeyName }),
    timeCreated: new Date(object.createdMs).toISOString(),
    updated: new Date(object.updatedMs).toISOString(),
    timeStorageClassUpdated: new Date(object.createdMs).toISOString(),
    timeFinalized: new Date(object.createdMs).toISOString(),
    ...(object.deletedMs === null ? {} : { timeDeleted: new Date(object.deletedMs).toISOString() }),
  };
}

/** Changes with generation and metageneration. */
export function objectEtag(object: StoredObject): string {
  return Buffer.from(`${object.generation}/${object.metageneration}`).toString('base64');
}

/** The JSON resource of a bucket. */
export function bucketResource(bucket: Bucket, baseUrl: string): Record<string, unknown> {
  const { versioned, retentionSec, storageClass, resource } = bucket.options;
  const created = new Date(bucket.createdMs).toISOString();
  return {
    kind: 'storage#bucket',
    id: bucket.name,
    selfLink: `${baseUrl}/storage/v1/b/${encodeURIComponent(bucket.name)}`,
    name: bucket.name,
    projectNumber: '1',
    generation: String(bucket.createdMs * 1000),
    metageneration: '1',
    location: 'US',
    locationType: 'multi-region',
    storageClass: storageClass ?? 'STANDARD',
    etag: 'CAE=',
    timeCreated: created,
    updated: created,
    ...(versioned === true ? { versioning: { enabled: true } } : {}),
    ...(retentionSec === undefined
      ? {}
      : {
          retentionPolicy: { retentionPeriod: String(retentionSec), effectiveTime: created, isLocked: false },
        }),
    iamConfiguration: { uniformBucketLevelAccess: { enabled: true } },
    ...resource,
  };
}
