// Conditional requests: which answer the If-* headers of a read, a copy or a write demand.
import type { Bucket, StoredObject } from './buckets.ts';
import { S3Error } from './errors.ts';

type Headers = Readonly<Record<string, string>>;

/**
 * Judges a read by the headers named `${prefix}match` and so on. True means "not modified".
 * Throws PreconditionFailed.
 */
export function judgeRead(headers: Headers, object: StoredObject, prefix = 'if-'): boolean {
  const match = headers[`${prefix}match`];
  const unmodified = headers[`${prefix}unmodified-since`];
  const noneMatch = headers[`${prefix}none-match`];
  const modified = headers[`${prefix}modified-since`];
  const modifiedSecond = Math.floor(object.lastModifiedMs / 1000) * 1000;
  if (match !== undefined) {
    if (!etagMatches(match, object.etag)) throw failed('If-Match');
  } else if (unmodified !== undefined && modifiedSecond > Date.parse(unmodified)) {
    throw failed('If-Unmodified-Since');
  }
  if (noneMatch !== undefined) return etagMatches(noneMatch, object.etag);
  return modified !== undefined && modifiedSecond <= Date.parse(modified);
}

/** Judges a write or a delete at the moment it would take effect. Throws PreconditionFailed, or NoSuchKey for If-Match. */
export function judgeWrite(headers: Headers, bucket: Bucket, key: string): void {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  const current = bucket.currentObject(key);
  if (noneMatch !== undefined) {
    if (noneMatch !== '*') throw new S3Error('NotImplemented', { elements: { Header: 'If-None-Match' } });
    if (current !== null) throw failed('If-None-Match');
  }
  if (match === undefined) return;
  if (current === null) throw new S3Error('NoSuchKey', { elements: { Key: key } });
  if (!etagMatches(match, current.etag)) throw failed('If-Match');
}

function etagMatches(header: string, etag: string): boolean {
  if (header.trim() === '*') return true;
  return header.split(',').some((part) => unquoteEtag(part.trim()) === etag);
}

/** Clients send entity tags with or without quotes. */
export function unquoteEtag(value: string): string {
  return value.replace(/^W\//, '').replaceAll('"', '');
}

function failed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', { elements: { Condition: condition } });
}
