// Error answers in the shapes the real service uses: JSON for the API, plain text for upload sessions.
// Routes throw these; the entry point turns them into answers.
import type { SandboxAnswer } from '../http-answer.ts';

const JSON_TYPE = 'application/json; charset=UTF-8';

/** A refusal of the JSON API. `reason` is the machine-readable word in `errors[0].reason`. */
export class GcsError extends Error {
  override readonly name: string = 'GcsError';
  readonly status: number;
  readonly reason: string;
  /** Further fields of the first entry of `errors`, such as `locationType` and `location`. */
  readonly extra: Readonly<Record<string, string>>;

  constructor(status: number, reason: string, message: string, extra: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.extra = extra;
  }
}

/** The uploaded bytes are not those that the client announced; an upload session does not survive this. */
export class HashMismatch extends GcsError {
  override readonly name: string = 'HashMismatch';

  constructor(message: string) {
    super(400, 'invalid', message);
  }
}

/** A failed condition of a read that means "you have it already": 304 without a body. */
export class NotModified extends Error {
  override readonly name = 'NotModified';
}

/** The JSON answer of an error, as the API words it. */
export function errorAnswer(error: GcsError): SandboxAnswer {
  const entry = { message: error.message, domain: 'global', reason: error.reason, ...error.extra };
  const headers =
    error.status === 401 ? { 'www-authenticate': 'Bearer realm="https://accounts.google.com/"' } : {};
  return jsonAnswer(
    { error: { code: error.status, message: error.message, errors: [entry] } },
    error.status,
    headers,
  );
}

/** A JSON answer; 200 unless told. */
export function jsonAnswer(
  body: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): SandboxAnswer {
  return {
    status,
    headers: { 'content-type': JSON_TYPE, ...headers },
    body: `${JSON.stringify(body, null, 2)}\n`,
  };
}

/** A plain-text answer, the form in which the upload server reports trouble with a session. */
export function textAnswer(status: number, body: string): SandboxAnswer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

/** 400: the request itself is wrong, whatever the state. */
export function invalid(message: string): GcsError {
  return new GcsError(400, 'invalid', message);
}

/** 501: a part of the API that this sandbox does not have. It never pretends. */
export function notImplemented(what: string): GcsError {
  return new GcsError(501, 'notImplemented', `The sandbox does not implement ${what}`);
}

/** 404 for a bucket. */
export function noSuchBucket(): GcsError {
  return new GcsError(404, 'notFound', 'The specified bucket does not exist.');
}

/** 404 for an object (or for one generation of it). */
export function noSuchObject(bucket: string, name: string): GcsError {
  return new GcsError(404, 'notFound', `No such object: ${bucket}/${name}`);
}

/** 412: a condition of the request did not hold, and nothing was done. */
export function conditionNotMet(): GcsError {
  const message = 'At least one of the pre-conditions you specified did not hold.';
  return new GcsError(412, 'conditionNotMet', message, { locationType: 'header', location: 'If-Match' });
}
