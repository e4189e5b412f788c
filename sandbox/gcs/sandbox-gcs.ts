// Google Cloud Storage in memory, over real HTTP on loopback: the JSON API as far as the service and its tests use it,
// with the real answers where they are awkward. What it does not have is answered with 501, never with a success.
import type { SandboxAnswer } from '../http-answer.ts';
import { type SandboxRequest, type SandboxServer, startSandboxServer, withMore } from '../http-server.ts';
import { AccessRules, checkBearerToken } from './access.ts';
import { GcsError, NotModified, errorAnswer, notImplemented } from './errors.ts';
import { Query } from './gcs-query.ts';
import { routeCall, sessionIdOf } from './gcs-router.ts';
import { objectResource } from './object-resource.ts';
import { type BucketOptions, type StoredObject, StoreState } from './store-state.ts';
import { UploadSessions } from './upload-sessions.ts';

export interface SandboxGcsOptions {
  /** 0, the default, picks a free one. */
  readonly port?: number;
  /** Requests without `Authorization: Bearer <this>` are answered 401; none is needed by default. */
  readonly bearerToken?: string;
  /** False: only size, CRC32C and MD5 of objects are kept, so that huge objects cost no memory. True by default. */
  readonly keepBytes?: boolean;
  /** 429 for a second change of one object name within a second; false by default. */
  readonly rateLimitPerObject?: boolean;
  /** The clock of generations, retention, the rate limit and the life of upload sessions. */
  readonly nowMs?: () => number;
  /** Told of every new state of an object at the moment it becomes visible; null: the object was removed. */
  readonly onChange?: (name: string, object: SandboxObject | null) => void;
}

/** A live object as tests see it. */
export interface SandboxObject {
  readonly bucket: string;
  readonly name: string;
  readonly generation: string;
  readonly metageneration: string;
  readonly sizeBytes: number;
  readonly crc32c: string;
  /** Null for a composed object. */
  readonly md5: string | null;
  /** Custom metadata; empty when there is none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The whole JSON resource. */
  readonly resource: Readonly<Record<string, unknown>>;
  /** The content in pieces; null where bytes are not kept. */
  readonly blocks: readonly Uint8Array[] | null;
  /** The content in one piece; throws where bytes are not kept. */
  read(): Buffer;
}

export interface SandboxGcs extends SandboxServer {
  /** Throws when the bucket exists. */
  createBucket(name: string, options?: BucketOptions): void;
  /** The live objects of a bucket, in byte order of their names. Throws when the bucket does not exist. */
  objects(bucket: string): readonly SandboxObject[];
  /** Null when there is no live object of this name. Throws when the bucket does not exist. */
  getObject(bucket: string, name: string): SandboxObject | null;
  /** Takes a permission such as `storage.objects.create` (or `all`) away: calls that need it are answered 403. */
  deny(permission: string): void;
  /** Gives a denied permission back; `all` gives every one back. */
  allow(permission: string): void;
  /** Upload sessions that can still be written to. */
  readonly openSessions: number;
  /** Ends every open upload session: it answers 410 from now on. */
  loseSessions(): void;
}

/** Starts a sandbox on loopback; `close` stops it and forgets everything. */
export async function startSandboxGcs(options: SandboxGcsOptions = {}): Promise<SandboxGcs> {
  const nowMs = options.nowMs ?? Date.now;
  const access = new AccessRules();
  const sessions = new UploadSessions(nowMs);
  const state = new StoreState({
    nowMs,
    access,
    keepBytes: options.keepBytes ?? true,
    rateLimitPerObject: options.rateLimitPerObject ?? false,
    onChange: (name, object) => options.onChange?.(name, object === null ? null : view(object)),
  });
  const answer = async (request: SandboxRequest): Promise<SandboxAnswer> => {
    const query = new Query(request.rawQuery);
    const baseUrl = `http://${request.headers.host ?? '127.0.0.1'}`;
    if (sessionIdOf({ request, query }) === null)
      checkBearerToken(request.headers.authorization, options.bearerToken ?? null);
    return routeCall({ request, query, baseUrl, state, sessions, access });
  };
  const server = await startSandboxServer(
    async (request) => refusalsAnswered(request, answer),
    options.port ?? 0,
  );
  const view = (object: StoredObject): SandboxObject =>
    viewOf(object, objectResource(object, server.url, state.bucket(object.bucket)));
  return withMore<SandboxGcs>(server, {
    createBucket: (name, bucketOptions = {}) => {
      state.createBucket(name, bucketOptions);
    },
    objects: (bucketName) => {
      const bucket = state.bucket(bucketName);
      return state.sortedNames(bucket).flatMap((name) => state.generations(bucket, name, false).map(view));
    },
    getObject: (bucketName, name) => {
      const object = state.live(bucketName, name);
      return object === null ? null : view(object);
    },
    deny: (permission) => access.deny(permission),
    allow: (permission) => access.allow(permission),
    get openSessions() {
      return sessions.openCount;
    },
    loseSessions: () => sessions.loseAll(),
  });
}

async function refusalsAnswered(
  request: SandboxRequest,
  answer: (request: SandboxRequest) => Promise<SandboxAnswer>,
): Promise<SandboxAnswer> {
  try {
    return await answer(request);
  } catch (error) {
    if (error instanceof NotModified) return { status: 304 };
    if (error instanceof GcsError) return errorAnswer(error);
    throw error;
  }
}

function viewOf(object: StoredObject, resource: Readonly<Record<string, unknown>>): SandboxObject {
  const { blocks, sizeBytes, crc32c, md5 } = object.bytes;
  return {
    bucket: object.bucket,
    name: object.name,
    generation: object.generation,
    metageneration: String(object.metageneration),
    sizeBytes,
    crc32c,
    md5,
    metadata: object.fields.metadata ?? {},
    resource,
    blocks,
    read: () => {
      if (blocks === null) throw notImplemented('reading bytes of a bucket that keeps only their checksums');
      return Buffer.concat(blocks);
    },
  };
}
