// The only translator of the errors of SQS into faults. The code of the answer decides before the status, because
// most refusals are a 400 (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html).
import { readRetryAfterMs } from '../../core/backoff.ts';
import { Fault, type FaultCode, type FaultDetails } from '../../core/faults.ts';

/** What was asked for when the error came. */
export interface QueueRequest {
  /** The permission that the request needs, such as `sqs:ReceiveMessage`. */
  readonly permission: string;
  readonly queueUrl: string;
  /** Scheme, host and port that were asked. */
  readonly origin: string;
}

type QueueFaultCode = Extract<
  FaultCode,
  | 'queue_denied'
  | 'queue_missing'
  | 'queue_unavailable'
  | 'queue_refused'
  | 'key_access_denied'
  | 'clock_skewed'
  | 'credentials_invalid'
  | 'credentials_expired'
>;

/** Codes without `AWS.SimpleQueueService.`, which only some answers put before them. */
const BY_CODE: Readonly<Record<string, QueueFaultCode>> = {
  AccessDenied: 'queue_denied',
  AccessDeniedException: 'queue_denied',
  NotAuthorized: 'queue_denied',
  OptInRequired: 'queue_denied',
  QueueDoesNotExist: 'queue_missing',
  NonExistentQueue: 'queue_missing',
  QueueDeletedRecently: 'queue_missing',
  RequestThrottled: 'queue_unavailable',
  OverLimit: 'queue_unavailable',
  ServiceUnavailable: 'queue_unavailable',
  InternalError: 'queue_unavailable',
  InternalFailure: 'queue_unavailable',
  KmsThrottled: 'queue_unavailable',
  ExpiredToken: 'credentials_expired',
  ExpiredTokenException: 'credentials_expired',
  InvalidClientTokenId: 'credentials_invalid',
  InvalidAccessKeyId: 'credentials_invalid',
  UnrecognizedClientException: 'credentials_invalid',
  SignatureDoesNotMatch: 'credentials_invalid',
  InvalidSignatureException: 'credentials_invalid',
  IncompleteSignature: 'credentials_invalid',
  MissingAuthenticationToken: 'credentials_invalid',
  MissingAuthenticationTokenException: 'credentials_invalid',
  InvalidSecurity: 'credentials_invalid',
  AuthFailure: 'credentials_invalid',
  RequestExpired: 'clock_skewed',
  RequestTimeTooSkewed: 'clock_skewed',
};

/** The codes of credentials that others may have replaced at their origin since they were read. */
const STALE_CREDENTIALS: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidClientTokenId',
  'InvalidAccessKeyId',
  'UnrecognizedClientException',
]);

/** True where newer credentials from the same origin may be accepted. */
export function areStaleCredentials(error: unknown): boolean {
  return STALE_CREDENTIALS.has(codeOf(error) ?? '');
}

/** The fault behind anything that the client of SQS throws. `nowMs` turns a Retry-After date into a wait. */
export function queueFault(error: unknown, request: QueueRequest, nowMs: number): Fault {
  const own = faultWithin(error);
  if (own !== null) return own;
  const code = codeOf(error);
  const status = statusOf(error);
  if (code === null || (status === null && !Object.hasOwn(BY_CODE, code)))
    return connectionFault(error, request);
  const said = error instanceof Error ? shortened(error.message) : '';
  const fault = classify(code, said, status);
  const details: FaultDetails = {
    queue: request.queueUrl,
    permission: request.permission,
    status,
    queueCode: code,
  };
  const answered = `${status ?? 'an error'} ${code}${said === '' ? '' : `: ${said}`}`;
  return new Fault(fault, messageOf(fault, request, answered), {
    cause: error,
    details,
    retryAfterMs: readRetryAfterMs(headerOf(error, 'retry-after'), nowMs),
  });
}

/** The fault of one message that the queue did not take for sending. */
export function sendFault(
  failure: { readonly code: string; readonly message: string; readonly isOurFault: boolean },
  request: QueueRequest,
): Fault {
  const known =
    BY_CODE[plainCode(failure.code)] ?? (/throttl/i.test(failure.code) ? 'queue_unavailable' : null);
  const fault = known ?? (failure.isOurFault ? 'queue_refused' : 'queue_unavailable');
  const answered = `${failure.code}: ${shortened(failure.message)}`;
  return new Fault(fault, messageOf(fault, request, answered), {
    details: {
      queue: request.queueUrl,
      permission: request.permission,
      status: null,
      queueCode: failure.code,
    },
  });
}

