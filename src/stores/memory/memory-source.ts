// The reference of the ObjectSource port: an S3 in memory, with versions and delete markers. For tests and the
// simulation, so it takes the time from a clock and everything else from its callers: the same calls give the same
// states. It also does what real stores may do and code must bear: a chunk is gone as soon as the next is asked for.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { crc32c, crc32cToBase64 } from '../../core/checksum.ts';
import type { Clock } from '../../core/clock.ts';
import { Fault } from '../../core/faults.ts';
import {
  isSameState,
  type ObjectLocation,
  type SourceChecksum,
  type SourceMetadata,
  type SourceState,
} from '../../core/object.ts';
import type {
  ListRequest,
  ObjectSource,
  SourceListPage,
  SourceLook,
  SourceRead,
  SourceReadRequest,
} from '../../core/object-source.ts';

/** `off`: a write replaces. `enabled`: a write adds a version. `suspended`: a write replaces the version "null". */
export type Versioning = 'off' | 'enabled' | 'suspended';

export interface MemoryPutOptions {
  readonly metadata?: Partial<SourceMetadata>;
  /** The MD5 of the bytes by default; anything else is taken for no MD5, as after a multipart upload. */
  readonly etag?: string;
  /** The CRC32C of the bytes by default; null for an object without a checksum. */
  readonly checksum?: SourceChecksum | null;
  readonly storageClass?: string;
}

type Version =
  | { readonly kind: 'object'; readonly state: SourceState; readonly bytes: Uint8Array }
  | { readonly kind: 'delete_marker'; readonly versionId: string };

interface Bucket {
  versioning: Versioning;
  isListingDenied: boolean;
  /** Newest first. */
  readonly versionsByKey: Map<string, Version[]>;
}

type Absent = Extract<SourceLook, { kind: 'absent' }>;

const NO_METADATA: SourceMetadata = {
  contentType: 'binary/octet-stream',
  cacheControl: null,
  contentDisposition: null,
  contentLanguage: null,
  contentEncoding: null,
  expires: null,
  websiteRedirectLocation: null,
  user: {},
};

export class MemorySource implements ObjectSource {
  readonly #clock: Clock;
  readonly #chunkBytes: number;
  readonly #buckets = new Map<string, Bucket>();
  #versionCount = 0;
  #openBodyCount = 0;

  /** `chunkBytes`: the size of a body's pieces, 64 KiB by default. */
  constructor(options: {
    readonly clock: Clock;
    readonly buckets: readonly string[];
    readonly chunkBytes?: number;
  }) {
    this.#clock = options.clock;
    this.#chunkBytes = options.chunkBytes ?? 64 * 1024;
    for (const name of options.buckets) {
      this.#buckets.set(name, { versioning: 'off', isListingDenied: false, versionsByKey: new Map() });
    }
  }

  /** Bodies that were opened and neither read to their end, left nor discarded. */
  get openBodyCount(): number {
    return this.#openBodyCount;
  }

  setVersioning(bucket: string, versioning: Versioning): void {
    this.#bucket(bucket).versioning = versioning;
  }

  /** While denied, a list and a look at a missing key are `access_denied`, as without s3:ListBucket. */
  denyListing(bucket: string, isDenied: boolean): void {
    this.#bucket(bucket).isListingDenied = isDenied;
  }

