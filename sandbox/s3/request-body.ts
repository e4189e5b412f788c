// Reads a request's body once: unwraps aws-chunked, counts, and compares every checksum the client gave
// (Content-MD5, x-amz-content-sha256, x-amz-checksum-* in header or trailer) before anything is stored.
import { createHash } from 'node:crypto';
import { chunkedForm, decodeAwsChunked } from './aws-chunked.ts';
import {
  algorithmOfHeader,
  checksumAlgorithms,
  checksumHeader,
  isDigest,
  type ChecksumAlgorithm,
  type RunningChecksum,
  startChecksum,
} from './checksums.ts';
import { S3Error } from './errors.ts';
import { contentOf, type ObjectContent } from './object-content.ts';
import type { S3Request } from './s3-request.ts';

export interface ReceivedBody {
  readonly content: ObjectContent;
  /** Hexadecimal. */
  readonly md5: string;
  /** The algorithm of the client's own checksum, already compared; null when it sent none. */
  readonly clientAlgorithm: ChecksumAlgorithm | null;
  /** Base64, for the client's algorithm and every one that was asked for. */
  readonly checksums: ReadonlyMap<ChecksumAlgorithm, string>;
}

interface Promised {
  readonly algorithm: ChecksumAlgorithm;
  /** Null when it follows as a trailer. */
  readonly value: string | null;
}

const largestBodyBytes = 5 * 1024 ** 3;
const largestDocumentBytes = 8 * 1024 ** 2;

/**
 * Reads the body of an upload and computes `algorithms` (besides the client's own) over it.
 * Throws BadDigest, InvalidDigest, IncompleteBody, MissingContentLength and their like; nothing is stored then.
 */
export async function receiveBody(
  request: S3Request,
  algorithms: (clientAlgorithm: ChecksumAlgorithm | null) => readonly ChecksumAlgorithm[],
): Promise<ReceivedBody> {
  const { headers, auth } = request;
  const form = chunkedForm(auth.payloadHash);
  const expectedBytes = announcedBytes(headers, form !== null);
  const expectedSha256 = announcedSha256(auth.payloadHash, form !== null);
  const expectedMd5 = announcedMd5(headers['content-md5']);
  const promised = promisedChecksum(headers);
  const clientAlgorithm = promised?.algorithm ?? null;

  const running = new Map<ChecksumAlgorithm, RunningChecksum>();
  for (const algorithm of new Set([
    ...algorithms(clientAlgorithm),
    ...(promised === null ? [] : [promised.algorithm]),
  ]))
    running.set(algorithm, await startChecksum(algorithm));
  const md5 = createHash('md5');
  const sha256 = expectedSha256 === null ? null : createHash('sha256');
  const trailers = new Map<string, string>();
  const pieces: Uint8Array[] = [];
  let receivedBytes = 0;
  const body = form === null ? request.body : decodeAwsChunked(request.body, form, auth, trailers);
  for await (const piece of body) {
    receivedBytes += piece.length;
    if (receivedBytes > largestBodyBytes) throw new S3Error('EntityTooLarge');
    md5.update(piece);
    sha256?.update(piece);
    for (const checksum of running.values()) checksum.update(piece);
    pieces.push(piece);
  }

  if (receivedBytes !== expectedBytes) throw new S3Error('IncompleteBody');
  if (sha256 !== null && sha256.digest('hex') !== expectedSha256)
    throw new S3Error('XAmzContentSHA256Mismatch');
  const md5Digest = md5.digest();
  if (expectedMd5 !== null && expectedMd5 !== md5Digest.toString('base64')) throw new S3Error('BadDigest');
  const checksums = new Map(
    [...running].map(([name, checksum]) => [name, checksum.digest().toString('base64')]),
  );
  if (promised !== null) compareChecksum(promised, trailers, checksums.get(promised.algorithm));
  return { content: contentOf(pieces), md5: md5Digest.toString('hex'), clientAlgorithm, checksums };
}

/** Reads a small request document. `checked` demands an MD5 or checksum, as some calls do. */
export async function receiveDocument(
  request: S3Request,
  options: { checked?: boolean } = {},
): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > largestDocumentBytes)
    throw new S3Error('MalformedXML');
  const received = await receiveBody(request, () => []);
  if (options.checked === true && received.clientAlgorithm === null && !('content-md5' in request.headers))
    throw new S3Error('InvalidRequest', {
      message: 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    });
  return Buffer.concat([...received.content.read(0, received.content.sizeBytes)]);
}

function announcedBytes(headers: S3Request['headers'], chunked: boolean): number {
  const raw = chunked ? headers['x-amz-decoded-content-length'] : headers['content-length'];
  if (raw === undefined) {
    if (headers['transfer-encoding'] !== undefined && !chunked)
      throw new S3Error('NotImplemented', { elements: { Header: 'Transfer-Encoding' } });
    // A request without a body needs no length at all.
    if (!chunked) return 0;
    throw new S3Error('MissingContentLength');
  }
  const bytes = Number(raw);
  if (!/^\d+$/.test(raw))
    throw new S3Error('InvalidArgument', { message: 'The content length is not a number' });
  if (bytes > largestBodyBytes)
    throw new S3Error('EntityTooLarge', {
      elements: { ProposedSize: bytes, MaxSizeAllowed: largestBodyBytes },
    });
  return bytes;
}

function announcedSha256(payloadHash: string, chunked: boolean): string | null {
  if (chunked || payloadHash === 'UNSIGNED-PAYLOAD') return null;
  if (/^[0-9a-f]{64}$/.test(payloadHash)) return payloadHash;
  throw new S3Error('InvalidArgument', {
    message: 'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING form, or a valid sha256 value.',
    elements: { ArgumentName: 'x-amz-content-sha256' },
  });
}

function announcedMd5(value: string | undefined): string | null {
  if (value === undefined) return null;
  if (!isDigest('MD5', value)) throw new S3Error('InvalidDigest');
  return value;
}

function promisedChecksum(headers: S3Request['headers']): Promised | null {
  const found = checksumAlgorithms.flatMap((algorithm): Promised[] => {
    const value = headers[checksumHeader(algorithm)];
    return value === undefined ? [] : [{ algorithm, value }];
  });
  for (const name of (headers['x-amz-trailer'] ?? '').split(',')) {
    const algorithm = algorithmOfHeader(name.trim());
    if (algorithm !== null) found.push({ algorithm, value: null });
    else if (name.trim() !== '') throw new S3Error('InvalidRequest', { message: `Unknown trailer ${name}` });
  }
  const [first] = found;
  if (found.length > 1)
    throw new S3Error('InvalidRequest', {
      message: 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    });
  if (first === undefined) {
    if (headers['x-amz-sdk-checksum-algorithm'] !== undefined)
      throw new S3Error('InvalidRequest', {
        message:
          'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
      });
    return null;
  }
  if (first.value !== null && !isDigest(first.algorithm, first.value))
    throw new S3Error('InvalidRequest', {
      message: `Value for ${checksumHeader(first.algorithm)} header is invalid.`,
    });
  return first;
}

function compareChecksum(
  promised: Promised,
  trailers: ReadonlyMap<string, string>,
  computed: string | undefined,
): void {
  const value = promised.value ?? trailers.get(checksumHeader(promised.algorithm));
  if (value === undefined) throw new S3Error('MalformedTrailerError');
  if (value !== computed)
    throw new S3Error('BadDigest', {
      message: `The ${promised.algorithm} you specified did not match the calculated checksum.`,
    });
}
