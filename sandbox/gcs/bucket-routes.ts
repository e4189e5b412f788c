// Buckets: create, read, list, and which permissions the caller has on one.
import type { SandboxAnswer } from '../http-answer.ts';
import { GcsError, invalid, jsonAnswer, notImplemented } from './errors.ts';
import type { GcsCall } from './gcs-call.ts';
import { isJsonObject, readJson } from './gcs-query.ts';
import { bucketResource } from './object-resource.ts';
import type { BucketOptions } from './store-state.ts';

/** Fields of a new bucket that are shown again and change nothing here. */
const SHOWN_FIELDS = ['labels', 'location', 'iamConfiguration', 'softDeletePolicy'];
const KNOWN_FIELDS = new Set(['name', 'storageClass', 'versioning', 'retentionPolicy', ...SHOWN_FIELDS]);

/** POST /b: 200 and the resource, 409 when the name is taken. */
export async function insertBucket(call: GcsCall): Promise<SandboxAnswer> {
  call.query.allow(['project']);
  const body = await readJson(call.request);
  for (const [field, value] of Object.entries(body))
    if (!KNOWN_FIELDS.has(field) && value !== null) throw notImplemented(`the bucket field '${field}'`);
  const { name, storageClass, versioning, retentionPolicy } = body;
  if (typeof name !== 'string') throw new GcsError(400, 'required', 'Required');
  if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(name)) throw invalid(`Invalid bucket name: '${name}'`);
  call.access.require('storage.buckets.create');
  const retentionSec = isJsonObject(retentionPolicy) ? Number(retentionPolicy['retentionPeriod']) : null;
  if (Number.isNaN(retentionSec)) throw invalid('Invalid value for retentionPeriod');
  const options: BucketOptions = {
    versioned: isJsonObject(versioning) && versioning['enabled'] === true,
    ...(retentionSec === null ? {} : { retentionSec }),
    ...(typeof storageClass === 'string' ? { storageClass } : {}),
    resource: Object.fromEntries(
      SHOWN_FIELDS.filter((field) => field in body).map((field) => [field, body[field]]),
    ),
  };
  return jsonAnswer(bucketResource(call.state.createBucket(name, options), call.baseUrl));
}

/** GET /b/{bucket}. */
export function getBucket(call: GcsCall, name: string): SandboxAnswer {
  call.query.allow([]);
  call.access.require('storage.buckets.get');
  return jsonAnswer(bucketResource(call.state.bucket(name), call.baseUrl));
}

/** GET /b: every bucket that begins with `prefix`, on one page. */
export function listBuckets(call: GcsCall): SandboxAnswer {
  call.query.allow(['project', 'prefix', 'maxResults', 'autoPaginate']);
  call.access.require('storage.buckets.list');
  const prefix = call.query.get('prefix') ?? '';
  const buckets = call.state.buckets().filter(({ name }) => name.startsWith(prefix));
  const limit = call.query.count('maxResults');
  if (limit !== null && limit < buckets.length) throw notImplemented('listing buckets page by page');
  return jsonAnswer({
    kind: 'storage#buckets',
    ...(buckets.length === 0 ? {} : { items: buckets.map((bucket) => bucketResource(bucket, call.baseUrl)) }),
  });
}

/** GET .../iam/testPermissions: those of the asked permissions that the caller has. */
export function testPermissions(call: GcsCall, bucket: string): SandboxAnswer {
  call.query.allow(['permissions']);
  call.state.bucket(bucket);
  const held = call.query.all('permissions').filter((permission) => call.access.isAllowed(permission));
  return jsonAnswer({
    kind: 'storage#testIamPermissionsResponse',
    ...(held.length === 0 ? {} : { permissions: held }),
  });
}