  /** Writes an object and returns its state. The bytes are copied. */
  put(location: ObjectLocation, bytes: Uint8Array, options: MemoryPutOptions = {}): SourceState {
    const bucket = this.#bucket(location.bucket);
    const md5 = createHash('md5').update(bytes).digest();
    const etag = options.etag ?? md5.toString('hex');
    const crc: SourceChecksum = {
      algorithm: 'crc32c',
      value: crc32cToBase64(crc32c(bytes)),
      kind: 'full_object',
    };
    const state: SourceState = {
      etag,
      versionId: this.#nextVersionId(bucket),
      sizeBytes: bytes.length,
      // Whole seconds, as in the Last-Modified header: two writes within one second have the same time.
      lastModifiedMs: Math.floor(this.#clock.nowMs() / 1000) * 1000,
      md5: etag === md5.toString('hex') ? md5.toString('base64') : null,
      checksum: options.checksum === undefined ? crc : options.checksum,
      metadata: { ...NO_METADATA, ...options.metadata },
      storageClass: options.storageClass ?? 'STANDARD',
    };
    this.#add(bucket, location.key, { kind: 'object', state, bytes: Uint8Array.from(bytes) });
    return state;
  }

  /** Deletes without a version: the object, or a delete marker on top where the bucket has versions. */
  remove(location: ObjectLocation): void {
    const bucket = this.#bucket(location.bucket);
    const versionId = this.#nextVersionId(bucket);
    if (versionId === null) bucket.versionsByKey.delete(location.key);
    else this.#add(bucket, location.key, { kind: 'delete_marker', versionId });
  }

  /** Deletes one version or delete marker for good; what was below it becomes current. */
  removeVersion(location: ObjectLocation, versionId: string): void {
    const { versionsByKey } = this.#bucket(location.bucket);
    const left = (versionsByKey.get(location.key) ?? []).filter((version) => idOf(version) !== versionId);
    if (left.length === 0) versionsByKey.delete(location.key);
    else versionsByKey.set(location.key, left);
  }

  /** Version ids of a key, newest first, delete markers included. */
  versionIds(location: ObjectLocation): string[] {
    return (this.#bucket(location.bucket).versionsByKey.get(location.key) ?? []).map(idOf);
  }

  async look(location: ObjectLocation, signal: AbortSignal): Promise<SourceLook> {
    signal.throwIfAborted();
    const current = this.#current(location);
    return current.kind === 'absent' ? current : { kind: 'present', state: current.state };
  }

  async read(request: SourceReadRequest, signal: AbortSignal): Promise<SourceRead> {
    const { location, pin, startByte } = request;
    assert.ok(startByte === 0 || (pin !== null && startByte > 0 && startByte < pin.sizeBytes));
    signal.throwIfAborted();
    if (pin === null) {
      const current = this.#current(location);
      return current.kind === 'absent' ? current : this.#open(current, 0, signal);
    }
    const found = this.#pinned(location, pin, startByte);
    if (found === null || !isSameState(found.state, pin)) return { kind: 'changed' };
    return this.#open(found, startByte, signal);
  }

  async list(request: ListRequest, signal: AbortSignal): Promise<SourceListPage> {
    signal.throwIfAborted();
    const bucket = this.#bucket(request.bucket);
    if (bucket.isListingDenied) throw listingDenied(request.bucket);
    const after = behindOf(request);
    const found = [...bucket.versionsByKey]
      .filter(([key]) => key.startsWith(request.prefix))
      .map(([key, versions]) => ({ key, keyBytes: Buffer.from(key), newest: versions[0] }))
      .filter(({ keyBytes }) => after === null || Buffer.compare(keyBytes, after) > 0)
      .sort((a, b) => Buffer.compare(a.keyBytes, b.keyBytes))
      .flatMap(({ key, keyBytes, newest }) =>
        newest?.kind === 'object' ? [{ key, keyBytes, state: newest.state }] : [],
      );
    const page = found.slice(0, Math.max(1, request.limit));
    return {
      entries: page.map(({ key, state }) => ({
        key,
        etag: state.etag,
        sizeBytes: state.sizeBytes,
        lastModifiedMs: state.lastModifiedMs,
      })),
      nextCursor: page.length < found.length ? (page.at(-1)?.keyBytes.toString('base64') ?? null) : null,
    };
  }

  #bucket(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      throw new Fault('source_bucket_missing', `The source bucket ${name} does not exist`);
    }
    return bucket;
  }

