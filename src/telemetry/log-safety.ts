// What a log line must never carry: secrets, and characters that could forge a line or steer a terminal. Secrets are
// masked in the values, before they are written as JSON; characters are escaped on the finished line, which stays
// valid JSON.
import { maskSecretShapes, SHAPE_HINTS } from '../core/secret-shapes.ts';

const MASK = '[secret]';

/** Field names whose value is never written, wherever they stand. `key` alone is the name of an object. */
const SECRET_FIELD =
  /secret|password|passwd|authorization|cookie|credential|private_?key|api_?key$|(?:session|access|security|refresh|id)[-_]?token|^token$|signature|(?:session|upload|signed)_?(?:uri|url)/i;

/** Texts that are secret by what stands before them: credentials in headers, signed URLs, upload sessions. */
const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${MASK}`],
  [
    /\b(x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|upload_id|access_token|signature|credential)(=|%3d)[^&\s"'\\,;]+/gi,
    `$1$2${MASK}`,
  ],
];

/**
 * What operators search for: names of objects and ids. They are no secrets, whatever they look like, and one of them
 * masked would hide the very object that a line is about.
 */
const SEARCHED_FIELDS: ReadonlySet<string> = new Set(['key', 'bucket', 'target', 'rule', 'transferId']);

/** What each of the texts above begins with, and the hints of the shapes: most texts have none and are looked at once. */
const SUSPICIOUS = new RegExp(
  [
    'bearer',
    'basic',
    'x-amz-',
    'x-goog-',
    'upload_id',
    'access_token',
    'signature',
    'credential',
    ...SHAPE_HINTS,
  ].join('|'),
  'i',
);

/** Replaces secrets that can be told by their shape. For single texts: a finished line would lose its quotes. */
export function maskSecretTexts(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  let masked = text;
  for (const [pattern, replacement] of SECRET_TEXTS) masked = masked.replace(pattern, replacement);
  return maskSecretShapes(masked, MASK);
}

const MAX_DEPTH = 8;

/**
 * The fields of a log line as they may be written: values of secret-looking names and secrets inside of texts masked
 * at every depth, errors as plain objects. The names that operators search for stay as they are.
 */
function maskSecretFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const safe: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    const written =
      SEARCHED_FIELDS.has(name) && typeof value === 'string' ? value : maskField(name, value, 1);
    // Assigned, this one name would vanish.
    if (name === '__proto__') Object.defineProperty(safe, name, { value: written, enumerable: true });
    else safe[judged(name).writtenName] = written;
  }
  return safe;
}

/** Names of fields are few and come back with every line; those of foreign documents are not, hence the bound. */
const JUDGED_NAMES = 1_000;
const judgements = new Map<string, { readonly writtenName: string; readonly isSecret: boolean }>();

function judged(name: string): { readonly writtenName: string; readonly isSecret: boolean } {
  const known = judgements.get(name);
  if (known !== undefined) return known;
  const judgement = { writtenName: maskSecretTexts(name), isSecret: SECRET_FIELD.test(name) };
  if (judgements.size < JUDGED_NAMES) judgements.set(name, judgement);
  return judgement;
}

/** The facts of a log line as they may be written. Whatever was thrown, `err` is described as an error. */
export function safeFields(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return maskSecretFields('err' in facts ? { ...facts, err: describeError(facts['err']) } : facts);
}

function maskField(name: string, value: unknown, depth: number): unknown {
  return value !== null && judged(name).isSecret ? MASK : maskInside(value, depth);
}

function maskInside(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return maskSecretTexts(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '[too deep]';
  if (Array.isArray(value)) return value.map((item) => maskInside(item, depth + 1));
  if (value instanceof Error) return maskInside(describeError(value), depth);
  // An object that decides itself how it is written does so before it is masked.
  if ('toJSON' in value && typeof value.toJSON === 'function')
    return maskInside(value.toJSON() as unknown, depth + 1);
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      judged(name).writtenName,
      maskField(name, inner, depth + 1),
    ]),
  );
}

/** An error as plain fields. The stack is a list of lines, so that no line break has to be trusted when it is shown. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const stack = (error.stack ?? '').split('\n').flatMap((line) => {
    const trimmed = line.trim();
    return trimmed.startsWith('at ') ? [trimmed] : [];
  });
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: describeCause(error.cause) };
  return { type: error.name, ...code, message: error.message, stack, ...cause };
}

/** An error is described where the walk arrives at it, which ends at a depth even where causes run in a circle. */
function describeCause(cause: unknown): object {
  return cause instanceof Error ? cause : describeError(cause);
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
