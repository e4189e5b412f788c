// New objects made of stored ones, without moving bytes through the client: compose, rewrite and copy.
import type { SandboxAnswer } from '../http-answer.ts';
import { GcsError, invalid, jsonAnswer, notImplemented } from './errors.ts';
import { type GcsCall, resourceFor } from './gcs-call.ts';
import { type JsonObject, isJsonObject, readJson } from './gcs-query.ts';
import { readFields, refuseKmsKeyField } from './object-fields.ts';
import {
  PRECONDITION_PARAMETERS,
  SOURCE_PRECONDITION_PARAMETERS,
  int64Parameter,
  int64Text,
  judgePreconditions,
  readPreconditions,
} from './preconditions.ts';
import { concatenate } from './stored-bytes.ts';
import type { StoredObject } from './store-state.ts';

const MAX_SOURCES = 32;

const COPY_PARAMETERS = [
  'sourceGeneration',
  'destinationKmsKeyName',
  'maxBytesRewrittenPerCall',
  ...PRECONDITION_PARAMETERS,
  ...SOURCE_PRECONDITION_PARAMETERS,
];

/** POST .../compose: up to 32 objects of the bucket become one. It has a CRC32C and no MD5. */
export async function composeObject(call: GcsCall, bucket: string, name: string): Promise<SandboxAnswer> {
  call.query.allow(['kmsKeyName', ...PRECONDITION_PARAMETERS]);
  const body = await readJson(call.request);
  const preconditions = readPreconditions(call.query);
  if (body['deleteSourceObjects'] === true) throw notImplemented('deleteSourceObjects');
  const entries: unknown = body['sourceObjects'];
  if (!Array.isArray(entries) || entries.length === 0)
    throw new GcsError(400, 'required', 'You must provide at least one source component.');
  if (entries.length > MAX_SOURCES)
    throw invalid(
      `The number of source components provided (${entries.length}) exceeds the maximum (${MAX_SOURCES}).`,
    );
  const destination: unknown = body['destination'] ?? {};
  if (!isJsonObject(destination)) throw invalid('Invalid value for destination: not an object');
  refuseKmsKeyField(destination);
  call.access.require('storage.objects.create');
  call.access.require('storage.objects.get');
  const sources = entries.map((entry: unknown) => composeSource(call, bucket, entry));
  const composed = call.state.commit({
    bucket,
    name,
    bytes: concatenate(sources.map(({ bytes }) => bytes)),
    fields: readFields(destination),
    componentCount: sources.reduce((sum, source) => sum + (source.componentCount ?? 1), 0),
    kmsKeyName: call.query.get('kmsKeyName'),
    preconditions,
  });
  return jsonAnswer(resourceFor(call, composed));
}

function composeSource(call: GcsCall, bucket: string, entry: unknown): StoredObject {
  if (!isJsonObject(entry) || typeof entry['name'] !== 'string')
    throw invalid('Every source component needs a name');
  const source = call.state.find(bucket, entry['name'], int64Field(entry, 'generation'));
  const conditions: unknown = entry['objectPreconditions'] ?? {};
  if (!isJsonObject(conditions)) throw invalid('Invalid value for objectPreconditions: not an object');
  judgePreconditions(
    {
      generationMatch: int64Field(conditions, 'ifGenerationMatch'),
      generationNotMatch: null,
      metagenerationMatch: null,
      metagenerationNotMatch: null,
    },
    source,
  );
  return source;
}

function int64Field(json: JsonObject, name: string): string | null {
  const value = json[name];
  if (value === undefined || value === null) return null;
  const text = int64Text(value);
  if (text === null) throw invalid(`Invalid value for ${name}`);
  return text;
}

export interface CopyPlace {
  readonly bucket: string;
  readonly name: string;
}

/** POST .../rewriteTo/...: always done in one call, so there is never a rewrite token. */
export async function rewriteObject(call: GcsCall, from: CopyPlace, to: CopyPlace): Promise<SandboxAnswer> {
  if (call.query.get('rewriteToken') !== null) throw invalid('Invalid value for rewriteToken');
  const copied = await copyBytes(call, from, to);
  const size = String(copied.bytes.sizeBytes);
  return jsonAnswer({
    kind: 'storage#rewriteResponse',
    totalBytesRewritten: size,
    objectSize: size,
    done: true,
    resource: resourceFor(call, copied),
  });
}

/** POST .../copyTo/...: the same, answering the new object. */
export async function copyObject(call: GcsCall, from: CopyPlace, to: CopyPlace): Promise<SandboxAnswer> {
  return jsonAnswer(resourceFor(call, await copyBytes(call, from, to)));
}

/** Metadata comes from the source when the request names none, else whole from the request. */
async function copyBytes(call: GcsCall, from: CopyPlace, to: CopyPlace): Promise<StoredObject> {
  const { query, state, access } = call;
  query.allow(COPY_PARAMETERS);
  const body = await readJson(call.request);
  refuseKmsKeyField(body);
  const given = readFields(body);
  access.require('storage.objects.get');
  const source = state.find(from.bucket, from.name, int64Parameter(query, 'sourceGeneration'));
  judgePreconditions(readPreconditions(query, 'ifSource'), source);
  access.require('storage.objects.create');
  return state.commit({
    bucket: to.bucket,
    name: to.name,
    bytes: source.bytes,
    fields: Object.keys(given).length === 0 ? inherited(source) : given,
    componentCount: source.componentCount,
    kmsKeyName: query.get('destinationKmsKeyName'),
    preconditions: readPreconditions(query),
  });
}

/** Holds belong to one object and are not copied. */
function inherited(source: StoredObject): StoredObject['fields'] {
  const { temporaryHold: _temporary, eventBasedHold: _eventBased, ...fields } = source.fields;
  return fields;
}
