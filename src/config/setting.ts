// What a row of the table of settings is: how it is read, what it is without being set, and what it means.
import type { Parse } from './setting-parsers.ts';

export const SECTIONS = {
  buckets: 'What is replicated',
  policy: 'How it is replicated',
  aws: 'Access to S3',
  google: 'Access to Google Cloud Storage',
  intake: 'Ways in beside HTTP calls',
  http: 'HTTP service',
  transfer: 'Transfers',
  storage: 'State',
  alerts: 'Alerts',
  log: 'Log',
  client: 'Commands that call a running service',
} as const;

export type Section = keyof typeof SECTIONS;

interface RowOptions {
  readonly section: Section;
  /** One or two sentences for the person who sets it. */
  readonly help: string;
  /** What the value is when nothing is set, in words. */
  readonly defaultText: string;
  /** For .env.example. */
  readonly example: string;
  /** Older or usual names of the same setting. */
  readonly aliases?: readonly string[];
  /** True where the own name simply wins over an alias; otherwise two different values are a problem. */
  readonly ownNameWins?: boolean;
  /** Never shown, and may be a reference to where the secret is kept. */
  readonly isSecret?: boolean;
  /** True where a setting that is no secret may be such a reference too. */
  readonly mayRefer?: boolean;
  /** True for a list separated by commas, of which any part may be a reference. */
  readonly isList?: boolean;
  /** True where the value is an address, with or without a scheme: only its part before ? and # is shown. */
  readonly isUrl?: boolean;
  /** True where spaces at the ends belong to the value. */
  readonly keepsSpaces?: boolean;
  /** How `config print` shows a given text; the text itself, or [secret], where this is not given. */
  readonly show?: (text: string) => string;
}

export interface Setting<Value> extends RowOptions {
  readonly parse: Parse<Exclude<Value, null>>;
  readonly fallback: Value;
}

/** A setting that is null where it is not given. */
export function optional<Value>(parse: Parse<Value>, options: RowOptions): Setting<Value | null>;
export function optional(parse: Parse<unknown>, options: RowOptions): Setting<unknown> {
  return { ...options, parse, fallback: null };
}

/** A setting with a value of its own where it is not given. */
export function withDefault<Value>(parse: Parse<Value>, fallback: Value, options: RowOptions): Setting<Value>;
export function withDefault(parse: Parse<unknown>, fallback: unknown, options: RowOptions): Setting<unknown> {
  return { ...options, parse, fallback };
}
