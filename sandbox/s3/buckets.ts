// What is stored: buckets, keys in byte order, versions newest first. Pure state; every change of it is one
// synchronous step, so readers never see half of one.
import { randomBytes } from 'node:crypto';
import type { ChecksumAlgorithm, ChecksumType, StoredChecksum } from './checksums.ts';
import type { ObjectContent } from './object-content.ts';
import { S3Error } from './errors.ts';
import { emptyConfiguration, type NotificationConfiguration } from './notification-configuration.ts';

export type Versioning = 'off' | 'enabled' | 'suspended';

/** What a client chose when it wrote an object, besides the bytes. */
export interface ObjectAttributes {
  /** Content-Type and its like, by lower-case header name. */
  readonly systemHeaders: Readonly<Record<string, string>>;
  /** User metadata by lower-case name, as text. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly storageClass: string;
  readonly encryption: Encryption;
  readonly tags: Readonly<Record<string, string>>;
}

export type Encryption =
  | { readonly kind: 'AES256' }
  | { readonly kind: 'aws:kms'; readonly keyId: string }
  | { readonly kind: 'customer'; readonly keyMd5: string };

export interface StoredObject extends ObjectAttributes {
  readonly kind: 'object';
  /** `null` (the word) where the bucket was not versioned when it was written. */
  readonly versionId: string;
  readonly content: ObjectContent;
  /** Without quotes. */
  readonly etag: string;
  readonly lastModifiedMs: number;
  /** Null for an object older than S3's own checksums. */
  readonly checksum: StoredChecksum | null;
  /** Sizes of the parts of a multipart upload; null for an object written at once. */
  readonly partSizes: readonly number[] | null;
  /** Metadata entries that cannot be returned as headers. */
  readonly missingMetadataCount: number;
  /** Null for an object that can be read at once. */
  readonly archive: ArchiveState | null;
}

/** Archived objects answer reads with InvalidObjectState until `restoredUntilMs` is set. */
export interface ArchiveState {
  readonly restoring: boolean;
  readonly restoredUntilMs: number | null;
}

export interface DeleteMarker {
  readonly kind: 'delete_marker';
  readonly versionId: string;
  readonly lastModifiedMs: number;
}

export type StoredVersion = StoredObject | DeleteMarker;

export type Removal =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'removed'; readonly version: StoredVersion }
  | { readonly kind: 'marked'; readonly marker: DeleteMarker };

export interface BucketOptions {
  readonly versioned?: boolean;
  /** Readers must say that they pay. */
  readonly requesterPays?: boolean;
  readonly ownerAccountId?: string;
  /** Where it lives; the service's own region by default. Any other one is answered with a redirect. */
  readonly region?: string;
}

const nullVersion = 'null';

export interface UploadedPart {
  readonly number: number;
  readonly content: ObjectContent;
  /** Without quotes; the MD5 of the part. */
  readonly etag: string;
  /** Base64, by the upload's algorithm. */
  readonly checksum: string;
  readonly lastModifiedMs: number;
}

export interface MultipartUpload {
  readonly id: string;
  readonly key: string;
  readonly initiatedMs: number;
  readonly attributes: ObjectAttributes;
  readonly algorithm: ChecksumAlgorithm;
  readonly checksumType: ChecksumType;
  /** Whether the client named the algorithm, or it is the service's own choice. */
  readonly algorithmChosen: boolean;
  readonly parts: Map<number, UploadedPart>;
}

export class Bucket {
  readonly name: string;
  readonly ownerAccountId: string;
  readonly requesterPays: boolean;
  /** Null: the service's own. */
  readonly region: string | null;
  notification: NotificationConfiguration = emptyConfiguration;
  readonly createdMs: number;
  readonly uploads = new Map<string, MultipartUpload>();
  versioning: Versioning;
  /** The identity has no s3:GetObject. */
  readsDenied = false;
  /** The identity has no s3:ListBucket: a missing key looks forbidden. */
  listingDenied = false;
  /** By byte key, newest first, never empty. */
  readonly #versions = new Map<string, StoredVersion[]>();
  /** Every byte key of `#versions`, sorted. */
  readonly #byteKeys: string[] = [];

