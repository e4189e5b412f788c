// What an object is on either side, in words that no provider owns. A store driver translates its own
// answers into these shapes; core and replication read nothing else.

/** A bucket and a key. Keys are compared and carried byte by byte; nothing normalises or decodes them again. */
export interface ObjectLocation {
  readonly bucket: string;
  readonly key: string;
}

/** Checksum algorithms a source may tell. The list is open: an unknown one is recorded, never compared. */
export type ChecksumAlgorithm = 'crc32' | 'crc32c' | 'crc64nvme' | 'sha1' | 'sha256' | 'md5' | (string & {});

/**
 * A checksum the source keeps for the object. `value` is base64 of the raw bytes.
 * `composite` is a checksum of part checksums: it says nothing about the whole and is never compared with one.
 */
export interface SourceChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
  readonly kind: 'full_object' | 'composite';
}

/** Content headers and user metadata as the source tells them. Null means the source has none. */
export interface SourceMetadata {
  readonly contentType: string | null;
  readonly cacheControl: string | null;
  readonly contentDisposition: string | null;
  readonly contentLanguage: string | null;
  /** The stored encoding (`gzip`); transport encodings such as `aws-chunked` are already removed. */
  readonly contentEncoding: string | null;
  readonly expires: string | null;
  readonly websiteRedirectLocation: string | null;
  /** User metadata, names in lower case, values decoded from their transport form. */
  readonly user: Readonly<Record<string, string>>;
}

/**
 * The source object as one answer showed it: never put together from two answers.
 * `etag` has no quotes. `versionId` is null where the bucket has no versions ("null" is a version id).
 * `md5` (base64) is set only where the driver knows that the ETag is an MD5 of the whole content.
 */
export interface SourceState {
  readonly etag: string;
  readonly versionId: string | null;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
  readonly md5: string | null;
  readonly checksum: SourceChecksum | null;
  readonly metadata: SourceMetadata;
  readonly storageClass: string | null;
}

/**
 * An opaque mark of one state of a target object; it changes with every effect on the object.
 * GCS: generation and metageneration. Core compares it for equality and hands it back, nothing else.
 */
export type TargetToken = string & { readonly __token: 'TargetToken' };

/** What a target keeps beside the bytes. `custom` holds the source's user metadata and our stamp. */
export interface TargetMetadata {
  readonly contentType: string | null;
  readonly cacheControl: string | null;
  readonly contentDisposition: string | null;
  readonly contentLanguage: string | null;
  readonly contentEncoding: string | null;
  readonly custom: Readonly<Record<string, string>>;
}

/** The target object as one answer showed it. Checksums are base64 and null where the target has none. */
export interface TargetObject {
  readonly token: TargetToken;
  /** What people call this state of the bytes (GCS: the generation). For receipts and display only. */
  readonly generation: string;
  readonly sizeBytes: number;
  readonly crc32c: string | null;
  readonly md5: string | null;
  readonly metadata: TargetMetadata;
}

/** True where the two answers show one and the same object state, metadata aside. */
export function isSameState(a: SourceState, b: SourceState): boolean {
  return (
    a.etag === b.etag &&
    a.versionId === b.versionId &&
    a.sizeBytes === b.sizeBytes &&
    a.lastModifiedMs === b.lastModifiedMs
  );
}
