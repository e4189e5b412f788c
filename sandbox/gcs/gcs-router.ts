// Which route a request means. Paths are split before they are decoded, so an object name may hold anything.
// What is not found here does not exist in the sandbox and is answered with 501.
import type { SandboxAnswer } from '../http-answer.ts';
import { getBucket, insertBucket, listBuckets, testPermissions } from './bucket-routes.ts';
import { composeObject, copyObject, rewriteObject } from './compose-routes.ts';
import { notImplemented } from './errors.ts';
import type { GcsCall } from './gcs-call.ts';
import { decodeSegment } from './gcs-query.ts';
import { listObjects } from './list-routes.ts';
import { deleteObject, getObject, patchObject, updateObject } from './object-routes.ts';
import { uploadMultipart } from './uploads-multipart.ts';
import { cancelSession, openSession, putToSession } from './uploads-resumable.ts';
import { uploadMedia } from './uploads-single.ts';

/** Headers that change what the real service does and that the sandbox does not act on. */
const UNSUPPORTED_HEADERS = [
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'x-goog-encryption-algorithm',
  'x-goog-copy-source-encryption-algorithm',
  'x-http-method-override',
];

const UPLOAD_PATH = /^(?:\/resumable)?\/upload\/storage\/v1\/b\/([^/]+)\/o$/;
const API_PATH = /^(\/download)?\/storage\/v1\/b(?:\/(.*))?$/;

/** The id of the session that a request writes to; null for every other request. Such requests need no token. */
export function sessionIdOf(call: Pick<GcsCall, 'request' | 'query'>): string | null {
  const { method, rawPath } = call.request;
  if (!UPLOAD_PATH.test(rawPath) || (method !== 'PUT' && method !== 'DELETE')) return null;
  return call.query.get('upload_id');
}

/** Runs the route of a request; throws `GcsError` for refusals and for what does not exist. */
export async function routeCall(call: GcsCall): Promise<SandboxAnswer> {
  const { request } = call;
  for (const name of UNSUPPORTED_HEADERS)
    if (request.headers[name] !== undefined) throw notImplemented(`the header '${name}'`);
  const upload = UPLOAD_PATH.exec(request.rawPath);
  if (upload !== null) return routeUpload(call, decodeSegment(upload[1] ?? ''));
  const api = API_PATH.exec(request.rawPath);
  if (api === null || (api[1] !== undefined && request.method !== 'GET')) throw unknownRoute(call);
  const [bucket = '', ...rest] = (api[2] ?? '').split('/').map(decodeSegment);
  if (bucket === '') return routeBuckets(call);
  return routeInBucket(call, bucket, rest);
}

async function routeUpload(call: GcsCall, bucket: string): Promise<SandboxAnswer> {
  const { method } = call.request;
  const sessionId = sessionIdOf(call);
  if (sessionId !== null)
    return method === 'DELETE' ? cancelSession(call, sessionId) : putToSession(call, sessionId);
  if (method !== 'POST') throw unknownRoute(call);
  const uploadType = call.query.get('uploadType') ?? '(none)';
  switch (uploadType) {
    case 'media':
      return uploadMedia(call, bucket);
    case 'multipart':
      return uploadMultipart(call, bucket);
    case 'resumable':
      return openSession(call, bucket);
    default:
      throw notImplemented(`uploadType=${uploadType}`);
  }
}

async function routeBuckets(call: GcsCall): Promise<SandboxAnswer> {
  if (call.request.method === 'GET') return listBuckets(call);
  if (call.request.method === 'POST') return insertBucket(call);
  throw unknownRoute(call);
}

async function routeInBucket(call: GcsCall, bucket: string, rest: readonly string[]): Promise<SandboxAnswer> {
  const { method } = call.request;
  const [collection, name, verb] = rest;
  if (rest.length === 0 && method === 'GET') return getBucket(call, bucket);
  if (rest.length === 2 && collection === 'iam' && name === 'testPermissions' && method === 'GET')
    return testPermissions(call, bucket);
  if (collection !== 'o') throw unknownRoute(call);
  if (name === undefined || (name === '' && rest.length === 2)) {
    if (method === 'GET') return listObjects(call, bucket);
    throw unknownRoute(call);
  }
  if (rest.length === 2) return routeObject(call, bucket, name);
  if (rest.length === 3 && verb === 'compose' && method === 'POST') return composeObject(call, bucket, name);
  const [, , , toB, toBucket, toO, toName] = rest;
  const isCopy = rest.length === 7 && toB === 'b' && toO === 'o' && method === 'POST';
  if (!isCopy || toBucket === undefined || toName === undefined) throw unknownRoute(call);
  const from = { bucket, name };
  const to = { bucket: toBucket, name: toName };
  if (verb === 'rewriteTo') return rewriteObject(call, from, to);
  if (verb === 'copyTo') return copyObject(call, from, to);
  throw unknownRoute(call);
}

async function routeObject(call: GcsCall, bucket: string, name: string): Promise<SandboxAnswer> {
  switch (call.request.method) {
    case 'GET':
      return getObject(call, bucket, name);
    case 'PATCH':
      return patchObject(call, bucket, name);
    case 'PUT':
      return updateObject(call, bucket, name);
    case 'DELETE':
      return deleteObject(call, bucket, name);
    default:
      throw unknownRoute(call);
  }
}

function unknownRoute(call: GcsCall): Error {
  return notImplemented(`${call.request.method} ${call.request.rawPath.slice(0, 200)}`);
}
