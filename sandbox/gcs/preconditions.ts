// Conditions on generation and metageneration, and when they hold. Absent objects have generation 0 and no
// metageneration; a false "not match" of a read means "unchanged" (304), of anything else 412.
import type { Query } from './gcs-query.ts';
import { GcsError, NotModified, conditionNotMet } from './errors.ts';

/** Null: no such condition. Generations are decimal text, because they do not fit a double for ever. */
export interface Preconditions {
  readonly generationMatch: string | null;
  readonly generationNotMatch: string | null;
  readonly metagenerationMatch: string | null;
  readonly metagenerationNotMatch: string | null;
}

/** What a condition is judged on; null for an absent object. */
export interface Conditioned {
  readonly generation: string;
  readonly metageneration: number;
}

/** Names of the query parameters, for `Query.allow`. */
export const PRECONDITION_PARAMETERS = preconditionNames('if');
export const SOURCE_PRECONDITION_PARAMETERS = preconditionNames('ifSource');

function preconditionNames(prefix: string): readonly string[] {
  return ['GenerationMatch', 'GenerationNotMatch', 'MetagenerationMatch', 'MetagenerationNotMatch'].map(
    (suffix) => prefix + suffix,
  );
}

/** The conditions of a request; `prefix` is `ifSource` for the source of a rewrite. 400 for a value that is no number. */
export function readPreconditions(query: Query, prefix: 'if' | 'ifSource' = 'if'): Preconditions {
  return {
    generationMatch: int64Parameter(query, `${prefix}GenerationMatch`),
    generationNotMatch: int64Parameter(query, `${prefix}GenerationNotMatch`),
    metagenerationMatch: int64Parameter(query, `${prefix}MetagenerationMatch`),
    metagenerationNotMatch: int64Parameter(query, `${prefix}MetagenerationNotMatch`),
  };
}

/** A decimal int64 from the query in canonical form; null when absent; 400 when it is none. */
export function int64Parameter(query: Query, name: string): string | null {
  const text = query.get(name);
  if (text === null) return null;
  const value = int64Text(text);
  if (value === null) throw new GcsError(400, 'invalidParameter', `Invalid value for ${name}: '${text}'`);
  return value;
}

/** Canonical decimal text of a JSON value that means an int64 (text or number); null when it is none. */
export function int64Text(value: unknown): string | null {
  const text = typeof value === 'number' ? String(value) : value;
  return typeof text === 'string' && /^-?\d{1,19}$/.test(text) ? BigInt(text).toString() : null;
}

/**
 * Throws unless every condition holds for `current`.
 * @param isRead a read answers 304 where only a "not match" condition failed
 */
export function judgePreconditions(
  conditions: Preconditions,
  current: Conditioned | null,
  isRead = false,
): void {
  const generation = current?.generation ?? '0';
  const metageneration = current === null ? null : String(current.metageneration);
  if (conditions.generationMatch !== null && conditions.generationMatch !== generation)
    throw conditionNotMet();
  if (conditions.metagenerationMatch !== null && conditions.metagenerationMatch !== metageneration)
    throw conditionNotMet();
  if (
    (conditions.generationNotMatch !== null && conditions.generationNotMatch === generation) ||
    (conditions.metagenerationNotMatch !== null && conditions.metagenerationNotMatch === metageneration)
  )
    throw isRead ? new NotModified() : conditionNotMet();
}
