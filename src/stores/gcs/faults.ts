// The only translator of what Google Cloud Storage refuses, and of what the network does, into faults.
// Decisions are made by status and reason; by words of the message only where Google gives no reason of its own,
// and then with the names of bucket and object taken out, so that no object name can choose the fault.
import { readRetryAfterMs } from '../../core/backoff.ts';
import { type FaultCode, Fault, type FaultDetails } from '../../core/faults.ts';
import type { ObjectLocation } from '../../core/object.ts';
import { isRecord, parseJson, textOrNull } from './gcs-object.ts';

/** An answer of the store, its body already read. */
export interface GcsAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/**
 * What was asked: for the message, and to keep its names out of the decision. `key` is null for a whole bucket;
 * both are null for an upload session, which does not tell its object and whose address must not be told.
 */
export interface GcsRequestSubject {
  /** A verb phrase: "write", "look at". */
  readonly action: string;
  readonly bucket: string | null;
  readonly key: string | null;
}

/** Thrown by the transport when a request was or may have been sent and no whole answer came back. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.message, { cause: fault });
    this.fault = fault;
  }
}

const MAX_MESSAGE_LENGTH = 500;

interface Problem {
  readonly status: number;
  readonly reason: string;
  /** The message without our own names: what decisions may read. */
  readonly words: string;
  /** The message for people. */
  readonly message: string;
}

const THROTTLE_REASONS = new Set([
  'rateLimitExceeded',
  'userRateLimitExceeded',
  'usageLimits.rateLimitExceeded',
]);
const QUOTA_REASONS = new Set([
  'quotaExceeded',
  'dailyLimitExceeded',
  'accountDisabled',
  'billingDisabled',
  'billingNotEnabled',
  'userProjectAccountProblem',
]);
const RETENTION_REASONS = new Set(['retentionPolicyNotMet', 'objectUnderActiveHold']);

/** The first rule that holds decides. Whatever none of them knows is `target_refused`. */
const RULES: readonly (readonly [FaultCode, (problem: Problem) => boolean])[] = [
  // An upload that lost count: the offset has to be asked for, waiting does not help.
  ['target_error', ({ status, words }) => status === 503 && /already uploaded size/i.test(words)],
  // 502 to 504 are about the service as a whole, not about this object.
  ['target_unavailable', ({ status }) => status >= 502 && status <= 504],
  ['target_error', ({ status }) => status === 408 || status >= 500],
  ['credentials_invalid', ({ status }) => status === 401],
  [
    'key_access_denied',
    ({ reason, words }) => reason.startsWith('cloudKms') || /cloudkms\.|cloud kms|kms key/i.test(words),
  ],
  [
    'retention_blocked',
    ({ reason, words }) =>
      RETENTION_REASONS.has(reason) ||
      /retention (policy|period|configuration)|under active .*hold/i.test(words),
  ],
  ['target_throttled', ({ status, reason }) => status === 429 || THROTTLE_REASONS.has(reason)],
  [
    'quota_exhausted',
    ({ status, reason, words }) =>
      QUOTA_REASONS.has(reason) || (status === 403 && /billing account|quota/i.test(words)),
  ],
  ['access_denied', ({ status, reason }) => status === 403 || reason === 'orgPolicyConstraintFailed'],
  ['target_bucket_missing', ({ status }) => status === 404],
  // A write that met another one on its way, or a condition that was judged too early: both pass by themselves.
  ['target_error', ({ status }) => status === 409 || status === 412],
  ['target_checksum_mismatch', ({ status, words }) => status === 400 && /(crc32c|md5).*match/i.test(words)],
  [
    'metadata_too_large',
    ({ reason, words }) =>
      reason === 'metadataTooLarge' || /metadata.*(too large|too long|exceed|maximum|limit)/i.test(words),
  ],
  ['too_large', ({ status, reason }) => status === 413 || reason === 'uploadTooLarge'],
  ['name_not_storable', ({ status, words }) => status === 400 && /object (name|length)/i.test(words)],
];

/**
 * The fault that an answer with an error status stands for.
 * `nowMs` is the wall time, to read a `Retry-After` that is a date.
 */
export function faultOfAnswer(answer: GcsAnswer, subject: GcsRequestSubject, nowMs: number): Fault {
  const problem = readProblem(answer, subject);
  const code = RULES.find(([, holds]) => holds(problem))?.[0] ?? 'target_refused';
  const reason = problem.reason === '' ? '' : ` ${problem.reason}`;
  const words = problem.message === '' ? '' : `: ${problem.message}`;
  return new Fault(
    code,
    `Google Cloud Storage did not ${named(subject)} (${answer.status}${reason})${words}`,
    {
      details: {
        ...detailsOf(problem, subject),
        ...(isAboutOneName(code, problem) ? { scope: 'object' } : {}),
      },
      retryAfterMs: readRetryAfterMs(textOrNull(answer.headers['retry-after']), nowMs),
    },
  );
}

