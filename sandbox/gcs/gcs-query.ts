// Reading what a request says outside its body: query parameters, path segments, JSON documents.
// A parameter that the sandbox does not act on is refused, because ignoring it would be a silent success.
import { type SandboxRequest, readWhole } from '../http-server.ts';
import { GcsError, invalid, notImplemented } from './errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

const JSON_LIMIT_BYTES = 1024 * 1024;

/** Parameters of every call that change nothing in what is done. `fields` may be ignored: more is answered. */
const HARMLESS = new Set([
  'alt',
  'fields',
  'key',
  'oauth_token',
  'prettyPrint',
  'projection',
  'quotaUser',
  'userProject',
]);

/** The decoded query of one request. */
export class Query {
  readonly #pairs: readonly (readonly [string, string])[];

  constructor(rawQuery: string) {
    this.#pairs = rawQuery
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const equals = pair.indexOf('=');
        const name = equals < 0 ? pair : pair.slice(0, equals);
        return [decodeQuery(name), equals < 0 ? '' : decodeQuery(pair.slice(equals + 1))] as const;
      });
  }

  /** The value of the first parameter of this name; null when there is none. */
  get(name: string): string | null {
    return this.#pairs.find(([key]) => key === name)?.[1] ?? null;
  }

  all(name: string): readonly string[] {
    return this.#pairs.filter(([key]) => key === name).map(([, value]) => value);
  }

  /** A whole number not below zero; null when absent; 400 for anything else. */
  count(name: string): number | null {
    const text = this.get(name);
    if (text === null) return null;
    if (!/^\d{1,15}$/.test(text))
      throw new GcsError(400, 'invalidParameter', `Invalid value for ${name}: '${text}'`);
    return Number(text);
  }

  /** 501 when a parameter is neither harmless nor in `known`. */
  allow(known: readonly string[]): void {
    for (const [name] of this.#pairs)
      if (!HARMLESS.has(name) && !known.includes(name)) throw notImplemented(`the query parameter '${name}'`);
    const alt = this.get('alt');
    if (alt !== null && alt !== 'json' && alt !== 'media') throw notImplemented(`alt=${alt}`);
  }
}

/** One percent-encoded path segment as text; 400 where it is no UTF-8. */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) throw invalid('The path is not valid percent-encoded UTF-8');
    throw error;
  }
}

function decodeQuery(text: string): string {
  return decodeSegment(text.replaceAll('+', ' '));
}

/** The request's JSON document; an empty body is an empty object. 400 when it is not a JSON object. */
export async function readJson(request: SandboxRequest): Promise<JsonObject> {
  return parseJson(await readWhole(request.body, JSON_LIMIT_BYTES));
}

/** A JSON object from bytes; 400 when it is none. */
export function parseJson(bytes: Uint8Array): JsonObject {
  if (bytes.length === 0) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw new GcsError(400, 'parseError', 'Parse Error');
    throw error;
  }
  if (!isJsonObject(parsed)) throw new GcsError(400, 'parseError', 'The JSON document is not an object');
  return parsed;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text header; null when absent. */
export function header(request: SandboxRequest, name: string): string | null {
  const value = request.headers[name];
  return typeof value === 'string' ? value : null;
}
