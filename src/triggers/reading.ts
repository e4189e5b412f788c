// What one record turned out to be, and the facts that every shape of S3 event shares: bucket, key, time, and the
// claims that are only hints. A nonsensical hint becomes null; a nonsensical bucket or key makes the record malformed.
import { Buffer } from 'node:buffer';
import type { Change } from '../core/change.ts';
import { quoted } from './json-value.ts';

/** One record is exactly one of the three. */
export type Reading =
  | { readonly kind: 'change'; readonly change: Change }
  | { readonly kind: 'ignored'; readonly reason: string }
  | { readonly kind: 'malformed'; readonly reason: string };

const MAX_KEY_BYTES = 1024;
const MAX_BUCKET_CHARACTERS = 255;
const MAX_HINT_CHARACTERS = 1024;

/** The reason why no object can have this bucket name, or null. Whether a rule covers it is decided later. */
export function bucketProblem(bucket: unknown): string | null {
  if (typeof bucket !== 'string') return `the bucket name is ${quoted(bucket)}, not text`;
  if (bucket === '') return 'the bucket name is empty';
  if (bucket.length > MAX_BUCKET_CHARACTERS || !bucket.isWellFormed())
    return `the bucket name ${quoted(bucket)} is not one that S3 allows`;
  return null;
}

/** The reason why no object can have this decoded key, or null. */
export function keyProblem(key: string): string | null {
  if (key === '') return 'the key is empty';
  if (!key.isWellFormed()) return 'the key is not valid Unicode';
  const sizeBytes = Buffer.byteLength(key, 'utf8');
  return sizeBytes > MAX_KEY_BYTES ? `the key has ${sizeBytes} bytes, S3 allows ${MAX_KEY_BYTES}` : null;
}

/**
 * The key of an S3 notification, decoded exactly once: `+` is a space, then percent-encoding as UTF-8. Or the reason
 * why no object can have it.
 */
export function decodeNotificationKey(
  encoded: unknown,
): { readonly key: string } | { readonly problem: string } {
  if (typeof encoded !== 'string') return { problem: `the key is ${quoted(encoded)}, not text` };
  // Each byte of a key takes three characters at most.
  if (encoded.length > 3 * MAX_KEY_BYTES)
    return {
      problem: `the encoded key has ${encoded.length} characters, too many for ${MAX_KEY_BYTES} bytes`,
    };
  let key: string;
  try {
    key = decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch {
    return { problem: `the key ${quoted(encoded)} is not percent-encoded UTF-8` };
  }
  const problem = keyProblem(key);
  return problem === null ? { key } : { problem };
}

/** A claimed size in bytes; null where it is missing or no size at all. */
export function sizeHint(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** A claimed version id or sequencer; null where it is missing, empty or absurdly long. */
export function textHint(value: unknown): string | null {
  if (typeof value !== 'string' || value === '') return null;
  return value.length > MAX_HINT_CHARACTERS ? null : value;
}

const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?<zone>Z|[+-]\d{2}:\d{2})?$/;

/** An ISO 8601 time in Unix milliseconds; null where it is none. A time without a zone is UTC, as S3 means it. */
export function timeHintMs(value: unknown): number | null {
  const match = typeof value === 'string' ? TIMESTAMP.exec(value) : null;
  if (match === null) return null;
  const timeMs = Date.parse(match.groups?.['zone'] === undefined ? `${match[0]}Z` : match[0]);
  return Number.isFinite(timeMs) && timeMs >= 0 ? timeMs : null;
}
