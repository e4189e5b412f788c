// How long to wait before the next attempt: capped exponential backoff with full jitter, and the store's own word
// where it gave one (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter).

/**
 * The value of a Retry-After header (RFC 9110, 10.2.3: seconds or an HTTP date) as milliseconds from `nowMs`; null
 * where it says neither.
 */
export function readRetryAfterMs(value: string | null, nowMs: number): number | null {
  if (value === null) return null;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - nowMs);
}

export interface BackoffPolicy {
  /** Upper bound of the first wait, in milliseconds. It doubles with every attempt. */
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * Milliseconds to wait after `attemptCount` failed attempts (1 after the first failure).
 * `retryAfterMs` is a lower bound from the store, itself capped; null where it said nothing.
 */
export function backoffMs(
  policy: BackoffPolicy,
  attemptCount: number,
  random01: number,
  retryAfterMs: number | null,
): number {
  const exponent = Math.min(Math.max(attemptCount - 1, 0), 30);
  const ceilingMs = Math.min(policy.capMs, policy.baseMs * 2 ** exponent);
  const jitteredMs = Math.floor(ceilingMs * random01);
  if (retryAfterMs === null) return jitteredMs;
  return Math.min(retryAfterMs, policy.capMs) + Math.floor(policy.baseMs * random01);
}
