// A target in memory: the reference for every driver, with the rows of a real store that surprise. The metageneration
// begins at 1 again with every generation; the condition of an upload is judged at its end, not at its opening; bytes
// before what an upload keeps are skipped without being compared; other bytes than the checksum's never become visible.
// Deterministic: generations and session names count up, and there is neither clock nor chance.
import { crc32c, crc32cToBase64 } from '../../core/checksum.ts';
import { Fault } from '../../core/faults.ts';
import type { ListRequest } from '../../core/object-source.ts';
import type { ObjectLocation, TargetMetadata, TargetObject, TargetToken } from '../../core/object.ts';
import type {
  EffectAnswer,
  InsertRequest,
  ObjectTarget,
  TargetCapabilities,
  TargetCondition,
  TargetListPage,
  TargetLook,
  UploadFinishRequest,
  UploadProgress,
  UploadSendRequest,
  UploadSession,
} from '../../core/object-target.ts';

export interface MemoryTargetOptions {
  /** The buckets that exist. */
  readonly buckets: readonly string[];
  /** 256 KiB as in Google Cloud Storage by default; a simulation takes a few bytes. */
  readonly blockBytes?: number;
  /** None by default. It is told, not enforced. */
  readonly sameNameIntervalMs?: number;
}

interface StoredObject {
  readonly generation: number;
  metageneration: number;
  readonly bytes: Uint8Array;
  readonly crc32c: string;
  metadata: TargetMetadata;
}

interface Upload {
  readonly location: ObjectLocation;
  readonly condition: TargetCondition;
  readonly metadata: TargetMetadata;
  bytes: Buffer;
  /** The object it became; null while it is open. */
  committed: TargetObject | null;
}

const MAX_OBJECT_BYTES = 5 * 1024 ** 4;
const MAX_CUSTOM_METADATA_BYTES = 8192;
const MAX_NAME_BYTES = 1024;
const WEEK_MS = 7 * 86_400_000;
const NO_METADATA: TargetMetadata = {
  contentType: null,
  cacheControl: null,
  contentDisposition: null,
  contentLanguage: null,
  contentEncoding: null,
  custom: {},
};

export class MemoryTarget implements ObjectTarget {
  readonly capabilities: TargetCapabilities;
  readonly #buckets: Map<string, Map<string, StoredObject>>;
  readonly #uploads = new Map<string, Upload>();
  #lastGeneration = 0;
  #lastSession = 0;

  constructor(options: MemoryTargetOptions) {
    this.#buckets = new Map(options.buckets.map((bucket) => [bucket, new Map()]));
    this.capabilities = {
      nameProblem,
      maxObjectBytes: MAX_OBJECT_BYTES,
      maxCustomMetadataBytes: MAX_CUSTOM_METADATA_BYTES,
      blockBytes: options.blockBytes ?? 256 * 1024,
      uploadLifetimeMs: WEEK_MS,
      sameNameIntervalMs: options.sameNameIntervalMs ?? 0,
    };
  }

  /** The bytes of the live object; null where there is none. For tests. */
  bytesOf(location: ObjectLocation): Uint8Array | null {
    return this.#bucket(location.bucket).get(location.key)?.bytes ?? null;
  }

  /** Writes as somebody else would: on no condition. Returns what is then there. For tests. */
  foreignWrite(location: ObjectLocation, bytes: Uint8Array, metadata = NO_METADATA): TargetObject {
    return this.#store(location, bytes, metadata);
  }

  /** Deletes as somebody else would: on no condition. For tests. */
  foreignRemove(location: ObjectLocation): void {
    this.#bucket(location.bucket).delete(location.key);
  }

  /** Forgets every upload session, as a store does after a week. For tests. */
  expireUploads(): void {
    this.#uploads.clear();
  }

  async look(location: ObjectLocation, signal: AbortSignal): Promise<TargetLook> {
    signal.throwIfAborted();
    const found = this.#bucket(location.bucket).get(location.key);
    return found === undefined ? { kind: 'absent' } : { kind: 'present', object: shown(found) };
  }

