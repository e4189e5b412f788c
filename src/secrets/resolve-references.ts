// Reads the secrets that references name: side by side with a bound, each within a time limit, every secret asked for
// once however many references name it. All that is wrong is told, nothing is thrown.
import type { Clock } from '../core/clock.ts';
import {
  type SecretReader,
  type SecretReading,
  type SecretTrouble,
  unreadable,
} from '../core/secret-reader.ts';
import type { SecretReference } from '../core/secret-reference.ts';
import { untilAborted } from '../core/until-aborted.ts';
import { emptyWords, fieldWords, troubleWords, type Words } from './trouble-words.ts';

export type ResolvedReference =
  | { readonly ok: true; readonly text: string }
  | ({ readonly ok: false } & Words);

export interface ResolveOptions {
  /** Who reads a reference, and where it looks; a trouble where nobody can. Asked once for each secret. */
  readonly readerOf: (
    reference: SecretReference,
  ) => Promise<{ readonly reader: SecretReader; readonly region: string | null } | SecretTrouble>;
  readonly clock: Clock;
  readonly limits?: Partial<ResolveLimits>;
}

interface ResolveLimits {
  /** Secrets that are asked for at the same time. */
  readonly parallel: number;
  /** How long one secret may take, its repetitions included. */
  readonly timeoutMs: number;
  /** How often a question is asked that may be answered a moment later. */
  readonly tries: number;
  readonly pauseMs: number;
}

const LIMITS: ResolveLimits = { parallel: 8, timeoutMs: 10_000, tries: 3, pauseMs: 300 };

/** What was read, by the key that the caller gave each reference. */
export async function resolveReferences(
  references: ReadonlyMap<string, SecretReference>,
  options: ResolveOptions,
): Promise<ReadonlyMap<string, ResolvedReference>> {
  const limits = { ...LIMITS, ...options.limits };
  const secrets = new Map<string, SecretReference>();
  for (const reference of references.values()) secrets.set(secretId(reference), reference);
  const read = new Map<string, { reading: SecretReading; region: string | null }>();
  const waiting = secrets.entries();
  const drain = async (): Promise<void> => {
    for (const [id, reference] of waiting) read.set(id, await readOne(reference, options, limits));
  };
  await Promise.all(Array.from({ length: Math.min(limits.parallel, secrets.size) }, drain));
  return new Map(
    [...references].map(([key, reference]) => {
      const found = read.get(secretId(reference));
      if (found === undefined) throw new Error('A reference was not read');
      return [key, answerOf(reference, found.reading, found.region)];
    }),
  );
}

/** Fields of one secret share one question. */
function secretId({ place, name, region }: SecretReference): string {
  return `${place} ${region ?? ''} ${name}`;
}

async function readOne(
  reference: SecretReference,
  { readerOf, clock }: ResolveOptions,
  limits: ResolveLimits,
): Promise<{ reading: SecretReading; region: string | null }> {
  const found = await readerOf(reference);
  if (!('reader' in found)) return { reading: { ok: false, trouble: found }, region: reference.region };
  const { reader, region } = found;
  const signal = AbortSignal.timeout(limits.timeoutMs);
  const tooLate = (): SecretReading =>
    unreadable('unreachable', `no answer within ${limits.timeoutMs / 1000} seconds`);
  let reading = tooLate();
  try {
    for (let tried = 1; ; tried += 1) {
      // A library that does not look at the signal must not hold up the start.
      reading = await untilAborted(reader.read(reference.name, signal), signal);
      if (reading.ok || !reading.trouble.mayPass || tried >= limits.tries) return { reading, region };
      await clock.sleep(limits.pauseMs * 2 ** (tried - 1), signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    // What was answered before says more than the silence after it.
    return { reading: reading.ok ? tooLate() : reading, region };
  }
}

function answerOf(
  reference: SecretReference,
  reading: SecretReading,
  region: string | null,
): ResolvedReference {
  if (!reading.ok) return { ok: false, ...troubleWords(reading.trouble, reference, region) };
  if (reference.jsonKey === null) return textOf(reference, reading.text);
  const fields = parseObject(reading.text);
  if (fields === null) return { ok: false, ...fieldWords(reference, 'no_json') };
  if (!fields.has(reference.jsonKey)) return { ok: false, ...fieldWords(reference, 'no_key') };
  const value = fields.get(reference.jsonKey);
  if (typeof value !== 'string') return { ok: false, ...fieldWords(reference, 'no_text') };
  return textOf(reference, value);
}

function textOf(reference: SecretReference, text: string): ResolvedReference {
  return text.trim() === '' ? { ok: false, ...emptyWords(reference) } : { ok: true, text };
}

/** The error of JSON.parse quotes its input, so it must never travel. */
function parseObject(text: string): ReadonlyMap<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? new Map(Object.entries(value)) : null;
  } catch {
    return null;
  }
}