function classify(code: string, said: string, status: number | null): QueueFaultCode {
  if (/throttl/i.test(code)) return 'queue_unavailable';
  if (/^kms/i.test(code)) return 'key_access_denied';
  if (code === 'AccessDenied' || code === 'AccessDeniedException')
    return /\bkms:|KMS key|ciphertext/i.test(said) ? 'key_access_denied' : 'queue_denied';
  if (/signature/i.test(code) && /expired|not yet current/i.test(said)) return 'clock_skewed';
  if (/signature/i.test(code) && /valid region/i.test(said)) return 'queue_refused';
  return BY_CODE[code] ?? byStatus(status);
}

function byStatus(status: number | null): QueueFaultCode {
  if (status === null || status >= 500 || status === 429 || status === 408 || status < 400)
    return 'queue_unavailable';
  if (status === 401) return 'credentials_invalid';
  if (status === 403) return 'queue_denied';
  return status === 404 ? 'queue_missing' : 'queue_refused';
}

function messageOf(fault: QueueFaultCode, request: QueueRequest, answered: string): string {
  const { queueUrl, permission } = request;
  switch (fault) {
    case 'queue_denied':
      return `${permission} is denied for the queue ${queueUrl}: ${answered}`;
    case 'queue_missing':
      return `The queue ${queueUrl} does not exist: ${answered}`;
    case 'key_access_denied':
      return `The key that encrypts the queue ${queueUrl} cannot be used: ${answered}`;
    case 'clock_skewed':
      return `SQS refuses the time of this machine's signature for ${queueUrl}: ${answered}`;
    case 'credentials_invalid':
    case 'credentials_expired':
      return `SQS does not accept the credentials for ${queueUrl}: ${answered}`;
    case 'queue_refused':
    case 'queue_unavailable':
      return `SQS answered ${answered} to ${permission} for ${queueUrl}`;
  }
}

/** The fault behind an error that came without an answer of SQS. */
function connectionFault(error: unknown, request: QueueRequest): Fault {
  const { queueUrl, origin } = request;
  const networkCode = networkCodeOf(error);
  const details: FaultDetails = { queue: queueUrl, origin, networkCode };
  const status = statusOf(error);
  if (status !== null) {
    const message = `${origin} answered ${status} with something that is not an answer of SQS`;
    return new Fault(byStatus(status), message, { cause: error, details: { ...details, status } });
  }
  if (networkCode !== null) {
    const message = `${origin} cannot be reached for the queue ${queueUrl} (${networkCode})`;
    return new Fault('queue_unavailable', message, { cause: error, details });
  }
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (error instanceof Error && /^(TimeoutError|AbortError)$/.test(error.name)) {
    const message = `${origin} did not answer in time for the queue ${queueUrl}: ${shortened(reason)}`;
    return new Fault('queue_unavailable', message, { cause: error, details });
  }
  if (error instanceof Error && error.message.startsWith('Invalid MD5 checksum')) {
    const message = `Messages of ${queueUrl} were damaged on the way: ${shortened(reason)}`;
    return new Fault('queue_unavailable', message, { cause: error, details });
  }
  return new Fault('unexpected', `The request to ${origin} failed: ${shortened(reason)}`, {
    cause: error,
    details,
  });
}

/** A fault of ours that the client handed through, such as that of the credentials. */
function faultWithin(error: unknown): Fault | null {
  if (error instanceof Fault) return error;
  return error instanceof Error && error.cause !== undefined ? faultWithin(error.cause) : null;
}

/** The code of an answer; null where the error is none of SQS. */
function codeOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('$fault' in error)) return null;
  return error.name === 'Error' || error.name === 'Unknown' || error.name === ''
    ? null
    : plainCode(error.name);
}

/** `AWS.SimpleQueueService.NonExistentQueue` is `NonExistentQueue`; `KMS.DisabledException` stays whole. */
function plainCode(code: string): string {
  return code.replace(/^AWS\.SimpleQueueService\./, '');
}

function statusOf(error: unknown): number | null {
  const metadata = property(error, '$metadata');
  const status = property(metadata, 'httpStatusCode') ?? property(property(error, '$response'), 'statusCode');
  return typeof status === 'number' ? status : null;
}

function headerOf(error: unknown, name: string): string | null {
  const value = property(property(property(error, '$response'), 'headers'), name);
  return typeof value === 'string' ? value : null;
}

function networkCodeOf(error: unknown): string | null {
  const code = property(error, 'code');
  if (typeof code === 'string') return code;
  if (error instanceof AggregateError) return networkCodeOf(error.errors[0]);
  return error instanceof Error && error.cause !== undefined ? networkCodeOf(error.cause) : null;
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

function shortened(message: string): string {
  const plain = message.replace(/[\s\u0000-\u001f\u007f]+/g, ' ').trim();
  return plain.length > 300 ? `${plain.slice(0, 299)}…` : plain;
}
