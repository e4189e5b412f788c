// Every refusal the API can give: a closed table of request problems, and the HTTP status of each fault of a
// transfer. One function turns any thrown value into the document that the caller sees; details of our own
// failures stay in the log, under the request id.
import { STATUS_CODES } from 'node:http';
import { Fault, type FaultCode, FAULTS } from '../core/faults.ts';
import { QueueUnavailable } from '../core/queue-unavailable.ts';

interface ProblemEntry {
  readonly status: number;
  readonly title: string;
  readonly remedy: string;
}

export const REQUEST_PROBLEMS = {
  invalid_json: {
    status: 400,
    title: 'The body is not valid JSON',
    remedy: 'Send one JSON document in UTF-8.',
  },
  invalid_request: {
    status: 400,
    title: 'The request has a wrong field or parameter',
    remedy: 'Correct what the detail names; /openapi.json has the exact shapes.',
  },
  invalid_cursor: {
    status: 400,
    title: 'The cursor is not one of this list',
    remedy: 'Send nextCursor of the page before, unchanged, or no cursor to begin again.',
  },
  bad_url: {
    status: 400,
    title: 'The path cannot be decoded',
    remedy: 'Percent-encode the path as UTF-8.',
  },
  malformed_http: {
    status: 400,
    title: 'The request is not valid HTTP',
    remedy: 'Check the client and the proxies in between.',
  },
  body_incomplete: {
    status: 400,
    title: 'The body ended before its announced length',
    remedy: 'Send the request again.',
  },
  unauthorized: {
    status: 401,
    title: 'The request carries no valid API key',
    remedy: 'Send the header "Authorization: Bearer KEY" with a key of REPLICATOR_API_KEYS.',
  },
  signature_invalid: {
    status: 401,
    title: 'The signature of the call is not valid',
    remedy:
      'Sign webhook-id, webhook-timestamp and the exact bytes of the body with a secret of REPLICATOR_WEBHOOK_SECRETS (Standard Webhooks), and check the clock of the sender.',
  },
  insufficient_scope: {
    status: 403,
    title: 'The API key may not do this',
    remedy: 'Use a key of the scope that the detail names; admin includes read and write.',
  },
  foreign_origin: {
    status: 403,
    title: 'Requests from pages of another site are refused',
    remedy: 'Call the API from its own page or from a program that is not a browser.',
  },
  sns_not_accepted: {
    status: 403,
    title: 'Direct deliveries of Amazon SNS are refused',
    remedy:
      'Name the topic in SNS_TOPIC_ARNS, restart the service and let SNS deliver to /v1/events; or subscribe a Lambda function or an SQS queue to the topic.',
  },
  sns_raw_delivery: {
    status: 403,
    title: 'Raw deliveries of Amazon SNS carry no signature',
    remedy: 'Switch RawMessageDelivery off for this subscription.',
  },
  sns_not_verified: {
    status: 403,
    title: 'The delivery of Amazon SNS is not what it says',
    remedy:
      'Nothing of it was taken. If it really comes from SNS, check the clock of this machine and what lies between SNS and the service: the body must arrive unchanged.',
  },
  sns_malformed: {
    status: 400,
    title: 'The body is no message of Amazon SNS',
    remedy: 'Let SNS deliver directly, without anything that changes the body.',
  },
  sns_not_checked: {
    status: 503,
    title: 'The delivery of Amazon SNS cannot be checked now; nothing was accepted',
    remedy:
      'SNS sends again by itself. If it lasts, let the service reach https://sns.REGION.amazonaws.com, and see its log.',
  },
  not_found: {
    status: 404,
    title: 'There is nothing at this path',
    remedy: 'See /openapi.json for the paths of this service.',
  },
  transfer_not_found: {
    status: 404,
    title: 'There is no transfer of this id',
    remedy:
      'It was never given out, or its receipt is older than the retention. Ask /v1/objects/explain for the key.',
  },
  run_not_found: {
    status: 404,
    title: 'There is no run of this id',
    remedy: 'It was never given out, or newer runs have replaced it. List them without an id.',
  },
  record_not_found: {
    status: 404,
    title: 'There is no quarantined record of this id',
    remedy: 'GET /v1/quarantine, or "replicator quarantine", lists the ids.',
  },
  method_not_allowed: {
    status: 405,
    title: 'The path does not take this method',
    remedy: 'Use a method of the Allow header.',
  },
  request_timeout: {
    status: 408,
    title: 'The request took too long to arrive',
    remedy: 'Send it again over a faster connection, or in smaller parts.',
  },
  body_too_large: {
    status: 413,
    title: 'The body is larger than this path takes',
    remedy: 'Send less at once: /v1/events takes 8 MiB, everything else 1 MiB.',
  },
  too_many_records: {
    status: 413,
    title: 'The document carries too many records',
    remedy: 'Send at most 50,000 records in one document.',
  },
  too_deep: {
    status: 413,
    title: 'The JSON document is nested too deeply',
    remedy: 'Send the notification as it came, without wrapping it further.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body has another type than JSON',
    remedy: 'Send "Content-Type: application/json".',
  },
  unsupported_encoding: {
    status: 415,
    title: 'Compressed bodies are refused',
    remedy: 'Send the body without Content-Encoding.',
  },
  host_not_allowed: {
    status: 421,
    title: 'Without API keys the service answers only to loopback names',
    remedy: 'Use http://127.0.0.1 or http://localhost, or set REPLICATOR_API_KEYS.',
  },
  no_rule: {
    status: 422,
    title: 'No rule covers this object',
    remedy: 'Compare bucket, prefix and suffix with GET /v1/rules or "replicator config print".',
  },
  too_many_runs: {
    status: 429,
    title: 'Too many runs of this kind have not ended',
    remedy: 'Wait until some have ended, or cancel those that are not needed.',
  },
  rate_limited: {
    status: 429,
    title: 'This caller hands over more than one caller may; nothing was accepted',
    remedy:
      'Send the same request again after the time of the Retry-After header, or raise CALLER_RATE_LIMIT.',
  },
  headers_too_large: {
    status: 431,
    title: 'The headers are larger than 16 KiB',
    remedy: 'Send fewer or shorter headers.',
  },
  no_alert_receiver: {
    status: 409,
    title: 'There is nobody to send alerts to',
    remedy: 'Set ALERT_WEBHOOK_URL and restart the service.',
  },
  internal_error: {
    status: 500,
    title: 'The service found an error of its own',
    remedy: 'Look for the request id in the log of the service and report the line.',
  },
  queue_unavailable: {
    status: 503,
    title: 'The queue cannot be used now',
    remedy: 'Send the same request again after the time of the Retry-After header.',
  },
  alert_not_delivered: {
    status: 502,
    title: 'The receiver of alerts did not take the message',
    remedy: 'Check ALERT_WEBHOOK_URL and its receiver, and the network in between.',
  },
  overloaded: {
    status: 503,
    title: 'The service has as much under way as it can hold; nothing was accepted',
    remedy: 'Send the same request again after the time of the Retry-After header.',
  },
  disk_reserve: {
    status: 503,
    title: 'The disk of the queue is nearly full; nothing was accepted',
    remedy:
      'Free space on the disk of REPLICATOR_DATA_DIR. Send the request again after the time of Retry-After: it is accepted as soon as there is space.',
  },
  look_timed_out: {
    status: 504,
    title: 'The stores did not answer in time',
    remedy: 'Try again; if it lasts, check network and credentials of the service.',
  },
} as const satisfies Record<string, ProblemEntry>;

