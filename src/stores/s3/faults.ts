// The only translator of S3's errors into faults. The code of the store decides before the status, because many
// conditions that pass by themselves are a 400 (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
import { readRetryAfterMs } from '../../core/backoff.ts';
import { Fault, type FaultDetails } from '../../core/faults.ts';
import { NothingSent } from '../../exchange/exchange-error.ts';
import { printable } from './addressing.ts';
import type { ErrorAnswer } from './error-answer.ts';
import { header } from './header-text.ts';

/** What was asked for when the answer or the error came. */
export interface RequestContext {
  /** The permission that the request needs. */
  readonly permission: `s3:${string}`;
  readonly bucket: string;
  /** Null for requests about the bucket itself. */
  readonly key: string | null;
  readonly region: string;
  /** The account id sent with the request; null where none was. */
  readonly expectedOwner: string | null;
}

/** `s3://bucket/key` for messages. */
export function sourceName(bucket: string, key: string | null): string {
  return key === null ? `the bucket ${printable(bucket)}` : `s3://${bucket}/${printable(key)}`;
}

/** The faults that an answer of S3 can be. */
type S3FaultCode =
  | 'source_throttled'
  | 'source_unavailable'
  | 'source_error'
  | 'source_refused'
  | 'source_bucket_missing'
  | 'wrong_region'
  | 'access_denied'
  | 'key_access_denied'
  | 'customer_key_needed'
  | 'object_archived'
  | 'requester_pays'
  | 'credentials_expired'
  | 'credentials_invalid'
  | 'clock_skewed';

const BY_CODE: Readonly<Record<string, S3FaultCode>> = {
  SlowDown: 'source_throttled',
  ServiceUnavailable: 'source_throttled',
  RequestLimitExceeded: 'source_throttled',
  BandwidthLimitExceeded: 'source_throttled',
  TooManyRequests: 'source_throttled',
  TooManyRequestsException: 'source_throttled',
  InternalError: 'source_error',
  RequestTimeout: 'source_error',
  RequestTimeoutException: 'source_error',
  IncompleteBody: 'source_error',
  OperationAborted: 'source_error',
  ConditionalRequestConflict: 'source_error',
  TemporaryRedirect: 'source_error',
  ExpiredToken: 'credentials_expired',
  ExpiredTokenException: 'credentials_expired',
  TokenRefreshRequired: 'credentials_expired',
  InvalidAccessKeyId: 'credentials_invalid',
  SignatureDoesNotMatch: 'credentials_invalid',
  InvalidToken: 'credentials_invalid',
  InvalidSecurity: 'credentials_invalid',
  InvalidClientTokenId: 'credentials_invalid',
  UnrecognizedClientException: 'credentials_invalid',
  RequestTimeTooSkewed: 'clock_skewed',
  RequestInTheFuture: 'clock_skewed',
  InvalidObjectState: 'object_archived',
  AccessDenied: 'access_denied',
  AllAccessDisabled: 'access_denied',
  AccountProblem: 'access_denied',
  NotSignedUp: 'access_denied',
  NoSuchBucket: 'source_bucket_missing',
  PermanentRedirect: 'wrong_region',
  Redirect: 'wrong_region',
  NotImplemented: 'source_refused',
};

/** The fault behind an answer of the store. `nowMs` turns a Retry-After date into a wait. */
export function answerFault(answer: ErrorAnswer, context: RequestContext, nowMs: number): Fault {
  const code = classify(answer, context);
  const said = answer.message === null ? '' : `: ${shortened(answer.message)}`;
  const answered = `${answer.status}${answer.code === null ? '' : ` ${answer.code}`}`;
  const details: FaultDetails = {
    store: 'source',
    status: answer.status,
    storeCode: answer.code,
    requestId: header(answer.headers, 'x-amz-request-id'),
    ...(code === 'access_denied' ? { permission: deniedPermission(answer, context).permission } : {}),
    ...(code === 'wrong_region' ? { bucketRegion: answer.bucketRegion } : {}),
  };
  return new Fault(code, messageOf(code, answer, context, `${answered}${said}`), {
    details,
    retryAfterMs: readRetryAfterMs(header(answer.headers, 'retry-after'), nowMs),
  });
}

function classify(answer: ErrorAnswer, context: RequestContext): S3FaultCode {
  const { code, status } = answer;
  const message = answer.message ?? '';
  if (code === null) return classifyStatus(answer, context);
  if (/throttl/i.test(code)) return 'source_throttled';
  if (/^KMS\b/i.test(code)) return 'key_access_denied';
  if (code === 'AccessDenied' && /\bkms:|KMS key|ciphertext/i.test(message)) return 'key_access_denied';
  if (code === 'AccessDenied' && /requester.?pays/i.test(message)) return 'requester_pays';
  if (code === 'InvalidRequest' && /server.side encryption/i.test(message)) return 'customer_key_needed';
  if (code === 'AuthorizationHeaderMalformed') {
    return namesOtherRegion(answer, context) ? 'wrong_region' : 'credentials_invalid';
  }
  const known = BY_CODE[code];
  if (known === 'source_error' && status === 307 && namesOtherRegion(answer, context)) return 'wrong_region';
  return known ?? classifyStatus(answer, context);
}

function classifyStatus(answer: ErrorAnswer, context: RequestContext): S3FaultCode {
  const { status } = answer;
  if (status === 429 || status === 503) return 'source_throttled';
  if (status === 501) return 'source_refused';
  if (status === 502 || status === 504) return 'source_unavailable';
  if (status >= 500 || status === 408) return 'source_error';
  if (namesOtherRegion(answer, context) && (status === 301 || status === 307 || status === 400)) {
    return 'wrong_region';
  }
  if (answer.code === null && status === 403) return 'access_denied';
  if (answer.code === null && status === 401) return 'credentials_invalid';
  return 'source_refused';
}

