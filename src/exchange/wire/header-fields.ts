// What heads of requests and of answers have in common (RFC 9110, 5.1 and 8.6).

/** The name of a header. */
export const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The bytes that a Content-Length tells; null where it tells none. */
export function readLength(text: string): number | null {
  const length = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(length) ? length : null;
}
