// From an HTTP request to the operation it means. Whatever no operation claims in full, down to the last query
// parameter, is answered 501: nothing is accepted and then ignored.
import type { SandboxAnswer } from '../http-answer.ts';
import type { SandboxHandler, SandboxRequest } from '../http-server.ts';
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  getBucketVersioning,
  headBucket,
  listBuckets,
  putBucketVersioning,
} from './bucket-routes.ts';
import { errorAnswer, S3Error } from './errors.ts';
import { listObjectsV2, listObjectVersions } from './list-routes.ts';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  listParts,
  uploadPart,
} from './multipart-routes.ts';
import { requestId } from './notification-record.ts';
import { getBucketNotification, putBucketNotification } from './notification-routes.ts';
import { copyObject, deleteObject, deleteObjects, getObjectTagging, putObject } from './object-routes.ts';
import { readObject } from './read-routes.ts';
import { readS3Request, type S3Request } from './s3-request.ts';
import type { S3Permission, S3State } from './s3-state.ts';
import { verifySignature } from './signature.ts';

interface Operation {
  readonly method: string;
  readonly scope: 'service' | 'bucket' | 'object';
  /** Query parameters that must be there. */
  readonly requires: readonly string[];
  /** Query parameters that may be there. */
  readonly allows: readonly string[];
  /** For copies, which differ from writes by a header alone. */
  readonly copies?: boolean;
  /** Also for buckets of other regions. */
  readonly anywhere?: boolean;
  /** What the caller must be allowed to do, where that can be taken away. */
  readonly needs?: S3Permission;
  readonly run: (state: S3State, request: S3Request) => Promise<SandboxAnswer>;
}

const overrides = ['type', 'language', 'expires', 'cache-control', 'disposition', 'encoding'].map((name) =>
  name === 'expires' || name === 'cache-control' ? `response-${name}` : `response-content-${name}`,
);
const readParameters = ['versionId', 'partNumber', ...overrides];
const listParameters = ['prefix', 'delimiter', 'max-keys', 'encoding-type'];
const list2Parameters = [...listParameters, 'start-after', 'continuation-token', 'fetch-owner'];
const versionParameters = [...listParameters, 'key-marker', 'version-id-marker'];
const uploadIdOnly = ['uploadId'];
const none: readonly string[] = [];

const operations: readonly Operation[] = [
  { method: 'GET', scope: 'service', ...needing('s3:ListAllMyBuckets'), run: listBuckets },
  { method: 'PUT', scope: 'bucket', requires: none, allows: none, run: createBucket },
  { method: 'HEAD', scope: 'bucket', requires: none, allows: none, run: headBucket },
  { method: 'DELETE', scope: 'bucket', requires: none, allows: none, run: deleteBucket },
  {
    method: 'GET',
    scope: 'bucket',
    ...needing('s3:GetBucketLocation', 'location'),
    anywhere: true,
    run: getBucketLocation,
  },
  {
    method: 'GET',
    scope: 'bucket',
    ...needing('s3:GetBucketVersioning', 'versioning'),
    run: getBucketVersioning,
  },
  {
    method: 'GET',
    scope: 'bucket',
    ...needing('s3:GetBucketNotification', 'notification'),
    run: getBucketNotification,
  },
  {
    method: 'PUT',
    scope: 'bucket',
    ...needing('s3:PutBucketNotification', 'notification'),
    run: putBucketNotification,
  },
  { method: 'PUT', scope: 'bucket', requires: ['versioning'], allows: none, run: putBucketVersioning },
  { method: 'GET', scope: 'bucket', requires: ['list-type'], allows: list2Parameters, run: listObjectsV2 },
  {
    method: 'GET',
    scope: 'bucket',
    requires: ['versions'],
    allows: versionParameters,
    run: listObjectVersions,
  },
  { method: 'POST', scope: 'bucket', requires: ['delete'], allows: none, run: deleteObjects },
  { method: 'GET', scope: 'object', requires: none, allows: readParameters, run: readObject },
  { method: 'HEAD', scope: 'object', requires: none, allows: readParameters, run: readObject },
  { method: 'GET', scope: 'object', requires: ['tagging'], allows: ['versionId'], run: getObjectTagging },
  { method: 'PUT', scope: 'object', requires: none, allows: none, run: putObject },
  { method: 'PUT', scope: 'object', requires: none, allows: none, copies: true, run: copyObject },
  { method: 'DELETE', scope: 'object', requires: none, allows: ['versionId'], run: deleteObject },
  { method: 'POST', scope: 'object', requires: ['uploads'], allows: none, run: createMultipartUpload },
  { method: 'PUT', scope: 'object', requires: ['uploadId', 'partNumber'], allows: none, run: uploadPart },
  { method: 'POST', scope: 'object', requires: uploadIdOnly, allows: none, run: completeMultipartUpload },
  { method: 'DELETE', scope: 'object', requires: uploadIdOnly, allows: none, run: abortMultipartUpload },
  {
    method: 'GET',
    scope: 'object',
    requires: uploadIdOnly,
    allows: ['max-parts', 'part-number-marker'],
    run: listParts,
  },
];

