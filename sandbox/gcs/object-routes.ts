// One object: read its resource or its bytes, change its metadata, delete it. Conditions are judged on the generation
// that the request addresses: the live one, or the one named by the `generation` parameter.
import type { SandboxAnswer } from '../http-answer.ts';
import { jsonAnswer } from './errors.ts';
import { type GcsCall, resourceFor } from './gcs-call.ts';
import { readJson } from './gcs-query.ts';
import { downloadObject } from './object-download.ts';
import { patchFields, replaceFields } from './object-fields.ts';
import {
  PRECONDITION_PARAMETERS,
  int64Parameter,
  judgePreconditions,
  readPreconditions,
} from './preconditions.ts';
import type { StoredObject } from './store-state.ts';

const ADDRESS_PARAMETERS = ['generation', ...PRECONDITION_PARAMETERS];

/** GET: the resource, or the bytes with `alt=media`. 304 and 412 by the conditions. */
export function getObject(call: GcsCall, bucket: string, name: string): SandboxAnswer {
  call.query.allow(ADDRESS_PARAMETERS);
  call.access.require('storage.objects.get');
  const object = addressedObject(call, bucket, name, true);
  return call.query.get('alt') === 'media'
    ? downloadObject(call, object)
    : jsonAnswer(resourceFor(call, object));
}

/** PATCH: merges into the fields; null removes. */
export async function patchObject(call: GcsCall, bucket: string, name: string): Promise<SandboxAnswer> {
  call.query.allow(ADDRESS_PARAMETERS);
  const patch = await readJson(call.request);
  call.access.require('storage.objects.update');
  const object = addressedObject(call, bucket, name, false);
  return jsonAnswer(resourceFor(call, call.state.updateFields(object, patchFields(object.fields, patch))));
}

/** PUT: replaces all fields; what is not named is removed. */
export async function updateObject(call: GcsCall, bucket: string, name: string): Promise<SandboxAnswer> {
  call.query.allow(ADDRESS_PARAMETERS);
  const resource = await readJson(call.request);
  call.access.require('storage.objects.update');
  const object = addressedObject(call, bucket, name, false);
  return jsonAnswer(
    resourceFor(call, call.state.updateFields(object, replaceFields(object.fields, resource))),
  );
}

/** DELETE: 204. With the `generation` parameter that generation is removed for good, versioned bucket or not. */
export function deleteObject(call: GcsCall, bucket: string, name: string): SandboxAnswer {
  call.query.allow(ADDRESS_PARAMETERS);
  call.access.require('storage.objects.delete');
  const object = addressedObject(call, bucket, name, false);
  call.state.remove(object, call.query.get('generation') !== null);
  return { status: 204 };
}

function addressedObject(call: GcsCall, bucket: string, name: string, isRead: boolean): StoredObject {
  const conditions = readPreconditions(call.query);
  const object = call.state.find(bucket, name, int64Parameter(call.query, 'generation'));
  judgePreconditions(conditions, object, isRead);
  return object;
}
