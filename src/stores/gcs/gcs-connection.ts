// HTTP to Google Cloud Storage: connections, tokens, timeouts, deadlines. It tells apart the three ends of a request:
// an answer, a fault before anything was sent, and NoAnswer, when nobody knows what the store did.
import { Agent, type Dispatcher, errors } from 'undici';
import type { Clock } from '../../core/clock.ts';
import { Fault } from '../../core/faults.ts';
import { isCreeping } from '../../core/pace.ts';
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

/** A page of the longest entries is about this long; anything longer is not what we asked for. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export class GcsConnection {
  readonly #options: ConnectionOptions;
  readonly #agent: Agent;
  /** Errors of making a connection: the requests that got one of these were never sent. */
  readonly #neverSent = new WeakSet<Error>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#agent = new Agent({
      connections: options.connections,
      connect: { timeout: options.timeouts.connectMs },
      headersTimeout: options.timeouts.headersMs,
      bodyTimeout: options.timeouts.bodyIdleMs,
      // Far below what Google's front ends allow, so that a request never meets a connection that is just closed:
      // such a write would be unanswered.
      keepAliveTimeout: 30_000,
      // One connection a request: large uploads would share one window, and one loss would end them all.
      allowH2: false,
    });
    this.#agent.on('connectionError', (_origin, _targets, error) => {
      this.#neverSent.add(error);
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
    const limit = new Limit(signal, request.deadlineMs, this.#options.clock);
    let isSent = false;
    try {
      const tokens = request.authorized ? this.#options.accessToken : null;
      const token = tokens === null ? null : await limit.race(tokens.get());
      isSent = true;
      const answer = await this.#exchange(request, token, limit.signal);
      if (answer.status !== 401 || tokens === null || request.body?.isOnce === true) return answer;
      isSent = false;
      const current = await limit.race(tokens.get());
      // Another request may have renewed the token while this one was on its way.
      const renewed = current === token ? await limit.race(tokens.refresh()) : current;
      isSent = true;
      return await this.#exchange(request, renewed, limit.signal);
    } catch (error) {
      signal.throwIfAborted();
      if (limit.isOver) throw overdue(request, isSent);
      throw error;
    } finally {
      limit.end();
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #exchange(request: GcsRequest, token: string | null, signal: AbortSignal): Promise<GcsAnswer> {
    const origin = request.origin ?? this.#options.origin;
    const headers: Record<string, string> = { 'user-agent': 'cross-cloud-replicator', ...request.headers };
    if (token !== null) headers['authorization'] = `Bearer ${token}`;
    if (request.body !== null) headers['content-length'] = String(request.body.lengthBytes);
    try {
      const {
        statusCode,
        headers: answered,
        body,
      } = await this.#agent.request({
        origin,
        path: request.path,
        method: request.method,
        headers,
        body:
          request.body === null
            ? null
            : (request.body.forUndici() as Dispatcher.DispatchOptions['body'] & {}),
        signal,
      });
      return { status: statusCode, headers: answered, text: await this.#readAll(body) };
    } catch (error) {
      const failure = request.body === null ? null : request.body.failure;
      if (failure !== null) throw failure.error;
      if (error instanceof Error && this.#neverSent.has(error)) throw unreachableFault(error, hostOf(origin));
      // A request that could not even be written is a mistake of ours, and no effect can be owed for it.
      if (error instanceof errors.InvalidArgumentError) throw error;
      throw new NoAnswer(brokenFault(error, request.subject));
    }
  }

  async #readAll(body: AsyncIterable<Uint8Array>): Promise<string> {
    const startedMs = this.monotonicMs();
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of body) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_ANSWER_BYTES)
        throw new Error(`The answer is longer than ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(chunk);
      if (isCreeping(this.monotonicMs() - startedMs, sizeBytes, this.#options.timeouts.bodyIdleMs))
        throw new Error(`The answer came too slowly: ${sizeBytes} bytes so far`);
    }
    return Buffer.concat(chunks).toString('utf8');
  }
}

/** The end of a request's time: the caller's signal or the deadline, whichever comes first. */
class Limit {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal;
  readonly #timer = new AbortController();
  readonly #onAbort = (): void => this.#controller.abort(this.#caller.reason);
  isOver = false;

  constructor(caller: AbortSignal, deadlineMs: number | null, clock: Clock) {
    this.#caller = caller;
    caller.addEventListener('abort', this.#onAbort, { once: true });
    if (deadlineMs !== null) void this.#watch(deadlineMs, clock);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The promise's end, or the limit's when that comes first. */
  async race<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this.#controller;
    signal.throwIfAborted();
    return await new Promise<T>((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  end(): void {
    this.#caller.removeEventListener('abort', this.#onAbort);
    this.#timer.abort();
  }

  async #watch(deadlineMs: number, clock: Clock): Promise<void> {
    try {
      await clock.sleep(deadlineMs, this.#timer.signal);
    } catch {
      // Ended before the deadline.
      return;
    }
    this.isOver = true;
    this.#controller.abort(new Error('The deadline of the request is over'));
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