  async insert(request: InsertRequest, signal: AbortSignal): Promise<EffectAnswer> {
    signal.throwIfAborted();
    this.#admit(request.location, request.metadata);
    requireChecksum(request.location, request.body, request.crc32c);
    if (!this.#holds(request.location, request.condition)) return { kind: 'conflict' };
    return { kind: 'committed', object: this.#store(request.location, request.body, request.metadata) };
  }

  async openUpload(
    request: {
      readonly location: ObjectLocation;
      readonly condition: TargetCondition;
      readonly metadata: TargetMetadata;
    },
    signal: AbortSignal,
  ): Promise<UploadSession> {
    signal.throwIfAborted();
    const { location, condition, metadata } = request;
    this.#admit(location, metadata);
    this.#lastSession += 1;
    const uri = `memory:upload-${this.#lastSession}`;
    this.#uploads.set(uri, { location, condition, metadata, bytes: Buffer.alloc(0), committed: null });
    return { uri };
  }

  async sendUpload(request: UploadSendRequest, signal: AbortSignal): Promise<UploadProgress> {
    signal.throwIfAborted();
    const { blockBytes } = this.capabilities;
    const { startByte, lengthBytes } = request;
    if (lengthBytes <= 0 || (startByte + lengthBytes) % blockBytes !== 0)
      throw new Error(
        `Bytes from ${startByte}, ${lengthBytes} of them, do not end at a multiple of ${blockBytes}`,
      );
    const upload = this.#uploads.get(request.session.uri);
    if (upload === undefined) return { kind: 'lost' };
    if (upload.committed !== null) return { kind: 'committed', object: upload.committed };
    if (startByte > upload.bytes.length)
      throw new Fault(
        'target_error',
        `The upload keeps ${upload.bytes.length} bytes; ${startByte} is beyond them`,
      );
    const received: Uint8Array[] = [];
    let receivedBytes = 0;
    try {
      for await (const chunk of request.body) {
        signal.throwIfAborted();
        received.push(Buffer.from(chunk));
        receivedBytes += chunk.length;
      }
    } finally {
      // What arrived before a cut is kept, in whole blocks.
      const keptBytes = Math.floor((startByte + receivedBytes) / blockBytes) * blockBytes - startByte;
      appendUnseen(upload, startByte, Buffer.concat(received).subarray(0, Math.max(0, keptBytes)));
    }
    if (receivedBytes !== lengthBytes)
      throw new Error(`The body has ${receivedBytes} bytes where ${lengthBytes} were announced`);
    return { kind: 'open', persistedBytes: upload.bytes.length };
  }

  async uploadProgress(session: UploadSession, signal: AbortSignal): Promise<UploadProgress> {
    signal.throwIfAborted();
    const upload = this.#uploads.get(session.uri);
    if (upload === undefined) return { kind: 'lost' };
    if (upload.committed !== null) return { kind: 'committed', object: upload.committed };
    return { kind: 'open', persistedBytes: upload.bytes.length };
  }

  async finishUpload(request: UploadFinishRequest, signal: AbortSignal): Promise<EffectAnswer> {
    signal.throwIfAborted();
    const { startByte, lastBytes, totalBytes } = request;
    if (startByte + lastBytes.length !== totalBytes)
      throw new Error(`Bytes from ${startByte}, ${lastBytes.length} of them, do not end at ${totalBytes}`);
    const upload = this.#uploads.get(request.session.uri);
    if (upload === undefined)
      throw new Fault('upload_session_lost', 'The target does not know the upload session');
    if (upload.committed !== null) return { kind: 'committed', object: upload.committed };
    if (startByte <= upload.bytes.length) appendUnseen(upload, startByte, lastBytes);
    const keptBytes = upload.bytes.length;
    if (keptBytes !== totalBytes)
      throw new Fault(
        keptBytes < totalBytes ? 'target_error' : 'upload_session_lost',
        `The upload is not finished: the target keeps ${keptBytes} of ${totalBytes} bytes`,
      );
    const metadata = { ...upload.metadata, custom: { ...upload.metadata.custom, ...request.custom } };
    // Every end but a commit leaves a session that cannot be used again.
    this.#uploads.delete(request.session.uri);
    this.#admit(upload.location, metadata);
    requireChecksum(upload.location, upload.bytes, request.crc32c);
    if (!this.#holds(upload.location, upload.condition)) return { kind: 'conflict' };
    const object = this.#store(upload.location, upload.bytes, metadata);
    this.#uploads.set(request.session.uri, { ...upload, bytes: Buffer.alloc(0), committed: object });
    return { kind: 'committed', object };
  }

  async cancelUpload(session: UploadSession, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#uploads.delete(session.uri);
  }

  async updateMetadata(
    request: {
      readonly location: ObjectLocation;
      readonly token: TargetToken;
      readonly metadata: TargetMetadata;
    },
    signal: AbortSignal,
  ): Promise<EffectAnswer> {
    signal.throwIfAborted();
    this.#admit(request.location, request.metadata);
    const found = this.#bucket(request.location.bucket).get(request.location.key);
    if (found === undefined || tokenOf(found) !== request.token) return { kind: 'conflict' };
    found.metageneration += 1;
    found.metadata = structuredClone(request.metadata);
    return { kind: 'committed', object: shown(found) };
  }

  async remove(
    request: { readonly location: ObjectLocation; readonly token: TargetToken },
    signal: AbortSignal,
  ): Promise<EffectAnswer> {
    signal.throwIfAborted();
    const { location, token } = request;
    const bucket = this.#bucket(location.bucket);
    const found = bucket.get(location.key);
    if (found === undefined || tokenOf(found) !== token) return { kind: 'conflict' };
    bucket.delete(location.key);
    return { kind: 'committed', object: null };
  }

  async list(request: ListRequest, signal: AbortSignal): Promise<TargetListPage> {
    signal.throwIfAborted();
    const after = behindOf(request);
    const rest = [...this.#bucket(request.bucket)]
      .filter(([key]) => key.startsWith(request.prefix))
      .map(([key, found]) => ({ key, bytes: Buffer.from(key), object: shown(found) }))
      .filter(({ bytes }) => after === null || Buffer.compare(bytes, after) > 0)
      .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
    const page = rest.slice(0, request.limit);
    const last = rest.length > page.length ? page.at(-1) : undefined;
    return {
      entries: page.map(({ key, object }) => ({ key, object })),
      nextCursor: last === undefined ? null : last.bytes.toString('base64'),
    };
  }

  #bucket(name: string): Map<string, StoredObject> {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined)
      throw new Fault('target_bucket_missing', `The bucket ${name} does not exist`, {
        details: { store: 'target', bucket: name },
      });
    return bucket;
  }

  /** Throws where the store could not keep an object of this name or with this metadata. */
  #admit(location: ObjectLocation, { custom }: TargetMetadata): void {
    this.#bucket(location.bucket);
    const problem = nameProblem(location);
    if (problem !== null) throw new Fault('name_not_storable', problem);
    const sizeBytes = Object.entries(custom).reduce(
      (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
      0,
    );
    if (sizeBytes > MAX_CUSTOM_METADATA_BYTES)
      throw new Fault(
        'metadata_too_large',
        `${sizeBytes} bytes of metadata; ${MAX_CUSTOM_METADATA_BYTES} fit`,
      );
  }

  #holds(location: ObjectLocation, condition: TargetCondition): boolean {
    const found = this.#bucket(location.bucket).get(location.key);
    return condition === (found === undefined ? 'absent' : tokenOf(found));
  }

  #store(location: ObjectLocation, bytes: Uint8Array, metadata: TargetMetadata): TargetObject {
    this.#lastGeneration += 1;
    const stored: StoredObject = {
      generation: this.#lastGeneration,
      metageneration: 1,
      bytes: Buffer.from(bytes),
      crc32c: crc32cToBase64(crc32c(bytes)),
      metadata: structuredClone(metadata),
    };
    this.#bucket(location.bucket).set(location.key, stored);
    return shown(stored);
  }
}

function appendUnseen(upload: Upload, startByte: number, bytes: Uint8Array): void {
  const unseen = bytes.subarray(upload.bytes.length - startByte);
  if (unseen.length > 0) upload.bytes = Buffer.concat([upload.bytes, unseen]);
}

function requireChecksum({ bucket, key }: ObjectLocation, bytes: Uint8Array, expected: string): void {
  const calculated = crc32cToBase64(crc32c(bytes));
  if (calculated !== expected)
    throw new Fault(
      'target_checksum_mismatch',
      `The bytes for ${bucket}/${key} have the CRC32C ${calculated}, not ${expected}`,
    );
}

function tokenOf({ generation, metageneration }: StoredObject): TargetToken {
  return `${generation}/${metageneration}` as TargetToken;
}

function shown(stored: StoredObject): TargetObject {
  return {
    token: tokenOf(stored),
    generation: String(stored.generation),
    sizeBytes: stored.bytes.length,
    crc32c: stored.crc32c,
    md5: null,
    metadata: structuredClone(stored.metadata),
  };
}

function nameProblem({ key }: ObjectLocation): string | null {
  if (key === '') return 'An object name cannot be empty';
  if (!key.isWellFormed()) return 'The name is not valid Unicode: it holds half of a surrogate pair';
  if (Buffer.byteLength(key) > MAX_NAME_BYTES) return `The name has more than ${MAX_NAME_BYTES} bytes`;
  if (/[\r\n]/.test(key)) return 'The name holds a carriage return or a line feed';
  if (key === '.' || key === '..') return `An object cannot be named "${key}"`;
  return null;
}

/** The name behind which a page begins, as bytes; null from the first one on. */
function behindOf({ after, cursor }: ListRequest): Buffer | null {
  if (cursor !== null) return Buffer.from(cursor, 'base64');
  return after === undefined ? null : Buffer.from(after);
}
