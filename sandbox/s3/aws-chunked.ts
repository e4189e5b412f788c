// The aws-chunked transfer form: sizes in hex, optional signatures per chunk, checksum trailers after the last one.
// Yields the object's own bytes as they arrive; chunk and trailer signatures are checked here, checksums are not.
import { createHash } from 'node:crypto';
import { S3Error } from './errors.ts';
import { hmac, sha256Hex } from '../signature-v4.ts';
import type { VerifiedSignature } from './signature.ts';

const smallestChunkBytes = 8192;
const longestLineBytes = 4096;
const emptyHash = sha256Hex('');

export interface ChunkedForm {
  /** Chunks and trailers carry signatures that continue the request's own. */
  readonly signed: boolean;
  /** Trailers follow the last chunk. */
  readonly trailing: boolean;
}

/** How the body is framed, by the value of x-amz-content-sha256; null when it is not aws-chunked. */
export function chunkedForm(payloadHash: string): ChunkedForm | null {
  switch (payloadHash) {
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return { signed: true, trailing: false };
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return { signed: true, trailing: true };
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { signed: false, trailing: true };
    default:
      return null;
  }
}

/**
 * Decodes a body. Trailers are put into `trailers`, by lower-case name, once the last byte was yielded.
 * Throws SignatureDoesNotMatch, InvalidChunkSizeError, MalformedTrailerError or IncompleteBody.
 */
export async function* decodeAwsChunked(
  body: AsyncIterable<Uint8Array>,
  form: ChunkedForm,
  auth: VerifiedSignature,
  trailers: Map<string, string>,
): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(body);
  const signatures = form.signed ? new ChunkSignatures(auth) : null;
  let smallChunkSeen = false;
  for (;;) {
    const { sizeBytes, signature } = parseChunkHeader(await reader.line());
    if (sizeBytes === 0) {
      signatures?.checkChunk(signature, emptyHash);
      break;
    }
    if (smallChunkSeen) throw new S3Error('InvalidChunkSizeError');
    smallChunkSeen = sizeBytes < smallestChunkBytes;
    const hash = signatures === null ? null : createHash('sha256');
    for await (const piece of reader.take(sizeBytes)) {
      hash?.update(piece);
      yield piece;
    }
    if ((await reader.line()) !== '') throw new S3Error('IncompleteBody');
    if (hash !== null) signatures?.checkChunk(signature, hash.digest('hex'));
  }
  if (form.trailing) await readTrailers(reader, signatures, trailers);
}

async function readTrailers(
  reader: ByteReader,
  signatures: ChunkSignatures | null,
  trailers: Map<string, string>,
): Promise<void> {
  let signature: string | null = null;
  for (;;) {
    const line = await reader.line();
    if (line === '') break;
    const colon = line.indexOf(':');
    if (colon < 1) throw new S3Error('MalformedTrailerError');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'x-amz-trailer-signature') signature = value;
    else trailers.set(name, value);
  }
  signatures?.checkTrailers(signature, trailers);
}

function parseChunkHeader(line: string): { sizeBytes: number; signature: string | null } {
  const match = /^([0-9a-fA-F]{1,10})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line);
  if (match === null)
    throw new S3Error('IncompleteBody', {
      message: 'The body is not in the aws-chunked form that was announced.',
    });
  return { sizeBytes: Number.parseInt(match[1] ?? '', 16), signature: match[2] ?? null };
}

/** Every signature covers the one before it, beginning with the request's own. */
class ChunkSignatures {
  #previous: string;
  readonly #auth: VerifiedSignature;

  constructor(auth: VerifiedSignature) {
    this.#auth = auth;
    this.#previous = auth.signature;
  }

  checkChunk(signature: string | null, chunkHash: string): void {
    this.#check(signature, `AWS4-HMAC-SHA256-PAYLOAD`, `${emptyHash}\n${chunkHash}`);
  }

  checkTrailers(signature: string | null, trailers: ReadonlyMap<string, string>): void {
    const canonical = [...trailers].map(([name, value]) => `${name}:${value}\n`).join('');
    this.#check(signature, 'AWS4-HMAC-SHA256-TRAILER', sha256Hex(canonical));
  }

  #check(signature: string | null, algorithm: string, tail: string): void {
    const toSign = [algorithm, this.#auth.amzDate, this.#auth.scope, this.#previous, tail].join('\n');
    const expected = hmac(this.#auth.signingKey, toSign).toString('hex');
    if (signature !== expected) throw new S3Error('SignatureDoesNotMatch');
    this.#previous = expected;
  }
}

/** Lines and byte runs out of a stream whose pieces end anywhere. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]();
  }

  /** Up to and without the next CRLF. */
  async line(): Promise<string> {
    let line = '';
    while (!line.endsWith('\r\n')) {
      if (line.length > longestLineBytes) throw new S3Error('IncompleteBody');
      await this.#fill();
      const newline = this.#piece.indexOf(0x0a);
      const end = newline < 0 ? this.#piece.length : newline + 1;
      line += Buffer.from(this.#piece.subarray(0, end)).toString('latin1');
      this.#piece = this.#piece.subarray(end);
    }
    return line.slice(0, -2);
  }

  async *take(sizeBytes: number): AsyncGenerator<Uint8Array> {
    let left = sizeBytes;
    while (left > 0) {
      await this.#fill();
      const piece = this.#piece.subarray(0, left);
      this.#piece = this.#piece.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async #fill(): Promise<void> {
    while (this.#piece.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) throw new S3Error('IncompleteBody');
      this.#piece = next.value;
    }
  }
}
