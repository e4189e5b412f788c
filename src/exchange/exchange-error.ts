// How an exchange fails: before anything was sent, because of the request itself, or on the way, when nobody knows what
// the other side did.

/**
 * `HTTP_CONNECTION_ENDED`: closed by the other side. `HTTP_CONNECTIONS_CLOSED`: by us, while requests ran.
 * `HTTP_MALFORMED_ANSWER`: what came is not HTTP/1.1; the message says why.
 */
export type ExchangeErrorCode =
  | 'HTTP_CONNECTION_ENDED'
  | 'HTTP_CONNECTIONS_CLOSED'
  | 'HTTP_CONNECT_TIMEOUT'
  | 'HTTP_HEADERS_TIMEOUT'
  | 'HTTP_BODY_TIMEOUT'
  | 'HTTP_MALFORMED_ANSWER';

export class ExchangeError extends Error {
  override readonly name = 'ExchangeError';
  readonly code: ExchangeErrorCode;

  constructor(code: ExchangeErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** No connection could be made; the code is that of its cause. */
export class NothingSent extends Error {
  override readonly name = 'NothingSent';
  readonly code: string | null;

  constructor(cause: Error) {
    super(cause.message === '' ? 'No connection could be made' : cause.message, { cause });
    this.code = codeOf(cause);
  }
}

/** A mistake of ours: the request cannot stand on the wire as it is. No value of it is in the message. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest';
}

/** Attempts at several addresses fail together: the first one tells why. */
function codeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return codeOf(error.cause);
}
