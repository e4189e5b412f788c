// Where an S3 request goes: origin, path and query as they stand on the wire. Object paths never pass through `URL`,
// which would collapse `..` and so address another object.
import { Fault } from '../../core/faults.ts';

export interface S3Address {
  /** `https://host[:port]`, no slash at the end. */
  readonly origin: string;
  /** The Host header, port included where it is not the default one. */
  readonly host: string;
  /** Percent-encoded. */
  readonly path: string;
}

export type Addressing = (bucket: string, key: string | null) => S3Address;

const UNRESERVED = /^[A-Za-z0-9\-._~]$/;
const PLAIN_PATH = /^[A-Za-z0-9\-._~/]*$/;
const PLAIN_TEXT = /^[A-Za-z0-9\-._~]*$/;
/** Names with dots do not match the certificate of *.s3.REGION.amazonaws.com, the old upper-case ones no host. */
const HOST_BUCKET = /^[a-z0-9][a-z0-9-]*[a-z0-9]$/;
const PATH_BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/;

const ENCODED_BYTE = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return UNRESERVED.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
});

/**
 * Addresses of a provider. `endpoint` null means Amazon itself: the bucket is part of the host name, or of the path
 * where its name cannot be one. With an endpoint the bucket is always part of the path.
 * A bucket or key that no store can have is the fault `source_refused`.
 */
export function createAddressing(region: string, endpoint: string | null): Addressing {
  const regionHost = hostOf(region);
  const custom = endpoint === null ? null : new URL(endpoint);
  const basePath = custom === null ? '' : custom.pathname.replace(/\/+$/, '');
  return (bucket, key) => {
    if (!PATH_BUCKET.test(bucket)) {
      throw new Fault('source_refused', `"${printable(bucket)}" is not the name of an S3 bucket`);
    }
    const rest = key === null ? '/' : `/${encodeKey(bucket, key)}`;
    if (custom !== null) {
      return { origin: custom.origin, host: custom.host, path: `${basePath}/${bucket}${rest}` };
    }
    if (HOST_BUCKET.test(bucket)) {
      const host = `${bucket}.${regionHost}`;
      return { origin: `https://${host}`, host, path: rest };
    }
    return { origin: `https://${regionHost}`, host: regionHost, path: `/${bucket}${rest}` };
  };
}

/** Where Amazon S3 answers in a region, without a bucket: `https://host`. */
export function s3Origin(region: string): string {
  return `https://${hostOf(region)}`;
}

function hostOf(region: string): string {
  const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  return `s3.${region}.${suffix}`;
}

/** Every byte but `A-Z a-z 0-9 - . _ ~ /` as %XX. Nothing is normalised. */
function encodeKey(bucket: string, key: string): string {
  // An empty key would address the bucket itself, and a GET of that is a list.
  if (key === '') throw new Fault('source_refused', `An object in the bucket ${bucket} has an empty key`);
  if (PLAIN_PATH.test(key)) return key;
  if (!key.isWellFormed()) {
    throw new Fault(
      'source_refused',
      `The key ${printable(key)} is not well-formed Unicode: S3 has no such key`,
    );
  }
  let path = '';
  for (const byte of Buffer.from(key, 'utf8')) path += byte === 0x2f ? '/' : (ENCODED_BYTE[byte] ?? '');
  return path;
}

/** One query value or name, every byte but the unreserved ones as %XX, the slash too. */
function encodeText(text: string): string {
  if (PLAIN_TEXT.test(text)) return text;
  if (!text.isWellFormed()) {
    throw new Fault('source_refused', `${printable(text)} is not well-formed Unicode: S3 knows no such name`);
  }
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) encoded += ENCODED_BYTE[byte] ?? '';
  return encoded;
}

/** The query as it is sent and signed: encoded, sorted by name. */
export function canonicalQuery(parameters: Readonly<Record<string, string>>): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${encodeText(name)}=${encodeText(value)}`)
    .sort()
    .join('&');
}

/** A name for messages and logs: control characters and lone surrogates as JSON escapes, nothing else changed. */
export function printable(name: string): string {
  return JSON.stringify(name)
    .slice(1, -1)
    .replaceAll('\\"', '"')
    .replaceAll('\\\\', '\\')
    .replace(/[\u007f-\u009f\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
