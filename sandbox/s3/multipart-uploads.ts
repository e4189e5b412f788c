// What is known of a multipart upload between its first and its last request.
import type { ObjectAttributes } from './buckets.ts';
import type { ChecksumAlgorithm, ChecksumType } from './checksums.ts';
import type { ObjectContent } from './object-content.ts';

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
