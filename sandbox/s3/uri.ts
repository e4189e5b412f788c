// Percent-encoding, byte-exact and without any normalisation: keys may hold `//`, `..` and control characters.
import { S3Error } from './errors.ts';

/** Decodes exactly once. Throws InvalidURI for a broken escape or bytes that are not UTF-8. */
export function decodeUri(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new S3Error('InvalidURI');
  }
}

/** As signatures want it: everything but unreserved characters is encoded. */
export function encodeUri(value: string): string {
  return encodeURIComponent(value).replaceAll(/[!'()*]/g, percentEncoded);
}

/** As signatures want an S3 path: like `encodeUri`, but slashes stay. */
export function encodeUriPath(value: string): string {
  return encodeUri(value).replaceAll('%2F', '/');
}

/** As S3 writes keys in notifications and in listings with `encoding-type=url`: a form, but slashes stay. */
export function encodeKeyAsForm(key: string): string {
  return encodeURIComponent(key)
    .replaceAll(/[!'()~]/g, percentEncoded)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/');
}

/** Splits a raw query string into decoded pairs, in order; a name without `=` has the empty value. */
export function parseQuery(rawQuery: string): [name: string, value: string][] {
  if (rawQuery === '') return [];
  return rawQuery
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.indexOf('=');
      const name = equals < 0 ? part : part.slice(0, equals);
      const value = equals < 0 ? '' : part.slice(equals + 1);
      return [decodeUri(name.replaceAll('+', ' ')), decodeUri(value.replaceAll('+', ' '))];
    });
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
