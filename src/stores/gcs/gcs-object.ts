// The JSON object resource of Google Cloud Storage, to and from the shapes of core.
import type { TargetMetadata, TargetObject } from '../../core/object.ts';
import type { Placement } from '../../core/object-target.ts';
import { tokenOf } from './gcs-names.ts';

/** What is asked for of an object resource: all that core reads, and the name to check the answer with. */
export const OBJECT_FIELDS =
  'name,generation,metageneration,size,crc32c,md5Hash,contentType,cacheControl,contentDisposition,' +
  'contentLanguage,contentEncoding,metadata';

const CONTENT_FIELDS = [
  'contentType',
  'cacheControl',
  'contentDisposition',
  'contentLanguage',
  'contentEncoding',
] as const;

export interface NamedObject {
  /** Null where the answer does not tell the name. */
  readonly name: string | null;
  readonly object: TargetObject;
}

/** The object that a JSON text shows; null where the text is not a whole object resource. */
export function parseObjectText(text: string): NamedObject | null {
  return parseObject(parseJson(text));
}

/** Parses JSON; undefined where the text is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The object that a JSON value shows; null where it is not a whole object resource. */
export function parseObject(value: unknown): NamedObject | null {
  if (!isRecord(value)) return null;
  const generation = integerText(value['generation']);
  const metageneration = integerText(value['metageneration']);
  const size = integerText(value['size']);
  if (generation === null || metageneration === null || size === null) return null;
  return {
    name: textOrNull(value['name']),
    object: {
      token: tokenOf(generation, metageneration),
      generation,
      sizeBytes: Number(size),
      crc32c: textOrNull(value['crc32c']),
      md5: textOrNull(value['md5Hash']),
      metadata: {
        contentType: textOrNull(value['contentType']),
        cacheControl: textOrNull(value['cacheControl']),
        contentDisposition: textOrNull(value['contentDisposition']),
        contentLanguage: textOrNull(value['contentLanguage']),
        contentEncoding: textOrNull(value['contentEncoding']),
        custom: customOf(value['metadata']),
      },
    },
  };
}

/** The metadata part of a new object. What is null is left out. `crc32c` is null where a later request tells it. */
export function newObjectJson(
  metadata: TargetMetadata,
  placement: Placement,
  crc32c: string | null,
): Record<string, unknown> {
  const json: Record<string, unknown> = { metadata: metadata.custom };
  for (const field of CONTENT_FIELDS) if (metadata[field] !== null) json[field] = metadata[field];
  if (placement.storageClass !== null) json['storageClass'] = placement.storageClass;
  if (crc32c !== null) json['crc32c'] = crc32c;
  return json;
}

/**
 * The patch that turns the present metadata into `next`. A patch keeps what it does not name, so every custom name
 * that goes away is named with null.
 */
export function metadataPatchJson(
  next: TargetMetadata,
  present: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const gone = Object.keys(present).filter((name) => !Object.hasOwn(next.custom, name));
  const json: Record<string, unknown> = {
    metadata: Object.fromEntries([...gone.map((name) => [name, null]), ...Object.entries(next.custom)]),
  };
  for (const field of CONTENT_FIELDS) json[field] = next[field];
  return json;
}

/** True for a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value where it is a text, else null. */
export function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function customOf(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function integerText(value: unknown): string | null {
  if (typeof value === 'string') return /^\d+$/.test(value) ? value : null;
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? String(value) : null;
}
