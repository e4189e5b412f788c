// HTTP to Google Cloud Storage: connections, tokens, timeouts, deadlines. It tells apart the three ends of a request:
// an answer, a fault before anything was sent, and NoAnswer, when nobody knows what the store did.
import { StringDecoder } from 'node:string_decoder';
import type { Clock } from '../../core/clock.ts';
import { Fault } from '../../core/faults.ts';
import { isCreeping } from '../../core/pace.ts';
import type { Connections, HttpClient } from '../../exchange/connections.ts';
import { InvalidRequest, NothingSent } from '../../exchange/exchange-error.ts';
import { Limit } from '../../exchange/limit.ts';
import { openConnections } from '../../exchange/open-connections.ts';
import type { AccessTokens } from '../../google/access-token.ts';
import {
  brokenFault,
  detailsOfSubject,
  type GcsAnswer,
  type GcsRequestSubject,
  named,
  NoAnswer,
  unreachableFault,
} from './faults.ts';
import type { SentBody } from './sent-body.ts';

/** All in milliseconds. `headersMs` bounds a stalled send as well; `bodyIdleMs` is between two pieces of an answer. */
export interface GcsTimeouts {
  readonly connectMs: number;
  readonly headersMs: number;
  readonly bodyIdleMs: number;
}

export interface ConnectionOptions {
  /** `http(s)://host:port` without a path. */
  readonly origin: string;
  readonly accessToken: AccessTokens | null;
  readonly clock: Clock;
  readonly timeouts: GcsTimeouts;
  /** Upper bound of open connections to one host. */
  readonly connections: number;
  /** Our own client by default. */
  readonly httpClient?: HttpClient;
}

export interface GcsRequest {
  readonly subject: GcsRequestSubject;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Null for the endpoint's own; an upload session may name another one. */
  readonly origin: string | null;
  /** Path and query, already encoded, sent as it is. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: SentBody | null;
  /** False for an upload session, whose address is its own permission. */
  readonly authorized: boolean;
  /** Milliseconds until the request is given up; null leaves it to the timeouts. */
  readonly deadlineMs: number | null;
}

/**
 * Far below what Google's front ends allow, so that a request never meets a connection that is just closed: such a
 * write would be unanswered.
 */
const KEEP_ALIVE_MS = 30_000;

/** A page of the longest entries is about this long; anything longer is not what we asked for. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export class GcsConnection {
  readonly #options: ConnectionOptions;
  readonly #connections: Connections;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { connectMs, headersMs, bodyIdleMs } = options.timeouts;
    this.#connections = openConnections(options.httpClient ?? 'own', {
      connections: options.connections,
      connectTimeoutMs: connectMs,
      headersTimeoutMs: headersMs,
      bodyIdleTimeoutMs: bodyIdleMs,
      keepAliveMs: KEEP_ALIVE_MS,
    });
  }

  /** The wall time, for dates in answers. */
  nowMs(): number {
    return this.#options.clock.nowMs();
  }

  /** The monotonic time, for the rest of a deadline. */
  monotonicMs(): number {
    return this.#options.clock.monotonicMs();
  }

  get origin(): string {
    return this.#options.origin;
  }

  /**
   * Sends one request and reads the whole answer, whatever its status. A 401 to a request that can be sent again is
   * sent once more with a new token. Throws the signal's reason when it is aborted, the error of the body unchanged,
   * a Fault when nothing was sent, and NoAnswer otherwise.
   */
  async send(request: GcsRequest, signal: AbortSignal): Promise<GcsAnswer> {
    signal.throwIfAborted();
    const limit = new Limit(signal, request.deadlineMs);
    let isSent = false;
    try {
      const tokens = request.authorized ? this.#options.accessToken : null;
      const token = tokens === null ? null : await limit.race(tokens.get());
      isSent = true;
      const answer = await this.#exchange(request, token, limit);
      if (answer.status !== 401 || tokens === null || request.body?.isOnce === true) return answer;
      isSent = false;
      const current = await limit.race(tokens.get());
      // Another request may have renewed the token while this one was on its way.
      const renewed = current === token ? await limit.race(tokens.refresh()) : current;
      isSent = true;
      return await this.#exchange(request, renewed, limit);
    } catch (error) {
      signal.throwIfAborted();
      if (limit.isOver) throw overdue(request, isSent);
      throw error;
    } finally {
      limit.end();
    }
  }

  async close(): Promise<void> {
    await this.#connections.close();
  }

  async #exchange(request: GcsRequest, token: string | null, limit: Limit): Promise<GcsAnswer> {
    const origin = request.origin ?? this.#options.origin;
    const headers: Record<string, string> = { 'user-agent': 'cross-cloud-replicator', ...request.headers };
    if (token !== null) headers['authorization'] = `Bearer ${token}`;
    if (request.body !== null) headers['content-length'] = String(request.body.lengthBytes);
    try {
      const { path, method } = request;
      const body = request.body === null ? null : request.body.pieces();
      const answer = await this.#connections.exchange({ origin, path, method, headers, body }, limit);
      return { status: answer.status, headers: answer.headers, text: await this.#readAll(answer.body) };
    } catch (error) {
      const failure = request.body === null ? null : request.body.failure;
      if (failure !== null) throw failure.error;
      if (error instanceof NothingSent) throw unreachableFault(error, hostOf(origin));
      // A request that could not even be written is a mistake of ours, and no effect can be owed for it.
      if (error instanceof InvalidRequest) throw error;
      throw new NoAnswer(brokenFault(error, request.subject));
    }
  }

  async #readAll(body: AsyncIterable<Uint8Array>): Promise<string> {
    const startedMs = this.monotonicMs();
    const decoder = new StringDecoder('utf8');
    let text = '';
    let sizeBytes = 0;
    for await (const chunk of body) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_ANSWER_BYTES)
        throw new Error(`The answer is longer than ${MAX_ANSWER_BYTES} bytes`);
      text += decoder.write(chunk);
      if (isCreeping(this.monotonicMs() - startedMs, sizeBytes, this.#options.timeouts.bodyIdleMs))
        throw new Error(`The answer came too slowly: ${sizeBytes} bytes so far`);
    }
    return text + decoder.end();
  }
}

function overdue(request: GcsRequest, isSent: boolean): Error {
  if (!isSent)
    return new Fault(
      'credentials_unavailable',
      `No access token within ${request.deadlineMs} ms for the request to ${named(request.subject)}`,
      { details: { store: 'target' } },
    );
  return new NoAnswer(
    new Fault(
      'target_error',
      `Google Cloud Storage gave no answer within ${request.deadlineMs} ms to the request to ${named(request.subject)}`,
      { details: detailsOfSubject(request.subject) },
    ),
  );
}

function hostOf(origin: string): string {
  return origin.replace(/^https?:\/\//, '');
}
