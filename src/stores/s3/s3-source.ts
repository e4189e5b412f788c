// The S3 driver of the ObjectSource port: Amazon S3 and every store that speaks its API. It asks once and says what
// the answer proves; retries, pacing and decisions live elsewhere.
//
// A HEAD is the cheap look, but its refusals carry no document: the same request as a GET tells the code, and only
// the code can tell a missing object from a missing bucket or a missing permission.
import type { Clock } from '../../core/clock.ts';
import type { Fault } from '../../core/faults.ts';
import type { ObjectLocation } from '../../core/object.ts';
import type {
  ObjectSource,
  SourceListPage,
  SourceLook,
  SourceRead,
  SourceReadRequest,
} from '../../core/object-source.ts';
import type { CredentialsProvider } from '../../aws/credentials.ts';
import type { HttpClient } from '../../exchange/connections.ts';
import { type ErrorAnswer, isDeleteMarker } from './error-answer.ts';
import { answerFault, networkFault, type RequestContext } from './faults.ts';
import { listQuery, readListPage } from './list-page.ts';
import type { BodyLimits } from './object-body.ts';
import {
  CHECKSUM_MODE,
  openRead,
  provedAbsence,
  provesChange,
  readPermission,
  readRequest,
  stateOfWhole,
} from './read-object.ts';
import { dropBody, type S3Answer, type S3Request, SignedRequests } from './signed-requests.ts';

export interface S3SourceOptions {
  readonly region: string;
  /** Base URL of another provider or a test server; null for Amazon. With an endpoint buckets are in the path. */
  readonly endpoint: string | null;
  readonly credentials: CredentialsProvider;
  /** The account id that must own the bucket; null where any may. Sent with every request. */
  readonly expectedOwner: (bucket: string) => string | null;
  readonly clock: Clock;
  /** TCP and TLS together; 5 s by default. */
  readonly connectTimeoutMs?: number;
  /** From the request to the answer's headers; 30 s by default. */
  readonly headersTimeoutMs?: number;
  /** A body without a byte for this long is broken; 30 s by default. */
  readonly bodyIdleTimeoutMs?: number;
  /** A body slower than this over a whole idle timeout is broken; 1,024 by default. */
  readonly minBytesPerSec?: number;
  /** Most connections to one host; 256 by default. */
  readonly connections?: number;
  /** Our own client by default. */
  readonly httpClient?: HttpClient;
}

/** Room for 1,000 keys of 1,024 bytes, each byte percent-encoded, with what stands around them. */
const LIST_LIMIT_BYTES = 16 * 1024 * 1024;

type SourceListRequest = Parameters<ObjectSource['list']>[0];

/** A source that holds connections: closing it ends every one, also those in use. */
export type OpenSource = ObjectSource & { close(): Promise<void> };

/** Opens the source. Nothing is sent before the first call. */
export async function openS3Source(options: S3SourceOptions): Promise<OpenSource> {
  return new S3Source(options);
}

class S3Source implements OpenSource {
  readonly #options: S3SourceOptions;
  readonly #requests: SignedRequests;
  readonly #limits: BodyLimits;

  constructor(options: S3SourceOptions) {
    const { region, endpoint, credentials, clock } = options;
    const bodyIdleTimeoutMs = options.bodyIdleTimeoutMs ?? 30_000;
    this.#options = options;
    this.#limits = { clock, bodyIdleTimeoutMs, minBytesPerSec: options.minBytesPerSec ?? 1024 };
    this.#requests = new SignedRequests({
      region,
      endpoint,
      credentials,
      clock,
      connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
      headersTimeoutMs: options.headersTimeoutMs ?? 30_000,
      bodyIdleTimeoutMs,
      connections: options.connections ?? 256,
      httpClient: options.httpClient ?? 'own',
    });
  }

  async look(location: ObjectLocation, signal: AbortSignal): Promise<SourceLook> {
    const { bucket, key } = location;
    const request: S3Request = { method: 'HEAD', bucket, key, query: {}, headers: CHECKSUM_MODE };
    const head = await this.#send(request, signal);
    if (head.kind === 'success') {
      dropBody(head.body);
      return { kind: 'present', state: stateOfWhole(head, location) };
    }
    if (isDeleteMarker(head.answer)) return { kind: 'absent', proof: 'delete_marker' };
    // An overloaded store has said enough; a second request would only add to its load.
    if (head.answer.status === 429 || head.answer.status >= 500) {
      throw this.#fault(head.answer, request, 's3:GetObject');
    }
    const get = await this.#send({ ...request, method: 'GET' }, signal);
    if (get.kind === 'success') {
      dropBody(get.body);
      return { kind: 'present', state: stateOfWhole(get, location) };
    }
    const absence = provedAbsence(get.answer);
    if (absence === null) throw this.#fault(get.answer, request, 's3:GetObject');
    return absence;
  }

  async read(wanted: SourceReadRequest, signal: AbortSignal): Promise<SourceRead> {
    const request = readRequest(wanted);
    const answer = await this.#send(request, signal);
    if (answer.kind === 'success') return openRead(wanted, answer, this.#limits, signal);
    if (wanted.pin !== null && provesChange(answer.answer)) return { kind: 'changed' };
    const absence = wanted.pin === null ? provedAbsence(answer.answer) : null;
    if (absence === null) throw this.#fault(answer.answer, request, readPermission(request));
    return absence;
  }

  async list(wanted: SourceListRequest, signal: AbortSignal): Promise<SourceListPage> {
    const { bucket } = wanted;
    const request: S3Request = { method: 'GET', bucket, key: null, query: listQuery(wanted), headers: {} };
    const answer = await this.#send(request, signal);
    if (answer.kind === 'error') throw this.#fault(answer.answer, request, 's3:ListBucket');
    let document: string;
    try {
      document = await this.#requests.readText(answer.body, LIST_LIMIT_BYTES);
    } catch (error) {
      signal.throwIfAborted();
      throw networkFault(error, `the list of ${bucket}`);
    }
    return readListPage(document, bucket);
  }

  async close(): Promise<void> {
    await this.#requests.close();
  }

  async #send(request: S3Request, signal: AbortSignal): Promise<S3Answer> {
    const owner = this.#options.expectedOwner(request.bucket);
    if (owner === null) return this.#requests.send(request, signal);
    const headers = { ...request.headers, 'x-amz-expected-bucket-owner': owner };
    return this.#requests.send({ ...request, headers }, signal);
  }

  #fault(answer: ErrorAnswer, request: S3Request, permission: RequestContext['permission']): Fault {
    const { region, clock, expectedOwner } = this.#options;
    const { bucket, key } = request;
    const context = { permission, bucket, key, region, expectedOwner: expectedOwner(bucket) };
    return answerFault(answer, context, clock.nowMs());
  }
}
