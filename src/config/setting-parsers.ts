// From the text of a setting to its value, or to the reason why not and the fix. Pure, one function per shape.
import { Secret } from './secrets.ts';

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string; readonly fix: string };

export type Parse<T> = (text: string) => Parsed<T>;

/** A value that was understood. */
export function accept<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

/** A value that was not: `reason` says what is wrong, `fix` what to write. Neither repeats the value. */
export function refuse(reason: string, fix: string): { ok: false; reason: string; fix: string } {
  return { ok: false, reason, fix };
}

export const plainText: Parse<string> = (text) => accept(text);

export const secretText: Parse<Secret> = (text) => accept(new Secret(text));

/** One of the words, in any case. */
export function choice<const Word extends string>(words: readonly Word[]): Parse<Word> {
  return (text) => {
    const word = words.find((candidate) => candidate === text.toLowerCase());
    if (word !== undefined) return accept(word);
    return refuse('is none of the accepted words', `set it to one of: ${words.join(', ')}`);
  };
}

/** A whole number from `min` to `max`, both included. */
export function wholeNumber(min: number, max: number): Parse<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return accept(value);
    return refuse('is not a whole number in range', `set it to a whole number from ${min} to ${max}`);
  };
}

/** Seconds, fractions allowed, as milliseconds. */
export function secondsAsMs(minSec: number, maxSec: number): Parse<number> {
  return (text) => {
    const value = /^\d{1,9}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minSec && value <= maxSec) return accept(Math.round(value * 1000));
    return refuse('is not a number of seconds in range', `set it to seconds from ${minSec} to ${maxSec}`);
  };
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Whole days as milliseconds. */
export function daysAsMs(minDays: number, maxDays: number): Parse<number> {
  return (text) => {
    const parsed = wholeNumber(minDays, maxDays)(text);
    return parsed.ok ? accept(parsed.value * DAY_MS) : parsed;
  };
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};

/** A number of bytes, plain or with a unit (`8MiB`, `1 GiB`, `64m`; `MB` is decimal). */
export function byteCount(range: {
  readonly min: number;
  readonly max: number;
  readonly multipleOf?: number;
}): Parse<number> {
  const { min, max, multipleOf = 1 } = range;
  const step = multipleOf === 1 ? '' : `, a multiple of ${multipleOf}`;
  const fix = `set it to bytes from ${min} to ${max}${step}; units such as MiB are understood`;
  return (text) => {
    const match = /^(\d{1,15})\s*([a-z]*)$/i.exec(text);
    const unit = BYTE_UNITS[(match?.[2] ?? '').toLowerCase()];
    if (match === null || unit === undefined) return refuse('is not a number of bytes', fix);
    const value = Number(match[1]) * unit;
    if (value < min || value > max) return refuse(`is ${value} bytes, which is out of range`, fix);
    if (value % multipleOf !== 0)
      return refuse(`is ${value} bytes, which is not a multiple of ${multipleOf}`, fix);
    return accept(value);
  };
}

/** `1`, `true`, `yes`, `on` or their opposites. */
export const onOff: Parse<boolean> = (text) => {
  const word = text.toLowerCase();
  if (['1', 'true', 'yes', 'on'].includes(word)) return accept(true);
  if (['0', 'false', 'no', 'off'].includes(word)) return accept(false);
  return refuse('is neither on nor off', 'set it to 1 or 0');
};

/** The base of an HTTP service: scheme, host and port, without a slash at the end. */
export const baseUrl: Parse<string> = (text) => {
  const fix =
    'set it to scheme, host and port only, such as https://storage.example.com or http://127.0.0.1:9000';
  if (!URL.canParse(text)) return refuse('is not a URL', fix);
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return refuse('is not an http or https URL', fix);
  if (url.username !== '' || url.password !== '') return refuse('carries a user name or password', fix);
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return refuse('carries more than scheme, host and port', fix);
  return accept(url.origin);
};

/** An address as it is; `host:port` alone as plain http. */
export function withScheme(text: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
}

/** As baseUrl, and `host:port` without a scheme means plain http, as every client of the emulators reads it. */
export const emulatorUrl: Parse<string> = (text) => baseUrl(withScheme(text));

/** A name or an address to listen on, brackets of IPv6 taken off. */
export const listenHost: Parse<string> = (text) => {
  const host = text.replace(/^\[(.*)\]$/, '$1');
  const fix = 'set it to a name or an address alone, such as 0.0.0.0; the port is PORT';
  if (/^[^:]*:\d*$/.test(host)) return refuse('carries a port', fix);
  return /^[A-Za-z0-9.:_-]+$/.test(host) ? accept(host) : refuse('is not a name or an address', fix);
};

/** An AWS account id. */
export const accountId: Parse<string> = (text) =>
  /^\d{12}$/.test(text)
    ? accept(text)
    : refuse('is not an AWS account id', 'set it to the 12 digits of the account, without dashes');

/** A bare S3 bucket name. Names of old buckets may be longer or hold capitals, so only clear errors are refused. */
export const sourceBucket: Parse<string> = (text) => {
  if (/^(s3|gs):\/\/|[/:]/.test(text))
    return refuse('is not a bare bucket name', 'set it to the name alone, without s3://, ARN or path');
  if (!/^[A-Za-z0-9._-]{3,255}$/.test(text))
    return refuse('is not a bucket name', 'bucket names hold 3 or more letters, digits, dots and hyphens');
  return accept(text);
};

/** `*`, or bucket names separated by commas or spaces. */
export const sourceBuckets: Parse<readonly string[]> = (text) => {
  if (text === '*') return accept(['*']);
  const names = splitList(text);
  if (names.includes('*'))
    return refuse('mixes * with names', 'set it either to * alone or to a list of bucket names');
  for (const name of names) {
    const parsed = sourceBucket(name);
    if (!parsed.ok) return parsed;
  }
  if (new Set(names).size !== names.length) return refuse('names a bucket twice', 'name every bucket once');
  return accept(names);
};

/** A bare name of a Google Cloud Storage bucket. */
export const targetBucket: Parse<string> = (text) => {
  if (/^(s3|gs):\/\/|[/:]/.test(text))
    return refuse('is not a bare bucket name', 'set it to the name alone, without gs:// or path');
  if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(text))
    return refuse(
      'is not a bucket name',
      'bucket names hold 3 or more small letters, digits, dots, hyphens and underscores',
    );
  return accept(text);
};

/** Part of an object name. GCS stores no line breaks in names, and no name beyond 1024 bytes. */
export const keyPart: Parse<string> = (text) => {
  if (/[\r\n]/.test(text)) return refuse('holds a line break', 'object names cannot hold line breaks');
  if (Buffer.byteLength(text) > 1000)
    return refuse('is too long for an object name', 'use at most 1000 bytes');
  return accept(text);
};

/** 32 bytes as 64 hexadecimal digits or as base64. */
export const key32Bytes: Parse<Secret<Uint8Array>> = (text) => {
  const fix = 'set it to 32 random bytes in base64 or hex, for example from: openssl rand -base64 32';
  if (/^[0-9a-f]{64}$/i.test(text)) return accept(new Secret(Uint8Array.from(Buffer.from(text, 'hex'))));
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return refuse('is neither base64 nor hex', fix);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== 32) return refuse(`is ${bytes.length} bytes instead of 32`, fix);
  return accept(new Secret(Uint8Array.from(bytes)));
};

/** The parts of a list, separated by commas, spaces or line breaks. */
export function splitList(text: string): string[] {
  return text.split(/[\s,]+/).filter((part) => part !== '');
}

/** True for a host name or address that only this machine can reach. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return (
    name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name)
  );
}
