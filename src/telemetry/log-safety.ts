// What a log line must never carry: secrets, and characters that could forge a line or steer a terminal. Works on
// finished lines of JSON and leaves them valid JSON.

const MASK = '[secret]';

/** Field names whose value is never written, wherever they stand. `key` alone is the name of an object. */
const SECRET_FIELD =
  /secret|password|passwd|authorization|cookie|credential|private_?key|api_?key$|(?:session|access|security|refresh|id)[-_]?token|^token$|signature|(?:session|upload|signed)_?(?:uri|url)/i;

/** Texts that are secret by their shape: credentials in headers, signed URLs, upload sessions, keys. */
const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${MASK}`],
  [
    /\b(x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|upload_id|access_token|signature|credential)(=|%3d)[^&\s"'\\,;]+/gi,
    `$1$2${MASK}`,
  ],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?="))/g, MASK],
  [/\brpl_[A-Za-z0-9.-]+_[\w-]{43}/g, MASK],
  [/\bya29\.[\w.-]+/g, MASK],
];

/** Replaces secrets that can be told by their shape. */
export function maskSecretTexts(text: string): string {
  let masked = text;
  for (const [pattern, replacement] of SECRET_TEXTS) masked = masked.replace(pattern, replacement);
  return masked;
}

const MAX_DEPTH = 6;

/** The fields of a log line with the values of secret-looking names masked, at every depth. */
export function maskSecretFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      SECRET_FIELD.test(name) && value !== null ? MASK : maskInside(value, 1),
    ]),
  );
}

function maskInside(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if (depth >= MAX_DEPTH) return '[too deep]';
  if (Array.isArray(value)) return value.map((item) => maskInside(item, depth + 1));
  // An object that decides itself how it is written is left to do so.
  if ('toJSON' in value) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      SECRET_FIELD.test(name) && inner !== null ? MASK : maskInside(inner, depth + 1),
    ]),
  );
}

// Controls beyond ASCII (C1 holds another escape introducer), line separators, marks that change the direction of
// text or show nothing.
const TRICKY = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** A line of JSON with what JSON leaves unescaped and a terminal may act on escaped as well; the same value. */
export function escapeJsonLine(line: string): string {
  return line.replace(TRICKY, unicodeEscape);
}

/**
 * A line of JSON whose strings, once parsed, hold the escapes as visible text: a line break in an object's name is
 * the two characters \n, so that showing a string raw is safe.
 */
export function showEscapes(line: string): string {
  const shown = line.replace(/\\(?:["\\/]|[bfnrt]|u[0-9a-f]{4})/gi, (escape) =>
    /^\\["\\/]$/.test(escape) ? escape : `\\${escape}`,
  );
  return shown.replace(TRICKY, (character) => `\\${unicodeEscape(character)}`);
}
