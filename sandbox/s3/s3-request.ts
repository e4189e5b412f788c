// One request as the routes see it: authenticated, bucket and key decoded byte-exact, query and headers as maps.
import type { SandboxRequest } from '../http-server.ts';
import type { Bucket } from './buckets.ts';
import { S3Error } from './errors.ts';
import type { S3State } from './s3-state.ts';
import type { VerifiedCaller } from './signature.ts';
import { decodeUri, parseQuery } from './uri.ts';

export interface S3Request {
  readonly method: string;
  /** Empty for requests to the service itself. */
  readonly bucketName: string;
  /** Empty for requests to a bucket. */
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  /** By lower-case name; includes x-amz-* values that a presigned address carries in its query. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
  readonly auth: VerifiedCaller;
}

const longestKeyBytes = 1024;
const signingParameters = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-security-token',
  'x-amz-content-sha256',
]);

/** Takes an authenticated request apart. Throws InvalidURI or KeyTooLongError. */
export function readS3Request(request: SandboxRequest, auth: VerifiedCaller): S3Request {
  const path = request.rawPath.startsWith('/') ? request.rawPath.slice(1) : request.rawPath;
  const slash = path.indexOf('/');
  const bucketName = decodeUri(slash < 0 ? path : path.slice(0, slash));
  const key = slash < 0 ? '' : decodeUri(path.slice(slash + 1));
  checkKeyLength(key);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined) headers[name] = typeof value === 'string' ? value : value.join(',');
  const query = new Map<string, string>();
  for (const [name, value] of parseQuery(request.rawQuery)) {
    const lower = name.toLowerCase();
    if (signingParameters.has(lower)) continue;
    if (lower.startsWith('x-amz-')) headers[lower] ??= value;
    else query.set(name, value);
  }
  return { method: request.method, bucketName, key, query, headers, body: request.body, auth };
}

/** Throws KeyTooLongError past 1,024 bytes of UTF-8. */
export function checkKeyLength(key: string): void {
  const sizeBytes = Buffer.byteLength(key);
  if (sizeBytes > longestKeyBytes)
    throw new S3Error('KeyTooLongError', { elements: { Size: sizeBytes, MaxSizeAllowed: longestKeyBytes } });
}

/** The bucket a request names, after the checks every bucket makes. Throws NoSuchBucket or AccessDenied. */
export function requireBucket(state: S3State, request: S3Request): Bucket {
  const bucket = state.buckets.get(request.bucketName);
  if (bucket === undefined)
    throw new S3Error('NoSuchBucket', { elements: { BucketName: request.bucketName } });
  checkOwner(bucket, request.headers['x-amz-expected-bucket-owner']);
  if (bucket.requesterPays && request.headers['x-amz-request-payer'] !== 'requester')
    throw new S3Error('AccessDenied');
  return bucket;
}

/** Throws AccessDenied when the caller expects the bucket to belong to another account. */
export function checkOwner(bucket: Bucket, expectedOwner: string | undefined): void {
  if (expectedOwner !== undefined && expectedOwner !== bucket.ownerAccountId)
    throw new S3Error('AccessDenied');
}

/** A whole number from a query parameter; the fallback when it is absent. Throws InvalidArgument outside the limits. */
export function wholeNumber(
  request: S3Request,
  name: string,
  limits: { readonly fallback: number; readonly least: number; readonly most: number },
): number {
  const raw = request.query.get(name);
  if (raw === undefined || raw === '') return limits.fallback;
  const value = Number(raw);
  if (!/^\d+$/.test(raw) || value < limits.least || value > limits.most)
    throw new S3Error('InvalidArgument', {
      message: `${name} must be a whole number from ${limits.least} to ${limits.most}`,
      elements: { ArgumentName: name, ArgumentValue: raw },
    });
  return value;
}

/** The version id a request names; null when it names none. Throws InvalidArgument for one that cannot be. */
export function requestedVersion(request: S3Request): string | null {
  return checkVersionId(request.query.get('versionId'));
}

/** Null for no version id. Throws InvalidArgument for one that the service cannot have given. */
export function checkVersionId(versionId: string | null | undefined): string | null {
  if (versionId === undefined || versionId === null) return null;
  if (versionId !== 'null' && !/^[\w.]{32}$/.test(versionId))
    throw new S3Error('InvalidArgument', {
      message: 'Invalid version id specified',
      elements: { ArgumentName: 'versionId', ArgumentValue: versionId },
    });
  return versionId;
}