function namesOtherRegion(answer: ErrorAnswer, context: RequestContext): boolean {
  return answer.bucketRegion !== null && answer.bucketRegion !== context.region;
}

function messageOf(
  code: S3FaultCode,
  answer: ErrorAnswer,
  context: RequestContext,
  answered: string,
): string {
  const name = sourceName(context.bucket, context.key);
  switch (code) {
    case 'access_denied':
      return accessDeniedMessage(answer, context, answered);
    case 'key_access_denied':
      return `The key that encrypts ${name} cannot be used (kms:Decrypt is needed): ${answered}`;
    case 'customer_key_needed':
      return `${name} is encrypted with a key that only its owner has (SSE-C): ${answered}`;
    case 'object_archived':
      return `${name} is in an archive class and not restored: ${answered}`;
    case 'requester_pays':
      return `The bucket ${context.bucket} wants the requester to pay: ${answered}`;
    case 'source_bucket_missing':
      return `The source bucket ${context.bucket} does not exist: ${answered}`;
    case 'wrong_region':
      return answer.bucketRegion === null
        ? `The bucket ${context.bucket} is not in ${context.region}: ${answered}`
        : `The bucket ${context.bucket} is in ${answer.bucketRegion}, not in ${context.region}: ${answered}`;
    case 'clock_skewed':
      return `S3 refuses the time of this machine's signature for ${name}: ${answered}`;
    case 'credentials_invalid':
    case 'credentials_expired':
      return `S3 does not accept the credentials for ${name}: ${answered}`;
    case 'source_throttled':
    case 'source_unavailable':
    case 'source_error':
    case 'source_refused':
      return `S3 answered ${answered} for ${name}`;
  }
}

interface DeniedPermission {
  readonly permission: string;
  readonly resource: string;
}

/** The permission that the answer names, else the one that the request needs. */
function deniedPermission(answer: ErrorAnswer, context: RequestContext): DeniedPermission {
  const named = /not authorized to perform: (s3:[A-Za-z]+)/.exec(answer.message ?? '')?.[1];
  const permission = named ?? context.permission;
  const arn = `arn:${partition(context.region)}:s3:::${context.bucket}`;
  return { permission, resource: ABOUT_A_BUCKET.test(permission) ? arn : `${arn}/*` };
}

const ABOUT_A_BUCKET = /^s3:(ListBucket|(Get|Put)Bucket[A-Z])/;
/** Without s3:ListBucket these are refused for an object that does not exist. */
const READS = /^s3:GetObject/;

function partition(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

function accessDeniedMessage(answer: ErrorAnswer, context: RequestContext, answered: string): string {
  const { permission, resource } = deniedPermission(answer, context);
  const name = sourceName(context.bucket, context.key);
  const hints: string[] = [];
  if (context.key !== null && READS.test(permission)) {
    const arn = resource.slice(0, -2);
    hints.push(`without s3:ListBucket on ${arn} a missing object is answered like this too`);
  }
  if (context.expectedOwner !== null) {
    hints.push(`a bucket that does not belong to account ${context.expectedOwner} is answered like this too`);
  }
  const hint = hints.length === 0 ? '' : ` (${hints.join('; ')})`;
  return `${permission} on ${resource} is denied for ${name}: ${answered}${hint}`;
}

function shortened(message: string): string {
  const plain = printable(message.replace(/\s+/g, ' ').trim());
  return plain.length > 300 ? `${plain.slice(0, 299)}…` : plain;
}

/** No connection could be made: that is about the way to the store, not about one object. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'HTTP_CONNECT_TIMEOUT',
]);

/** The connection was there and broke: it may be this very object that breaks it, so it counts as an attempt. */
const BROKEN: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'HTTP_HEADERS_TIMEOUT',
  'HTTP_BODY_TIMEOUT',
  'HTTP_CONNECTION_ENDED',
]);

const TLS_ERROR = /^(ERR_SSL_|ERR_TLS_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/;

/** The fault behind an error of the connection, before an answer could be read. */
export function networkFault(error: unknown, origin: string): Fault {
  if (error instanceof Fault) return error;
  const code = errorCode(error);
  const details: FaultDetails = { store: 'source', origin, networkCode: code };
  if (code !== null && TLS_ERROR.test(code)) {
    const message = `No trusted TLS connection to ${origin} (${code}): nothing was sent`;
    return new Fault('source_unreachable', message, { cause: error, details });
  }
  if (code !== null && UNREACHABLE.has(code)) {
    const message = `${origin} cannot be reached (${code})`;
    return new Fault('source_unreachable', message, { cause: error, details });
  }
  if (error instanceof NothingSent) {
    const message = `No connection to ${origin} could be made (${code ?? error.message})`;
    return new Fault('source_unreachable', message, { cause: error, details });
  }
  if (code !== null && BROKEN.has(code)) {
    const message = `The connection to ${origin} broke before the answer (${code})`;
    return new Fault('source_error', message, { cause: error, details });
  }
  if (code === 'HTTP_MALFORMED_ANSWER') {
    const why = error instanceof Error ? error.message : String(error);
    const message = `${origin} answered with something that is not HTTP as S3 speaks it: ${why}`;
    return new Fault('source_error', message, { cause: error, details });
  }
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new Fault('unexpected', `The request to ${origin} failed: ${reason}`, { cause: error, details });
}

/** The most telling error code in a chain of errors; null where there is none. */
export function errorCode(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return errorCode(error.errors[0]);
  return errorCode(error.cause);
}
