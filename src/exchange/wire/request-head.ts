// The head of a request as bytes, and how its body is framed. Whatever could end a line or a head early is refused.
import type { ExchangeRequest } from '../connections.ts';
import { InvalidRequest } from '../exchange-error.ts';
import { FIELD_NAME, readLength } from './header-fields.ts';

/** Latin-1 without control characters, but with the tab. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** No space either: it would end the target in the request line. */
const TARGET = /^\/[\x21-\x7e\x80-\xff]*$/;
const METHOD = /^[A-Z]+$/;
/** How a request is framed and which connection it takes are not the caller's to say. */
const FRAMING = new Set([
  'transfer-encoding',
  'connection',
  'upgrade',
  'expect',
  'keep-alive',
  'te',
  'trailer',
]);
const WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

export interface RequestHead {
  /** Latin-1, one byte a character. */
  readonly text: string;
  /** Of the body that follows. */
  readonly lengthBytes: number;
}

/** `host`: for the header, where the request has none of its own. Throws InvalidRequest, which names no value. */
export function requestHead(request: ExchangeRequest, host: string): RequestHead {
  const { method, path, headers, body } = request;
  if (!METHOD.test(method)) throw new InvalidRequest('The method of a request is not one');
  if (!TARGET.test(path))
    throw new InvalidRequest('The path of a request has characters that cannot be sent');
  let text = `${method} ${path} HTTP/1.1\r\n`;
  let hasHost = false;
  let announced: number | null = null;
  for (const name in headers) {
    const value = headers[name] ?? '';
    if (!FIELD_NAME.test(name)) throw new InvalidRequest('The name of a header of a request cannot be sent');
    if (!VALUE.test(value)) throw new InvalidRequest(`The header ${name} has characters that cannot be sent`);
    const lowered = name.toLowerCase();
    if (FRAMING.has(lowered)) throw new InvalidRequest(`The header ${name} is not the caller's to set`);
    if (lowered === 'host') hasHost = true;
    if (lowered === 'content-length') announced = lengthOf(value);
    text += `${name}: ${value}\r\n`;
  }
  if (!hasHost) text += `host: ${host}\r\n`;
  const lengthBytes = bodyLength(body, announced);
  if (announced === null && (body !== null || WITH_BODY.has(method)))
    text += `content-length: ${lengthBytes}\r\n`;
  return { text: `${text}\r\n`, lengthBytes };
}

function lengthOf(value: string): number {
  const length = readLength(value);
  if (length === null) throw new InvalidRequest('The content-length of a request is no length');
  return length;
}

function bodyLength(body: ExchangeRequest['body'], announced: number | null): number {
  const known = body === null ? 0 : body instanceof Uint8Array ? body.length : announced;
  if (known === null) throw new InvalidRequest('A body in pieces needs a content-length');
  if (announced !== null && announced !== known)
    throw new InvalidRequest(`The body has ${known} bytes where ${announced} were announced`);
  return known;
}
