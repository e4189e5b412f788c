// How object names, generations and conditions are written in requests to Google Cloud Storage, and which names
// the store cannot keep. A name is one percent-encoded segment, byte for byte: nothing here normalises it.
import type { ObjectLocation, TargetToken } from '../../core/object.ts';
import type { TargetCondition } from '../../core/object-target.ts';
import { Fault } from '../../core/faults.ts';

const MAX_NAME_BYTES = 1024;
/** Nothing to escape. */
const PLAIN = /^[\w.~-]*$/;
const ACME_PREFIX = '.well-known/acme-challenge/';

/** Why the store cannot keep an object of this key, as a sentence; null where it can. */
export function nameProblem({ key }: ObjectLocation): string | null {
  if (key === '') return 'An object name cannot be empty';
  if (!key.isWellFormed()) return 'The name is not valid Unicode: it holds half of a surrogate pair';
  const sizeBytes = Buffer.byteLength(key);
  if (sizeBytes > MAX_NAME_BYTES)
    return `The name has ${sizeBytes} bytes; at most ${MAX_NAME_BYTES} are possible`;
  if (/[\r\n]/.test(key)) return 'The name holds a carriage return or a line feed';
  if (key === '.' || key === '..') return `An object cannot be named "${key}"`;
  if (key.startsWith(ACME_PREFIX)) return `Names that begin with ${ACME_PREFIX} are reserved by the store`;
  return null;
}

/** Throws `name_not_storable` where the store cannot keep the key: asking it would only cost a request. */
export function requireStorableName(location: ObjectLocation): void {
  const problem = nameProblem(location);
  if (problem === null) return;
  throw new Fault('name_not_storable', `${problem} (bucket ${location.bucket})`, {
    details: { store: 'target', bucket: location.bucket },
  });
}

/** One value as a path segment or a query value: every byte outside letters, digits and `-_.~` is escaped. */
export function encodeSegment(text: string): string {
  if (PLAIN.test(text)) return text;
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The path of an object's metadata resource. */
export function objectPath({ bucket, key }: ObjectLocation): string {
  return `/storage/v1/b/${encodeSegment(bucket)}/o/${encodeSegment(key)}`;
}

/** A query string from name and value pairs; pairs whose value is null are left out. */
export function queryOf(pairs: Readonly<Record<string, string | null>>): string {
  let query = '';
  for (const name in pairs) {
    const value = pairs[name] ?? null;
    if (value === null) continue;
    query += `${query === '' ? '' : '&'}${name}=${encodeSegment(value)}`;
  }
  return query;
}

/** The token of one state of an object. Both parts stay text: a generation needs 64 bits. */
export function tokenOf(generation: string, metageneration: string): TargetToken {
  return `${generation}/${metageneration}` as TargetToken;
}

/**
 * The query parameters that condition an effect on exactly this state. The metageneration alone would not do: it
 * starts at 1 again with every generation.
 */
export function conditionPairs(condition: TargetCondition): Record<string, string> {
  if (condition === 'absent') return { ifGenerationMatch: '0' };
  const parts = /^(\d+)\/(\d+)$/.exec(condition);
  if (parts === null) throw new Error(`Not a token of a Google Cloud Storage object: ${condition}`);
  return { ifGenerationMatch: parts[1] ?? '', ifMetagenerationMatch: parts[2] ?? '' };
}