export type RequestProblemCode = keyof typeof REQUEST_PROBLEMS;

/** The status with which a fault is answered where a request has to wait for the stores itself. */
export const HTTP_STATUS_OF_FAULT: Record<FaultCode, number> = {
  source_throttled: 503,
  source_error: 502,
  source_unavailable: 502,
  source_unreachable: 502,
  source_read_broken: 502,
  source_checksum_mismatch: 502,
  source_changing: 409,
  target_throttled: 503,
  target_error: 502,
  target_unavailable: 502,
  target_unreachable: 502,
  target_checksum_mismatch: 502,
  target_answer_mismatch: 502,
  upload_session_lost: 502,
  credentials_expired: 502,
  credentials_unavailable: 502,
  credentials_invalid: 502,
  clock_skewed: 500,
  access_denied: 502,
  key_access_denied: 502,
  customer_key_needed: 422,
  object_archived: 409,
  requester_pays: 502,
  source_bucket_missing: 502,
  target_bucket_missing: 502,
  wrong_region: 502,
  source_refused: 502,
  target_refused: 502,
  name_not_storable: 422,
  reserved_name: 422,
  too_large: 422,
  metadata_too_large: 422,
  retention_blocked: 409,
  quota_exhausted: 502,
  not_comparable: 422,
  queue_unavailable: 503,
  queue_denied: 502,
  queue_missing: 502,
  queue_refused: 502,
  time_too_short: 422,
  service_unreachable: 503,
  service_refused: 502,
  delete_brake: 409,
  rule_missing: 409,
  unexpected: 500,
  bug: 500,
};

