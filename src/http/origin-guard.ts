// What is refused before anybody is asked for a key: where no key protects the service, requests that a foreign web
// page could have caused (also by making its own name resolve to this machine); everywhere, bodies other than
// plain JSON, and deliveries of SNS that are not for this service.
import type { IncomingHttpHeaders } from 'node:http';
import type { SnsIntake } from '../core/sns-intake.ts';
import type { AuthMode } from './auth.ts';
import { strangeTopic } from './body-proof.ts';
import { RequestProblem } from './problem.ts';

const LOOPBACK_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;

export interface GuardedRequest {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Throws `host_not_allowed` or `foreign_origin` where the request may stem from a foreign web page. With keys a page
 * has nothing that would authenticate it, so nothing is refused. `publicUrl` is the origin that people see through
 * a proxy; null where there is none.
 */
export function guardOrigin(
  request: GuardedRequest,
  service: { readonly auth: AuthMode; readonly isLoopbackOnly: boolean; readonly publicUrl: string | null },
): void {
  const { auth, isLoopbackOnly, publicUrl } = service;
  if (auth === 'keys') return;
  const { host, origin } = request.headers;
  if (isLoopbackOnly && !LOOPBACK_HOST.test(host ?? '')) {
    throw new RequestProblem('host_not_allowed', 'The Host header is not a loopback name.');
  }
  if (origin !== undefined && !isOwnOrigin(origin, host ?? '', publicUrl)) {
    throw new RequestProblem('foreign_origin', 'The Origin header is not the origin of this service.');
  }
  const site = request.headers['sec-fetch-site'];
  if ((site === 'cross-site' || site === 'same-site') && !isNavigation(request)) {
    throw new RequestProblem('foreign_origin', `The browser says that the request is ${site}.`);
  }
}

function isOwnOrigin(origin: string, host: string, publicUrl: string | null): boolean {
  const own = [`http://${host}`, `https://${host}`];
  if (publicUrl !== null) own.push(new URL(publicUrl).origin);
  return own.some((candidate) => candidate.toLowerCase() === origin.toLowerCase());
}

/** Somebody follows a link to us: the other page cannot read the answer, and a GET changes nothing. */
function isNavigation({ method, headers }: GuardedRequest): boolean {
  return (
    method === 'GET' &&
    headers['sec-fetch-mode'] === 'navigate' &&
    (headers['sec-fetch-dest'] === undefined || headers['sec-fetch-dest'] === 'document')
  );
}

/** What decides who calls and what is read. Of two, each reader in between may believe another one. */
const NEVER_TWICE: ReadonlySet<string> = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-type',
  'host',
  'origin',
  'transfer-encoding',
  'webhook-id',
  'webhook-signature',
  'webhook-timestamp',
  'x-amz-sns-message-type',
  'x-amz-sns-topic-arn',
]);

/** Throws `malformed_http` where a header that must be one stands there twice. `rawHeaders`: names and values in turn. */
export function guardHeaders(rawHeaders: readonly string[]): void {
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    if (!NEVER_TWICE.has(name)) continue;
    if (seen.has(name)) throw new RequestProblem('malformed_http', `The header ${name} stands there twice.`);
    seen.add(name);
  }
}

/**
 * Throws `unsupported_encoding` or `unsupported_media_type`, and for deliveries of SNS what `guardSns` does. A request
 * without a body needs no content type.
 */
export function guardBody(
  { headers }: GuardedRequest,
  service: { readonly sns: SnsIntake | null; readonly takesSns: boolean; readonly snsBodyBytes: number },
): void {
  const isSns = headers['x-amz-sns-message-type'] !== undefined;
  if (isSns) guardSns(headers, service);
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    throw new RequestProblem('unsupported_encoding', 'The Content-Encoding is not supported.');
  }
  const type = headers['content-type'];
  if (type === undefined ? announcesBody(headers) : !isInUtf8(type, isSns ? SNS_TYPES : JSON_TYPES)) {
    throw new RequestProblem('unsupported_media_type', 'Only application/json in UTF-8 is read.');
  }
}

/** Throws `sns_not_accepted`, `sns_raw_delivery` or `body_too_large`, before anything of the body is read. */
function guardSns(headers: IncomingHttpHeaders, service: Parameters<typeof guardBody>[1]): void {
  const { sns, takesSns, snsBodyBytes } = service;
  if (sns === null)
    throw new RequestProblem(
      'sns_not_accepted',
      'The request is a delivery of Amazon SNS, and SNS_TOPIC_ARNS is not set.',
    );
  if (!takesSns)
    throw new RequestProblem('sns_not_accepted', 'Deliveries of Amazon SNS belong to /v1/events.');
  if (String(headers['x-amz-sns-rawdelivery']).toLowerCase() === 'true')
    throw new RequestProblem('sns_raw_delivery', 'The subscription has RawMessageDelivery switched on.');
  const topicArn = headers['x-amz-sns-topic-arn'];
  if (typeof topicArn === 'string' && !sns.listensTo(topicArn)) throw strangeTopic(topicArn);
  if (Number(headers['content-length'] ?? 0) > snsBodyBytes) throw snsTooLarge(snsBodyBytes);
}

/** The answer to a delivery of SNS that no message can be as large as. */
export function snsTooLarge(snsBodyBytes: number): RequestProblem {
  return new RequestProblem('body_too_large', `A delivery of SNS has at most ${snsBodyBytes} bytes.`);
}

function announcesBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** A subscription may say what SNS calls its bodies. */
const SNS_TYPES: readonly string[] = ['text/plain', 'application/json'];
const JSON_TYPES: readonly string[] = ['application/json'];

function isInUtf8(contentType: string, types: readonly string[]): boolean {
  const [essence = '', ...parameters] = contentType
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  if (!types.includes(essence)) return false;
  return parameters.every(
    (parameter) => !parameter.startsWith('charset=') || /^charset="?utf-8"?$/.test(parameter),
  );
}