/** True where only this one name was written too often; the rest of the bucket is as fast as ever. */
function isAboutOneName(code: FaultCode, { words }: Problem): boolean {
  return code === 'target_throttled' && /object mutation/i.test(words);
}

/**
 * True where a 404 says that the bucket is missing, not the object. Both have the reason `notFound`; only the words
 * differ, and asking for the bucket itself would need one more permission. A 404 that says neither counts as the
 * object's: taking an object for absent leads to a write that needs the bucket and then says that it is missing.
 */
export function isBucketMissing(answer: GcsAnswer, subject: GcsRequestSubject): boolean {
  if (answer.status !== 404) return false;
  const { words } = readProblem(answer, subject);
  return !/^no such object/i.test(words) && /bucket/i.test(words);
}

/** True where a 412 says that the condition of the request was false, not that a policy forbids it. */
export function isConditionFalse(answer: GcsAnswer, subject: GcsRequestSubject): boolean {
  if (answer.status !== 412) return false;
  const { reason, words } = readProblem(answer, subject);
  return (
    reason === 'conditionNotMet' ||
    (reason !== 'orgPolicyConstraintFailed' &&
      !RETENTION_REASONS.has(reason) &&
      !/retention|under active .*hold|constraint/i.test(words))
  );
}

/** The fault for a connection that could not be made: nothing was sent. */
export function unreachableFault(error: unknown, host: string): Fault {
  return new Fault('target_unreachable', `No connection to ${host}: ${networkWords(error)}`, {
    cause: error,
    details: { store: 'target', host },
  });
}

/** The fault for a request that was on its way when the network, or a timeout, ended it. */
export function brokenFault(error: unknown, subject: GcsRequestSubject): Fault {
  return new Fault(
    'target_error',
    `No whole answer from Google Cloud Storage to the request to ${named(subject)}: ${networkWords(error)}`,
    { cause: error, details: detailsOfSubject(subject) },
  );
}

/** The fault for a success whose body does not show what it confirms. */
export function unreadableFault(answer: GcsAnswer, subject: GcsRequestSubject): Fault {
  return new Fault(
    'target_error',
    `Google Cloud Storage answered ${answer.status} to the request to ${named(subject)} without a readable object`,
    { details: { ...detailsOfSubject(subject), status: answer.status } },
  );
}

/** A subject as it stands in a message: `write gs://bucket/key`. */
export function named({ action, bucket, key }: GcsRequestSubject): string {
  if (bucket === null) return action;
  return `${action} gs://${bucket}${key === null ? '' : `/${key}`}`;
}

/** The details every fault of the target carries. */
export function detailsOfSubject({ bucket }: GcsRequestSubject): FaultDetails {
  return bucket === null ? { store: 'target' } : { store: 'target', bucket };
}

/** What is asked about one object. */
export function subjectOf(action: string, { bucket, key }: ObjectLocation): GcsRequestSubject {
  return { action, bucket, key };
}

function readProblem(answer: GcsAnswer, subject: GcsRequestSubject): Problem {
  const json = parseJson(answer.text);
  const error = isRecord(json) ? json['error'] : undefined;
  const record = isRecord(error) ? error : null;
  const first = record !== null && Array.isArray(record['errors']) ? (record['errors'][0] as unknown) : null;
  const whole = tidy(textOrNull(record?.['message']) ?? textOrNull(error) ?? answer.text);
  const words = withoutNames(whole, subject);
  return {
    status: answer.status,
    reason: (isRecord(first) ? textOrNull(first['reason']) : null) ?? '',
    words,
    message: whole.length > MAX_MESSAGE_LENGTH ? words.slice(0, MAX_MESSAGE_LENGTH) : whole,
  };
}

/** Google names an object as `bucket/key`, or the key in quotes; a bare word of the sentence is left alone. */
function withoutNames(message: string, { bucket, key }: GcsRequestSubject): string {
  if (bucket === null || key === null) return message;
  const name = tidy(key);
  return [`${bucket}/${name}`, `'${name}'`, `"${name}"`].reduce(
    (text, part) => text.replaceAll(part, ''),
    message,
  );
}

/** One short line without control characters, and without the secret of an upload session. */
function tidy(text: string): string {
  return text
    .replace(/upload_id=[^\s&"'<]+/g, 'upload_id=[secret]')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
}

function detailsOf(problem: Problem, subject: GcsRequestSubject): FaultDetails {
  const permission = /\b(?:storage|cloudkms)\.[A-Za-z]+\.[A-Za-z]+\b/.exec(problem.words)?.[0];
  return {
    ...detailsOfSubject(subject),
    status: problem.status,
    ...(problem.reason === '' ? {} : { reason: problem.reason }),
    ...(permission === undefined ? {} : { permission }),
  };
}

function networkWords(error: unknown): string {
  if (!(error instanceof Error)) return 'the connection failed';
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code} ` : '';
  return tidy(`${code}${error.message}`);
}
