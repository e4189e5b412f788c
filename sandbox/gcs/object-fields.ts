// The part of an object's resource that clients write: which fields there are, what may stand in them, how a patch
// changes them, and which object names the service accepts.
import { type JsonObject, isJsonObject } from './gcs-query.ts';
import { GcsError, invalid, notImplemented } from './errors.ts';

/** Client-written fields, in the service's own JSON names. */
export interface ObjectFields {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly contentDisposition?: string;
  readonly contentLanguage?: string;
  readonly cacheControl?: string;
  readonly customTime?: string;
  readonly storageClass?: string;
  readonly temporaryHold?: boolean;
  readonly eventBasedHold?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly contexts?: JsonObject;
}

const TEXT_FIELDS = [
  'contentType',
  'contentEncoding',
  'contentDisposition',
  'contentLanguage',
  'cacheControl',
  'customTime',
  'storageClass',
] as const;
const FLAG_FIELDS = ['temporaryHold', 'eventBasedHold'] as const;

/** Fields that would change what the service does, and that this sandbox has not. */
const UNSUPPORTED = ['acl', 'retention', 'customerEncryption'];

const METADATA_LIMIT_BYTES = 8 * 1024;
const METADATA_NAME_LIMIT_BYTES = 1024;
const METADATA_VALUE_LIMIT_BYTES = 4 * 1024;
const CONTEXTS_LIMIT = 50;

/** The writable fields of a resource; output-only ones are ignored, as the service does. 400 or 501 for others. */
export function readFields(json: JsonObject): ObjectFields {
  for (const name of UNSUPPORTED)
    if (json[name] !== undefined && json[name] !== null) throw notImplemented(`the object field '${name}'`);
  const fields: Record<string, unknown> = {};
  for (const name of TEXT_FIELDS) {
    const value = json[name];
    if (value === undefined || value === null) continue;
    if (typeof value !== 'string') throw invalid(`Invalid value for ${name}: not a string`);
    fields[name] = value;
  }
  for (const name of FLAG_FIELDS) {
    const value = json[name];
    if (value === undefined || value === null) continue;
    if (typeof value !== 'boolean') throw invalid(`Invalid value for ${name}: not a boolean`);
    fields[name] = value;
  }
  const metadata = readMetadata(json['metadata']);
  if (metadata !== null) fields['metadata'] = metadata;
  const contexts = readContexts(json['contexts']);
  if (contexts !== null) fields['contexts'] = contexts;
  if (typeof fields['customTime'] === 'string' && Number.isNaN(Date.parse(fields['customTime'])))
    throw invalid(`Invalid value for customTime: '${fields['customTime']}'`);
  return fields;
}

/** 400 for a key named in the body: it belongs into the query. */
export function refuseKmsKeyField(json: JsonObject): void {
  if (json['kmsKeyName'] !== undefined && json['kmsKeyName'] !== null)
    throw invalid('kmsKeyName cannot be set in the object resource; use the query parameter kmsKeyName');
}

/** Fields after a PATCH: null removes, objects are merged name by name, what is not named stays. */
export function patchFields(current: ObjectFields, patch: JsonObject): ObjectFields {
  return keepMonotonous(current, readFields(mergePatch({ ...current }, patch)));
}

/** Fields after a PUT, which replaces all of them. */
export function replaceFields(current: ObjectFields, resource: JsonObject): ObjectFields {
  return keepMonotonous(current, readFields(resource));
}

/** The storage class is no business of a metadata update, and a custom time only moves forward. */
function keepMonotonous(current: ObjectFields, next: ObjectFields): ObjectFields {
  if (next.storageClass !== undefined && next.storageClass !== current.storageClass)
    throw invalid('The storage class of an object can only be changed by a rewrite');
  if (
    current.customTime !== undefined &&
    (next.customTime === undefined || Date.parse(next.customTime) < Date.parse(current.customTime))
  )
    throw invalid('The custom time of an object can neither be removed nor moved backwards');
  return current.storageClass === undefined ? next : { ...next, storageClass: current.storageClass };
}

/** Fields with further custom metadata merged in; checked against the limits again. */
export function addMetadata(fields: ObjectFields, added: Readonly<Record<string, string>>): ObjectFields {
  if (Object.keys(added).length === 0) return fields;
  return readFields({ ...fields, metadata: { ...fields.metadata, ...added } });
}

function mergePatch(current: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map(Object.entries(current));
  for (const [name, value] of Object.entries(patch)) {
    const before = merged.get(name);
    if (value === null) merged.delete(name);
    else if (isJsonObject(value)) merged.set(name, mergePatch(isJsonObject(before) ? before : {}, value));
    else merged.set(name, value);
  }
  return Object.fromEntries(merged);
}

function readMetadata(value: unknown): Readonly<Record<string, string>> | null {
  if (value === undefined || value === null) return null;
  if (!isJsonObject(value)) throw invalid('Invalid value for metadata: not an object');
  const entries: [string, string][] = [];
  let totalBytes = 0;
  for (const [name, text] of Object.entries(value)) {
    if (text === null) continue;
    if (typeof text !== 'string') throw invalid(`Invalid value for metadata '${name}': not a string`);
    const nameBytes = Buffer.byteLength(name);
    const valueBytes = Buffer.byteLength(text);
    if (nameBytes > METADATA_NAME_LIMIT_BYTES || valueBytes > METADATA_VALUE_LIMIT_BYTES)
      throw invalid(`The custom metadata entry '${name.slice(0, 64)}' is too long`);
    totalBytes += nameBytes + valueBytes;
    entries.push([name, text]);
  }
  if (totalBytes > METADATA_LIMIT_BYTES)
    throw invalid(
      `Custom metadata of ${totalBytes} bytes exceeds the limit of ${METADATA_LIMIT_BYTES} bytes`,
    );
  return entries.length === 0 ? null : Object.fromEntries(entries);
}

function readContexts(value: unknown): JsonObject | null {
  if (value === undefined || value === null) return null;
  if (!isJsonObject(value)) throw invalid('Invalid value for contexts: not an object');
  const custom = value['custom'];
  if (custom === undefined || custom === null) return null;
  if (!isJsonObject(custom)) throw invalid('Invalid value for contexts.custom: not an object');
  const entries = Object.entries(custom).filter(([, payload]) => payload !== null);
  if (entries.length > CONTEXTS_LIMIT) throw invalid(`An object has at most ${CONTEXTS_LIMIT} contexts`);
  for (const [key, payload] of entries)
    if (!isJsonObject(payload) || typeof payload['value'] !== 'string')
      throw invalid(`Invalid value for the context '${key}'`);
  return entries.length === 0 ? null : { custom: Object.fromEntries(entries) };
}

/** 400 for an object name that the service does not store. */
export function checkObjectName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0) throw new GcsError(400, 'required', 'Required');
  if (
    bytes > 1024 ||
    /[\r\n]/.test(name) ||
    name === '.' ||
    name === '..' ||
    name.startsWith('.well-known/acme-challenge/')
  )
    throw invalid(`Disallowed object name '${name.slice(0, 64)}'`);
}
