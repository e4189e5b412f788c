// Multipart uploads. An upload becomes visible in one step at Complete, with the ETag `md5(md5s)-N`, a checksum
// over the parts or over the whole as was agreed at the start, and the start as its last-modified time.
import { createHash } from 'node:crypto';
import type { SandboxAnswer } from '../http-answer.ts';
import { type Bucket, type MultipartUpload, randomVersionId, type UploadedPart } from './buckets.ts';
import {
  type ChecksumAlgorithm,
  checksumHeader,
  type ChecksumType,
  digestContent,
  isChecksumAlgorithm,
  type StoredChecksum,
} from './checksums.ts';
import { judgeWrite, unquoteEtag } from './conditions.ts';
import { S3Error } from './errors.ts';
import { encryptionHeaders, readAttributes } from './object-attributes.ts';
import { joinContents, type ObjectContent } from './object-content.ts';
import { initialArchive } from './object-routes.ts';
import { receiveBody, receiveDocument } from './request-body.ts';
import { requireBucket, type S3Request, wholeNumber } from './s3-request.ts';
import { announceCreated, type S3State, versionHeader } from './s3-state.ts';
import { childNodes, childText, parseDocument, type XmlNode } from './xml-reader.ts';
import { document, group, root, text } from './xml.ts';

const smallestPartBytes = 5 * 1024 * 1024;
const highestPartNumber = 10_000;
const rememberedCompletions = 1000;
const fullObjectOnly: ReadonlySet<ChecksumAlgorithm> = new Set(['CRC64NVME']);
const fullObjectAble: ReadonlySet<ChecksumAlgorithm> = new Set(['CRC32', 'CRC32C', 'CRC64NVME']);
const xmlHeaders = { 'content-type': 'application/xml' };

export async function createMultipartUpload(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  await receiveDocument(request);
  const chosen = request.headers['x-amz-checksum-algorithm']?.toUpperCase();
  const algorithm = chosen ?? 'CRC64NVME';
  if (!isChecksumAlgorithm(algorithm))
    throw new S3Error('InvalidRequest', { message: 'Checksum algorithm provided is unsupported.' });
  const upload: MultipartUpload = {
    id: randomVersionId() + randomVersionId(),
    key: request.key,
    initiatedMs: state.nowMs(),
    attributes: readAttributes(request.headers),
    algorithm,
    checksumType: agreedType(algorithm, request.headers['x-amz-checksum-type']?.toUpperCase()),
    algorithmChosen: chosen !== undefined,
    parts: new Map(),
  };
  bucket.uploads.set(upload.id, upload);
  return {
    status: 200,
    headers: {
      ...xmlHeaders,
      ...encryptionHeaders(upload.attributes.encryption),
      'x-amz-checksum-algorithm': algorithm,
      'x-amz-checksum-type': upload.checksumType,
    },
    body: document(
      root(
        'InitiateMultipartUploadResult',
        text('Bucket', bucket.name),
        text('Key', request.key),
        text('UploadId', upload.id),
      ),
    ),
  };
}

