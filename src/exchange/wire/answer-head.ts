// The head of an answer by RFC 9112, strictly: where two readers could see two different answers in the same bytes, it is
// refused. Decides as well how the body is framed and whether the connection may be used again.
import type { ExchangeAnswer } from '../connections.ts';
import { ExchangeError } from '../exchange-error.ts';
import { FIELD_NAME, readLength } from './header-fields.ts';

/** Everything before the body: interim answers too. */
export const MAX_HEAD_BYTES = 64 * 1024;

/** `none`: no body. `length`: so many bytes. `close`: all that comes until the connection ends. */
export type Framing =
  | { readonly kind: 'none' | 'chunked' | 'close' }
  | { readonly kind: 'length'; readonly lengthBytes: number };

export interface AnswerHead {
  readonly status: number;
  readonly headers: ExchangeAnswer['headers'];
  readonly framing: Framing;
  /** What the other side says about the connection; null for `keepAliveMs` where it says nothing. */
  readonly isReusable: boolean;
  readonly keepAliveMs: number | null;
}

const NONE: Framing = { kind: 'none' };
const CHUNKED: Framing = { kind: 'chunked' };
const CLOSE: Framing = { kind: 'close' };

const PROTOCOL = 'HTTP/1.';
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const STRAY = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/;
const OUTER_SPACE = /^[\t ]+|[\t ]+$/g;

/** The error of an answer that is not HTTP/1.1. */
export function malformed(why: string): ExchangeError {
  return new ExchangeError('HTTP_MALFORMED_ANSWER', `The answer is not HTTP/1.1: ${why}`);
}

/**
 * Where the head ends that begins at `start`, its empty line included; -1 where it is not whole. What lies before `seen`
 * was looked at before. Throws ExchangeError for a part of a head that never becomes one: it is not waited for.
 */
export function endOfHead(bytes: Buffer, start: number, seen: number, end: number): number {
  const from = Math.max(start, seen - 3);
  const found = bytes.subarray(from, end).indexOf('\r\n\r\n', 0, 'latin1');
  if (found !== -1) return from + found + 4;
  const begin = bytes.toString('latin1', start, Math.min(end, start + PROTOCOL.length));
  if (!PROTOCOL.startsWith(begin)) throw malformed('it does not begin with HTTP/1.');
  // A carriage return at its end may get its line feed yet.
  const last = bytes[end - 1] === 13 ? end - 1 : end;
  // The last byte that was seen may be a carriage return whose line feed comes now; a line feed was looked at then.
  const before = Math.max(start, seen - 1);
  const part = bytes.toString('latin1', before > start && bytes[before] === 10 ? before + 1 : before, last);
  if (STRAY.test(part)) throw malformed(strayText(part));
  return -1;
}

function strayText(text: string): string {
  if (/\r(?!\n)/.test(text)) return 'a carriage return stands alone in its head';
  if (/(?<!\r)\n/.test(text)) return 'a line feed stands alone in its head';
  return 'its head has a control character';
}

/** `text`: Latin-1, with the empty line at its end. `method`: of the request. Throws ExchangeError. */
export function parseHead(text: string, method: string): AnswerHead {
  if (STRAY.test(text)) throw malformed(strayText(text));
  const lines = text.split('\r\n');
  const line = STATUS_LINE.exec(lines[0] ?? '');
  if (line === null) throw malformed('its status line is none');
  const status = Number(line[2]);
  const isOld = line[1] === '0';
  const headers: Record<string, string | string[]> = Object.create(null);
  // The last two are the end of the last header and the empty line.
  for (let index = 1; index < lines.length - 2; index += 1) addHeader(headers, lines[index] ?? '');
  if (status === 101) throw malformed('it switches protocols, which nobody asked for');
  const framing = framingOf(status, headers, method, isOld);
  const tokens = wordsOf(headers['connection']);
  return {
    status,
    headers,
    framing,
    isReusable: !isOld && !tokens.includes('close') && framing.kind !== 'close',
    keepAliveMs: keepAliveOf(headers['keep-alive']),
  };
}

function addHeader(headers: Record<string, string | string[]>, line: string): void {
  const colon = line.indexOf(':');
  if (line.startsWith(' ') || line.startsWith('\t')) throw malformed('a header goes on in a further line');
  const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
  if (!FIELD_NAME.test(name)) throw malformed('the name of a header is none');
  const value = line.slice(colon + 1).replace(OUTER_SPACE, '');
  const before = headers[name];
  if (before === undefined) headers[name] = value;
  else if (typeof before === 'string') headers[name] = [before, value];
  else before.push(value);
}

function framingOf(
  status: number,
  headers: Record<string, string | string[]>,
  method: string,
  isOld: boolean,
): Framing {
  const coding = headers['transfer-encoding'];
  const length = headers['content-length'];
  if (coding !== undefined) {
    if (length !== undefined) throw malformed('it has both a Content-Length and a Transfer-Encoding');
    if (isOld) throw malformed('HTTP/1.0 has no Transfer-Encoding');
    if (typeof coding !== 'string' || coding.toLowerCase() !== 'chunked')
      throw malformed('its Transfer-Encoding is not chunked');
  }
  const lengthBytes = length === undefined ? null : lengthOf(length);
  // A number of one text, however often it was repeated.
  if (lengthBytes !== null && Array.isArray(length)) headers['content-length'] = length[0] ?? '';
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return NONE;
  if (coding !== undefined) return CHUNKED;
  if (lengthBytes === null) return CLOSE;
  return lengthBytes === 0 ? NONE : { kind: 'length', lengthBytes };
}

function lengthOf(given: string | string[]): number {
  const [first = '', ...others] = typeof given === 'string' ? [given] : given;
  if (others.some((other) => other !== first)) throw malformed('it has two different Content-Lengths');
  const length = readLength(first);
  if (length === null) throw malformed('its Content-Length is no length');
  return length;
}

function wordsOf(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return String(value)
    .toLowerCase()
    .split(',')
    .map((word) => word.trim());
}

function keepAliveOf(value: string | string[] | undefined): number | null {
  const seconds = value === undefined ? undefined : /\btimeout=(\d{1,6})\b/i.exec(String(value))?.[1];
  return seconds === undefined ? null : Number(seconds) * 1_000;
}
