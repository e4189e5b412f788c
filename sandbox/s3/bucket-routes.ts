// Buckets themselves: create, look, list, where they are, whether they keep versions.
import type { SandboxAnswer } from '../http-answer.ts';
import { Bucket, type BucketOptions } from './buckets.ts';
import { S3Error } from './errors.ts';
import { receiveDocument } from './request-body.ts';
import { requireBucket, type S3Request } from './s3-request.ts';
import type { S3State } from './s3-state.ts';
import { childText, parseDocument } from './xml-reader.ts';
import { document, group, root, text } from './xml.ts';

const xmlHeaders = { 'content-type': 'application/xml' };

/** Makes a bucket. Throws InvalidBucketName, or BucketAlreadyOwnedByYou outside us-east-1. */
export function makeBucket(state: S3State, name: string, options: BucketOptions): void {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) throw new S3Error('InvalidBucketName');
  if (state.buckets.has(name)) {
    // The oldest region alone treats making one's own bucket again as success.
    if (state.region === 'us-east-1') return;
    throw new S3Error('BucketAlreadyOwnedByYou', { elements: { BucketName: name } });
  }
  state.buckets.set(name, new Bucket(name, state.accountId, state.nowMs(), options));
}

export async function createBucket(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const body = await receiveDocument(request);
  if (body.length > 0) parseDocument(body, 'CreateBucketConfiguration');
  makeBucket(state, request.bucketName, {});
  return { status: 200, headers: { location: `/${request.bucketName}` } };
}

export async function deleteBucket(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  if (!bucket.isEmpty) throw new S3Error('BucketNotEmpty');
  state.buckets.delete(bucket.name);
  return { status: 204 };
}

export async function headBucket(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  if (bucket.listingDenied) throw new S3Error('AccessDenied');
  return { status: 200, headers: { 'x-amz-bucket-region': state.region } };
}

export async function listBuckets(state: S3State): Promise<SandboxAnswer> {
  const buckets = [...state.buckets.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((bucket) =>
      group(
        'Bucket',
        text('Name', bucket.name),
        text('CreationDate', new Date(bucket.createdMs).toISOString()),
        text('BucketRegion', bucket.region ?? state.region),
      ),
    );
  return {
    status: 200,
    headers: xmlHeaders,
    body: document(
      root(
        'ListAllMyBucketsResult',
        group('Owner', text('ID', state.accountId)),
        group('Buckets', ...buckets),
      ),
    ),
  };
}

export async function getBucketLocation(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const region = requireBucket(state, request).region ?? state.region;
  const constraint = region === 'us-east-1' ? '' : region;
  return { status: 200, headers: xmlHeaders, body: document(root('LocationConstraint', constraint)) };
}

export async function getBucketVersioning(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const { versioning } = requireBucket(state, request);
  const status =
    versioning === 'off' ? [] : [text('Status', versioning === 'enabled' ? 'Enabled' : 'Suspended')];
  return { status: 200, headers: xmlHeaders, body: document(root('VersioningConfiguration', ...status)) };
}

export async function putBucketVersioning(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  const parsed = parseDocument(await receiveDocument(request), 'VersioningConfiguration');
  const status = childText(parsed, 'Status')?.trim();
  if (status !== 'Enabled' && status !== 'Suspended') throw new S3Error('MalformedXML');
  bucket.versioning = status === 'Enabled' ? 'enabled' : 'suspended';
  return { status: 200 };
}