/** Clients put the operation's name there; it means nothing. */
const ignoredParameter = 'x-id';
const unsupportedHeaders =
  /^x-amz-(?:grant-|object-lock-|bypass-governance|write-offset-bytes|mfa|acl$|if-match-)/;

function needing(
  needs: S3Permission,
  ...requires: readonly string[]
): Pick<Operation, 'needs' | 'requires' | 'allows'> {
  return { needs, requires, allows: none };
}

/** Makes the handler of one S3 endpoint. */
export function routeRequests(state: S3State): SandboxHandler {
  return async (request) => {
    const id = requestId();
    const answer = await answerOf(state, request, id);
    return {
      ...answer,
      headers: {
        server: 'AmazonS3',
        'x-amz-request-id': id,
        'x-amz-id-2': `${id}sandbox`,
        ...answer.headers,
      },
    };
  };
}

async function answerOf(state: S3State, request: SandboxRequest, id: string): Promise<SandboxAnswer> {
  try {
    const auth = verifySignature(request, state.keyring, state.region, state.nowMs());
    const parsed = readS3Request(request, auth);
    const operation = chooseOperation(parsed);
    if (operation.anywhere !== true) checkRegion(state, parsed);
    if (operation.needs !== undefined && state.denied.has(operation.needs))
      throw denial(parsed, operation.needs);
    return await operation.run(state, parsed);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return errorAnswer(error, request.method, request.rawPath, id);
  }
}

/** Sends a request for a bucket of another region there. */
function checkRegion(state: S3State, request: S3Request): void {
  const region = state.buckets.get(request.bucketName)?.region ?? state.region;
  if (region === state.region) return;
  throw new S3Error('PermanentRedirect', {
    elements: {
      Endpoint: `${request.bucketName}.s3.${region}.amazonaws.com`,
      Bucket: request.bucketName,
    },
    headers: { 'x-amz-bucket-region': region },
  });
}

function denial(request: S3Request, permission: S3Permission): S3Error {
  const resource = request.bucketName === '' ? '*' : `arn:aws:s3:::${request.bucketName}`;
  return new S3Error('AccessDenied', {
    message: `User: ${request.auth.keys.arn} is not authorized to perform: ${permission} on resource: "${resource}" because no identity-based policy allows the ${permission} action`,
  });
}

function chooseOperation(request: S3Request): Operation {
  const scope = request.key !== '' ? 'object' : request.bucketName !== '' ? 'bucket' : 'service';
  const copies = request.headers['x-amz-copy-source'] !== undefined;
  const names = [...request.query.keys()].filter((name) => name !== ignoredParameter);
  const found = operations.find(
    (operation) =>
      operation.method === request.method &&
      operation.scope === scope &&
      (operation.copies ?? false) === copies &&
      operation.requires.every((name) => names.includes(name)) &&
      names.every((name) => operation.requires.includes(name) || operation.allows.includes(name)),
  );
  if (found === undefined) throw new S3Error('NotImplemented');
  const unsupported = Object.entries(request.headers).find(
    ([name, value]) => unsupportedHeaders.test(name) && !(name === 'x-amz-acl' && value === 'private'),
  );
  if (unsupported !== undefined)
    throw new S3Error('NotImplemented', { elements: { Header: unsupported[0] } });
  return found;
}