function agreedType(algorithm: ChecksumAlgorithm, asked: string | undefined): ChecksumType {
  const type = asked ?? (fullObjectOnly.has(algorithm) ? 'FULL_OBJECT' : 'COMPOSITE');
  const possible =
    type === 'FULL_OBJECT'
      ? fullObjectAble.has(algorithm)
      : type === 'COMPOSITE' && !fullObjectOnly.has(algorithm);
  if (!possible)
    throw new S3Error('InvalidRequest', {
      message: `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    });
  return type === 'FULL_OBJECT' ? 'FULL_OBJECT' : 'COMPOSITE';
}

export async function uploadPart(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  const upload = requireUpload(bucket, request);
  const number = wholeNumber(request, 'partNumber', { fallback: 0, least: 1, most: highestPartNumber });
  const received = await receiveBody(request, () => [upload.algorithm]);
  if (
    upload.algorithmChosen &&
    (received.clientAlgorithm === null
      ? upload.checksumType === 'COMPOSITE'
      : received.clientAlgorithm !== upload.algorithm)
  )
    throw new S3Error('InvalidRequest', {
      message: `Checksum Type mismatch occurred, expected checksum Type: ${upload.algorithm.toLowerCase()}, actual checksum Type: ${received.clientAlgorithm?.toLowerCase() ?? 'null'}`,
    });
  // The upload may have been finished or aborted while the bytes were on their way.
  requireUpload(bucket, request);
  const checksum = received.checksums.get(upload.algorithm) ?? '';
  upload.parts.set(number, {
    number,
    content: received.content,
    etag: received.md5,
    checksum,
    lastModifiedMs: state.nowMs(),
  });
  const answered = received.clientAlgorithm ?? upload.algorithm;
  return {
    status: 200,
    headers: {
      etag: `"${received.md5}"`,
      ...encryptionHeaders(upload.attributes.encryption),
      [checksumHeader(answered)]: received.checksums.get(answered) ?? checksum,
    },
  };
}

export async function completeMultipartUpload(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  const body = await receiveUnsummedDocument(request);
  const repeated = state.completedUploads.get(request.query.get('uploadId') ?? '');
  if (repeated !== undefined) return { status: 200, headers: xmlHeaders, body: repeated };
  const upload = requireUpload(bucket, request);
  const parts = chooseParts(upload, childNodes(parseDocument(body, 'CompleteMultipartUpload'), 'Part'));
  const content = joinContents(parts.map((part) => part.content));
  const expectedBytes = request.headers['x-amz-mp-object-size'];
  if (expectedBytes !== undefined && Number(expectedBytes) !== content.sizeBytes)
    throw new S3Error('InvalidRequest', {
      message: `The provided 'x-amz-mp-object-size' header value ${expectedBytes} does not match what was computed: ${content.sizeBytes}`,
    });
  const checksum = await uploadChecksum(upload, parts, content);
  const expectedChecksum = request.headers[checksumHeader(upload.algorithm)];
  if (
    expectedChecksum !== undefined &&
    expectedChecksum.replace(/-\d+$/, '') !== checksum.value.replace(/-\d+$/, '')
  )
    throw new S3Error('BadDigest', {
      message: `The ${upload.algorithm} you specified did not match the calculated checksum.`,
    });
  requireUpload(bucket, request);
  judgeWrite(request.headers, bucket, request.key);
  bucket.uploads.delete(upload.id);
  const md5s = createHash('md5');
  for (const part of parts) md5s.update(Buffer.from(part.etag, 'hex'));
  const stored = bucket.put(request.key, {
    ...upload.attributes,
    content,
    etag: `${md5s.digest('hex')}-${parts.length}`,
    lastModifiedMs: upload.initiatedMs,
    checksum,
    partSizes: parts.map((part) => part.content.sizeBytes),
    missingMetadataCount: 0,
    archive: initialArchive(upload.attributes.storageClass),
  });
  announceCreated(state, bucket, request.key, stored, 'CompleteMultipartUpload');
  const answer = document(
    root(
      'CompleteMultipartUploadResult',
      text('Location', `/${bucket.name}/${request.key}`),
      text('Bucket', bucket.name),
      text('Key', request.key),
      text('ETag', `"${stored.etag}"`),
      text(`Checksum${checksum.algorithm}`, checksum.value),
      text('ChecksumType', checksum.type),
    ),
  );
  rememberCompletion(state, upload.id, answer);
  const headers = { ...xmlHeaders, ...versionHeader(bucket, stored.versionId) };
  return { status: 200, headers: { ...headers, ...encryptionHeaders(stored.encryption) }, body: answer };
}

/** On Complete the x-amz-checksum-* header speaks of the object, not of the document in the body. */
async function receiveUnsummedDocument(request: S3Request): Promise<Buffer> {
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(([name]) => !name.startsWith('x-amz-checksum-')),
  );
  return receiveDocument({ ...request, headers });
}

function chooseParts(upload: MultipartUpload, listed: readonly XmlNode[]): UploadedPart[] {
  if (listed.length === 0) throw new S3Error('MalformedXML');
  let lastNumber = 0;
  const parts = listed.map((entry) => {
    const number = Number(childText(entry, 'PartNumber'));
    if (number <= lastNumber) throw new S3Error('InvalidPartOrder');
    lastNumber = number;
    const part = upload.parts.get(number);
    const etag = unquoteEtag(childText(entry, 'ETag')?.trim() ?? '');
    const checksum = childText(entry, `Checksum${upload.algorithm}`)?.trim() ?? null;
    if (part === undefined || part.etag !== etag || (checksum !== null && checksum !== part.checksum))
      throw new S3Error('InvalidPart', { elements: { UploadId: upload.id, PartNumber: number, ETag: etag } });
    if (checksum === null && upload.algorithmChosen && upload.checksumType === 'COMPOSITE')
      throw new S3Error('InvalidRequest', {
        message: `The upload was created using a ${upload.algorithm.toLowerCase()} checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`,
      });
    return part;
  });
  const tooSmall = parts.slice(0, -1).find((part) => part.content.sizeBytes < smallestPartBytes);
  if (tooSmall !== undefined)
    throw new S3Error('EntityTooSmall', {
      elements: {
        ProposedSize: tooSmall.content.sizeBytes,
        MinSizeAllowed: smallestPartBytes,
        PartNumber: tooSmall.number,
      },
    });
  return parts;
}

async function uploadChecksum(
  upload: MultipartUpload,
  parts: readonly UploadedPart[],
  content: ObjectContent,
): Promise<StoredChecksum> {
  const { algorithm, checksumType: type } = upload;
  const summed =
    type === 'FULL_OBJECT'
      ? content
      : joinContents(parts.map((part) => digestAsContent(Buffer.from(part.checksum, 'base64'))));
  const digest = (await digestContent(summed, [algorithm])).get(algorithm)?.toString('base64') ?? '';
  return { algorithm, type, value: type === 'FULL_OBJECT' ? digest : `${digest}-${parts.length}` };
}

function digestAsContent(digest: Buffer): ObjectContent {
  return { sizeBytes: digest.length, read: (start, end) => [digest.subarray(start, end)] };
}

function rememberCompletion(state: S3State, uploadId: string, answer: string): void {
  state.completedUploads.set(uploadId, answer);
  const [oldest] = state.completedUploads.keys();
  if (state.completedUploads.size > rememberedCompletions && oldest !== undefined)
    state.completedUploads.delete(oldest);
}

export async function abortMultipartUpload(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  const upload = requireUpload(bucket, request);
  bucket.uploads.delete(upload.id);
  return { status: 204 };
}

export async function listParts(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  const upload = requireUpload(bucket, request);
  const marker = wholeNumber(request, 'part-number-marker', {
    fallback: 0,
    least: 0,
    most: highestPartNumber,
  });
  const maxParts = wholeNumber(request, 'max-parts', { fallback: 1000, least: 1, most: 1000 });
  const after = [...upload.parts.values()]
    .filter((part) => part.number > marker)
    .sort((a, b) => a.number - b.number);
  const page = after.slice(0, maxParts);
  const last = page.at(-1)?.number ?? 0;
  const answer = root(
    'ListPartsResult',
    text('Bucket', bucket.name),
    text('Key', upload.key),
    text('UploadId', upload.id),
    text('PartNumberMarker', marker),
    text('NextPartNumberMarker', last),
    text('MaxParts', maxParts),
    text('IsTruncated', page.length < after.length),
    text('StorageClass', upload.attributes.storageClass),
    text('ChecksumAlgorithm', upload.algorithm),
    text('ChecksumType', upload.checksumType),
    ...page.map((part) =>
      group(
        'Part',
        text('PartNumber', part.number),
        text('LastModified', new Date(part.lastModifiedMs).toISOString()),
        text('ETag', `"${part.etag}"`),
        text('Size', part.content.sizeBytes),
        text(`Checksum${upload.algorithm}`, part.checksum),
      ),
    ),
  );
  return { status: 200, headers: xmlHeaders, body: document(answer) };
}

function requireUpload(bucket: Bucket, request: S3Request): MultipartUpload {
  const upload = bucket.uploads.get(request.query.get('uploadId') ?? '');
  if (upload === undefined || upload.key !== request.key)
    throw new S3Error('NoSuchUpload', { elements: { UploadId: request.query.get('uploadId') ?? '' } });
  return upload;
}