  constructor(name: string, ownerAccountId: string, createdMs: number, options: BucketOptions) {
    this.name = name;
    this.ownerAccountId = options.ownerAccountId ?? ownerAccountId;
    this.requesterPays = options.requesterPays ?? false;
    this.region = options.region ?? null;
    this.createdMs = createdMs;
    this.versioning = options.versioned === true ? 'enabled' : 'off';
  }

  get isEmpty(): boolean {
    return this.#byteKeys.length === 0;
  }

  /** The newest version; null when the key has none. */
  current(key: string): StoredVersion | null {
    return this.#versions.get(toByteKey(key))?.[0] ?? null;
  }

  /** The newest version unless it is a delete marker; null otherwise. */
  currentObject(key: string): StoredObject | null {
    const current = this.current(key);
    return current?.kind === 'object' ? current : null;
  }

  version(key: string, versionId: string): StoredVersion | null {
    return this.#versions.get(toByteKey(key))?.find((version) => version.versionId === versionId) ?? null;
  }

  /** All versions of a byte key, newest first. */
  versionsOf(byteKey: string): readonly StoredVersion[] {
    return this.#versions.get(byteKey) ?? [];
  }

  /** Makes an object the newest version, under a version id of the bucket's choice. */
  put(key: string, object: Omit<StoredObject, 'kind' | 'versionId'>): StoredObject {
    const stored: StoredObject = { ...object, kind: 'object', versionId: this.#newVersionId() };
    this.#push(key, stored);
    return stored;
  }

  /** Replaces one version by a changed copy of itself. */
  amend(key: string, versionId: string, change: Partial<StoredObject>): void {
    const versions = this.#versions.get(toByteKey(key)) ?? [];
    const index = versions.findIndex((version) => version.versionId === versionId);
    const found = versions[index];
    if (found?.kind !== 'object') throw new S3Error('NoSuchVersion');
    versions[index] = { ...found, ...change };
  }

  /** Deletes as the service does: one version by id, else the object or, in a versioned bucket, a marker on top. */
  remove(key: string, versionId: string | null, nowMs: number): Removal {
    if (versionId !== null) return this.#removeVersion(key, versionId);
    if (this.versioning === 'off') return this.#removeVersion(key, nullVersion);
    const marker: DeleteMarker = {
      kind: 'delete_marker',
      versionId: this.#newVersionId(),
      lastModifiedMs: nowMs,
    };
    this.#push(key, marker);
    return { kind: 'marked', marker };
  }

  /** Byte keys in order, from the first one that is `from` or greater. */
  *byteKeysFrom(from: string): Generator<string> {
    for (let index = this.#position(from); index < this.#byteKeys.length; index += 1) {
      const byteKey = this.#byteKeys[index];
      if (byteKey !== undefined) yield byteKey;
    }
  }

  #newVersionId(): string {
    return this.versioning === 'enabled' ? randomVersionId() : nullVersion;
  }

  #push(key: string, version: StoredVersion): void {
    const byteKey = toByteKey(key);
    const versions = this.#versions.get(byteKey);
    if (versions === undefined) {
      this.#versions.set(byteKey, [version]);
      this.#byteKeys.splice(this.#position(byteKey), 0, byteKey);
      return;
    }
    const replaced = versions.findIndex((other) => other.versionId === version.versionId);
    if (replaced >= 0) versions.splice(replaced, 1);
    versions.unshift(version);
  }

  #removeVersion(key: string, versionId: string): Removal {
    const byteKey = toByteKey(key);
    const versions = this.#versions.get(byteKey) ?? [];
    const index = versions.findIndex((version) => version.versionId === versionId);
    const [version] = index < 0 ? [] : versions.splice(index, 1);
    if (version === undefined) return { kind: 'nothing' };
    if (versions.length === 0) {
      this.#versions.delete(byteKey);
      this.#byteKeys.splice(this.#position(byteKey), 1);
    }
    return { kind: 'removed', version };
  }

  #position(byteKey: string): number {
    let low = 0;
    let high = this.#byteKeys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#byteKeys[middle] ?? '') < byteKey) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** One character per byte of UTF-8, so that comparing strings compares bytes. */
export function toByteKey(key: string): string {
  return Buffer.from(key, 'utf8').toString('latin1');
}

export function fromByteKey(byteKey: string): string {
  return Buffer.from(byteKey, 'latin1').toString('utf8');
}

/** 32 characters, as the service's own look. */
export function randomVersionId(): string {
  return randomBytes(24).toString('base64url').replaceAll('-', '.');
}
