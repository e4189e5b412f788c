// What all routes share: the buckets, the clock, who owns them, and where changes are announced.
import type { Keyring } from '../aws/keyring.ts';
import type { Bucket, Removal, StoredObject } from './buckets.ts';
import type { Notifications } from './notification.ts';

export interface S3State {
  readonly region: string;
  readonly accountId: string;
  readonly keyring: Keyring;
  readonly notifications: Notifications;
  /** Permissions that the identity has not. */
  readonly denied: Set<S3Permission>;
  readonly buckets: Map<string, Bucket>;
  /** Answers of finished multipart uploads by upload id, so that a repeated Complete gets the same one. */
  readonly completedUploads: Map<string, string>;
  nowMs(): number;
}

/** Those that can be taken away for all buckets. Reads and listings are denied by bucket. */
export type S3Permission =
  | 's3:GetBucketLocation'
  | 's3:GetBucketNotification'
  | 's3:GetBucketVersioning'
  | 's3:ListAllMyBuckets'
  | 's3:PutBucketNotification';

/** Announces a new object. */
export function announceCreated(
  state: S3State,
  bucket: Bucket,
  key: string,
  object: StoredObject,
  by: 'Put' | 'Copy' | 'CompleteMultipartUpload',
): void {
  state.notifications.announce(bucket, {
    eventName: `ObjectCreated:${by}`,
    key,
    sizeBytes: object.content.sizeBytes,
    etag: object.etag,
    versionId: eventVersion(bucket, object.versionId),
  });
}

/** The ETag of no bytes, which a delete marker's event carries. */
const emptyEtag = 'd41d8cd98f00b204e9800998ecf8427e';

/** Announces what a delete did; nothing when it did nothing. */
export function announceRemoved(state: S3State, bucket: Bucket, key: string, removal: Removal): void {
  if (removal.kind === 'nothing') return;
  if (removal.kind === 'marked') {
    const versionId = eventVersion(bucket, removal.marker.versionId);
    state.notifications.announce(bucket, {
      eventName: 'ObjectRemoved:DeleteMarkerCreated',
      key,
      sizeBytes: null,
      etag: emptyEtag,
      versionId,
    });
    return;
  }
  const versionId = eventVersion(bucket, removal.version.versionId);
  state.notifications.announce(bucket, {
    eventName: 'ObjectRemoved:Delete',
    key,
    sizeBytes: null,
    etag: null,
    versionId,
  });
}

function eventVersion(bucket: Bucket, versionId: string): string | null {
  return bucket.versioning === 'off' || versionId === 'null' ? null : versionId;
}

/** The header that names a version, in buckets that ever had versions. */
export function versionHeader(bucket: Bucket, versionId: string): Record<string, string> {
  return bucket.versioning === 'off' ? {} : { 'x-amz-version-id': versionId };
}