/** The document of RFC 9457, with the three additions of this API. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly remedy: string;
  readonly requestId: string;
}

/** A request that is refused. `detail` is read by the caller: it names the field or thing, and holds no secret. */
export class RequestProblem extends Error {
  override readonly name = 'RequestProblem';
  readonly code: RequestProblemCode;
  /** Also read by the web framework. */
  readonly statusCode: number;
  /** Sent with the answer. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: RequestProblemCode,
    detail: string,
    options: { readonly headers?: Readonly<Record<string, string>>; readonly cause?: unknown } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.statusCode = REQUEST_PROBLEMS[code].status;
    this.headers = options.headers ?? {};
  }
}

const QUEUE_RETRY_AFTER_SEC = 5;

/** The queue failed for the moment; `cause` is for the log. */
export function queueUnavailable(detail: string, cause: unknown): RequestProblem {
  const headers = { 'retry-after': String(QUEUE_RETRY_AFTER_SEC) };
  return new RequestProblem('queue_unavailable', detail, { cause, headers });
}

export interface ProblemAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly document: ProblemDocument;
}

/** Any thrown value as the answer that the caller gets. An unknown error tells nothing about itself. */
export function problemAnswer(error: unknown, requestId: string): ProblemAnswer {
  if (error instanceof Fault) {
    const { title, remedy } = FAULTS[error.code];
    const status = HTTP_STATUS_OF_FAULT[error.code];
    const headers: Record<string, string> = {};
    if (error.retryAfterMs !== null) headers['retry-after'] = String(Math.ceil(error.retryAfterMs / 1000));
    const detail = status === 500 ? 'The log of the service has the details.' : error.message;
    return {
      status,
      headers,
      document: documentOf({ code: error.code, status, title, remedy, detail, requestId }),
    };
  }
  const problem = error instanceof RequestProblem ? error : problemOfUnknown(error);
  const { status, title, remedy } = REQUEST_PROBLEMS[problem.code];
  return {
    status,
    headers: problem.headers,
    document: documentOf({ code: problem.code, status, title, remedy, detail: problem.message, requestId }),
  };
}

function documentOf(parts: Omit<ProblemDocument, 'type'>): ProblemDocument {
  const { title, status, detail, code, remedy, requestId } = parts;
  return {
    type: `urn:cross-cloud-replicator:problem:${code}`,
    title,
    status,
    detail,
    code,
    remedy,
    requestId,
  };
}

/** What the web framework refuses by itself, under its own codes. */
const PROBLEM_OF_FRAMEWORK_CODE: Readonly<Record<string, readonly [RequestProblemCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large', 'The body exceeds the limit of this path.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type', 'Only application/json is read.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['invalid_json', 'The body is empty.'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['invalid_json', 'The body cannot be parsed as JSON.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'body_incomplete',
    'Fewer or more bytes came than Content-Length says.',
  ],
  FST_ERR_BAD_URL: ['bad_url', 'The path holds an invalid percent-encoding.'],
  FST_ERR_MAX_PARAM_LENGTH: ['not_found', 'A part of the path is longer than any id.'],
  ERR_STREAM_PREMATURE_CLOSE: ['body_incomplete', 'The connection ended inside the body.'],
  ECONNRESET: ['body_incomplete', 'The connection ended inside the body.'],
};

function problemOfUnknown(error: unknown): RequestProblem {
  if (error instanceof QueueUnavailable)
    return queueUnavailable(
      'The queue did not answer in time; the log of the service has the reason.',
      error,
    );
  const code = stringField(error, 'code');
  const known = code === null ? undefined : PROBLEM_OF_FRAMEWORK_CODE[code];
  if (known !== undefined) return new RequestProblem(known[0], known[1], { cause: error });
  return new RequestProblem('internal_error', 'The log of the service has the details.', { cause: error });
}

function stringField(value: unknown, name: string): string | null {
  if (typeof value !== 'object' || value === null || !(name in value)) return null;
  const field: unknown = Reflect.get(value, name);
  return typeof field === 'string' ? field : null;
}

/** A whole HTTP/1.1 answer for a request that never reached the framework: bad framing, huge headers, too slow. */
export function rawProblemAnswer(code: RequestProblemCode, detail: string, requestId: string): string {
  const { status, document } = problemAnswer(new RequestProblem(code, detail), requestId);
  const body = JSON.stringify(document);
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    'Content-Type: application/problem+json; charset=utf-8',
    'X-Content-Type-Options: nosniff',
    `X-Request-Id: ${requestId}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