  #nextVersionId(bucket: Bucket): string | null {
    if (bucket.versioning === 'off') return null;
    if (bucket.versioning === 'suspended') return 'null';
    this.#versionCount += 1;
    return `version-${this.#versionCount}`;
  }

  #add(bucket: Bucket, key: string, version: Version): void {
    const older = bucket.versioning === 'off' ? [] : (bucket.versionsByKey.get(key) ?? []);
    const kept = older.filter((other) => idOf(other) !== 'null' || idOf(version) !== 'null');
    bucket.versionsByKey.set(key, [version, ...kept]);
  }

  #current(location: ObjectLocation): Extract<Version, { kind: 'object' }> | Absent {
    const bucket = this.#bucket(location.bucket);
    const newest = bucket.versionsByKey.get(location.key)?.[0];
    if (newest?.kind === 'object') return shownIn(bucket, newest);
    if (bucket.isListingDenied) throw listingDenied(location.bucket);
    return { kind: 'absent', proof: newest === undefined ? 'no_such_key' : 'delete_marker' };
  }

  /** What a pinned read finds: the current object, or the pinned version where a long read goes on. */
  #pinned(
    location: ObjectLocation,
    pin: SourceState,
    startByte: number,
  ): Extract<Version, { kind: 'object' }> | null {
    const bucket = this.#bucket(location.bucket);
    const versions = bucket.versionsByKey.get(location.key) ?? [];
    const byId = startByte > 0 && pin.versionId !== null;
    const version = byId ? versions.find((other) => idOf(other) === pin.versionId) : versions[0];
    return version?.kind === 'object' ? shownIn(bucket, version) : null;
  }

  #open(version: Extract<Version, { kind: 'object' }>, startByte: number, signal: AbortSignal): SourceRead {
    let isOpen = true;
    this.#openBodyCount += 1;
    const release = (): void => {
      if (isOpen) this.#openBodyCount -= 1;
      isOpen = false;
    };
    const body = {
      [Symbol.asyncIterator]: () => {
        const chunks = chunksOf(version.bytes, startByte, this.#chunkBytes, signal, release);
        return {
          next: () => chunks.next(),
          return: () => {
            release();
            return chunks.return(undefined);
          },
        };
      },
    };
    return { kind: 'body', state: version.state, body, discard: release };
  }
}

async function* chunksOf(
  bytes: Uint8Array,
  startByte: number,
  chunkBytes: number,
  signal: AbortSignal,
  release: () => void,
): AsyncGenerator<Uint8Array, undefined, undefined> {
  const buffer = new Uint8Array(chunkBytes);
  try {
    for (let start = startByte; start < bytes.length; start += chunkBytes) {
      signal.throwIfAborted();
      const chunk = bytes.subarray(start, start + chunkBytes);
      buffer.set(chunk);
      yield buffer.subarray(0, chunk.length);
      // Whoever kept the chunk without copying it now sees something else.
      buffer.fill(0xdd);
    }
    signal.throwIfAborted();
    return undefined;
  } finally {
    release();
  }
}

/** What was written before versions were switched on is the version "null" since then. */
function shownIn(
  bucket: Bucket,
  version: Extract<Version, { kind: 'object' }>,
): Extract<Version, { kind: 'object' }> {
  if (bucket.versioning === 'off' || version.state.versionId !== null) return version;
  return { ...version, state: { ...version.state, versionId: 'null' } };
}

function idOf(version: Version): string {
  return (version.kind === 'object' ? version.state.versionId : version.versionId) ?? 'null';
}

function listingDenied(bucket: string): Fault {
  return new Fault('access_denied', `s3:ListBucket on arn:aws:s3:::${bucket} is denied`, {
    details: { store: 'source', permission: 's3:ListBucket' },
  });
}

/** The name behind which a page begins, as bytes; null from the first one on. */
function behindOf({ after, cursor }: ListRequest): Buffer | null {
  if (cursor !== null) return Buffer.from(cursor, 'base64');
  return after === undefined ? null : Buffer.from(after);
}
