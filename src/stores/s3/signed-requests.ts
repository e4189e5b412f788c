// One signed request to S3 and its answer. Two refusals are corrected, once each, because the driver alone can: old
// credentials are renewed and a wrong clock is put right by the store's own Date. Nothing else is repeated here.
import { StringDecoder } from 'node:string_decoder';
import type { Clock } from '../../core/clock.ts';
import { Fault } from '../../core/faults.ts';
import { isCreeping } from '../../core/pace.ts';
import { untilAborted } from '../../core/until-aborted.ts';
import type { AnswerBody, Connections, HttpClient } from '../../exchange/connections.ts';
import { Limit } from '../../exchange/limit.ts';
import { openConnections } from '../../exchange/open-connections.ts';
import { type Addressing, canonicalQuery, createAddressing } from './addressing.ts';
import type { AwsCredentials, CredentialsProvider } from '../../aws/credentials.ts';
import { type ErrorAnswer, readErrorAnswer } from './error-answer.ts';
import { networkFault } from './faults.ts';
import { type Headers, header } from './header-text.ts';
import { createSigner, EMPTY_PAYLOAD_SHA256, type Signer } from './signature.ts';

export interface RequestsOptions {
  readonly region: string;
  readonly endpoint: string | null;
  readonly credentials: CredentialsProvider;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  readonly connections: number;
  readonly httpClient: HttpClient;
}

export interface S3Request {
  readonly method: 'GET' | 'HEAD';
  readonly bucket: string;
  /** Null addresses the bucket. */
  readonly key: string | null;
  readonly query: Readonly<Record<string, string>>;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}

/** `success`: a 2xx; its body must be read to the end, dropped or destroyed. `error`: read to the end already. */
export type S3Answer =
  | {
      readonly kind: 'success';
      readonly status: number;
      readonly headers: Headers;
      readonly body: AnswerBody;
    }
  | { readonly kind: 'error'; readonly answer: ErrorAnswer };

/** Stores close idle connections after five seconds and more: a request must not meet one that is just closed. */
const KEEP_ALIVE_MS = 4_000;
const ERROR_DOCUMENT_LIMIT_BYTES = 64 * 1024;
const STALE_CREDENTIALS = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
  'InvalidToken',
  // A key that was rotated away: its successor may lie where the old one came from.
  'InvalidAccessKeyId',
]);
const WRONG_TIME = new Set(['RequestTimeTooSkewed', 'RequestInTheFuture']);

/** The connections to one provider. */
export class SignedRequests {
  readonly #connections: Connections;
  readonly #addressing: Addressing;
  readonly #sign: Signer;
  readonly #credentials: CredentialsProvider;
  readonly #clock: Clock;
  readonly #bodyIdleTimeoutMs: number;
  /** What has to be added to this machine's clock to get the store's. */
  #clockOffsetMs = 0;

  constructor(options: RequestsOptions) {
    this.#addressing = createAddressing(options.region, options.endpoint);
    this.#sign = createSigner(options.region);
    this.#credentials = options.credentials;
    this.#clock = options.clock;
    this.#bodyIdleTimeoutMs = options.bodyIdleTimeoutMs;
    const { connections, connectTimeoutMs, headersTimeoutMs, bodyIdleTimeoutMs } = options;
    this.#connections = openConnections(options.httpClient, {
      connections,
      connectTimeoutMs,
      headersTimeoutMs,
      bodyIdleTimeoutMs,
      keepAliveMs: KEEP_ALIVE_MS,
    });
  }

  /** Sends one request. Throws connection and credential faults, or the signal's reason. */
  async send(request: S3Request, signal: AbortSignal): Promise<S3Answer> {
    signal.throwIfAborted();
    let credentials = await untilAborted(this.#credentials(), signal);
    let mayRenew = true;
    let mayCorrectClock = true;
    for (;;) {
      const answer = await this.#sendOnce(request, credentials, signal);
      if (answer.kind === 'success') return answer;
      const code = answer.answer.code ?? '';
      if (mayRenew && STALE_CREDENTIALS.has(code)) {
        mayRenew = false;
        const renewed = await untilAborted(this.#credentials({ rejected: credentials }), signal);
        // The same keys again would only be refused again.
        if (renewed === credentials) return answer;
        credentials = renewed;
      } else if (mayCorrectClock && WRONG_TIME.has(code)) {
        mayCorrectClock = false;
        const storeMs = Date.parse(header(answer.answer.headers, 'date') ?? '');
        if (Number.isNaN(storeMs)) return answer;
        this.#clockOffsetMs = storeMs - this.#clock.nowMs();
      } else {
        return answer;
      }
    }
  }

  /** The text of a small document. What follows after `limitBytes` is not read. */
  async readText(body: AnswerBody, limitBytes: number): Promise<string> {
    const startedMs = this.#clock.monotonicMs();
    const decoder = new StringDecoder('utf8');
    let text = '';
    let total = 0;
    for await (const chunk of body) {
      text += decoder.write(chunk);
      total += chunk.length;
      if (total > limitBytes) break;
      const elapsedMs = this.#clock.monotonicMs() - startedMs;
      if (isCreeping(elapsedMs, total, this.#bodyIdleTimeoutMs))
        throw new Fault('source_error', `A document of the source came too slowly: ${total} bytes so far`, {
          details: { store: 'source' },
        });
    }
    return text + decoder.end();
  }

  /** Ends every connection, also those in use. */
  async close(): Promise<void> {
    await this.#connections.close();
  }

  async #sendOnce(request: S3Request, credentials: AwsCredentials, signal: AbortSignal): Promise<S3Answer> {
    const { origin, host, path } = this.#addressing(request.bucket, request.key);
    const query = canonicalQuery(request.query);
    const headers = this.#sign(
      {
        method: request.method,
        path,
        query,
        headers: { ...request.headers, host },
        payloadSha256: EMPTY_PAYLOAD_SHA256,
      },
      credentials,
      this.#clock.nowMs() + this.#clockOffsetMs,
    );
    // Not signed, because a proxy may add to them.
    headers['accept-encoding'] = 'identity';
    headers['user-agent'] = 'cross-cloud-replicator';
    try {
      const target = query === '' ? path : `${path}?${query}`;
      const {
        status,
        headers: answered,
        body,
      } = await this.#connections.exchange(
        { origin, path: target, method: request.method, headers, body: null },
        // The caller's signal ends a body as well, however late it is read.
        new Limit(signal, null),
      );
      if (status >= 200 && status < 300) return { kind: 'success', status, headers: answered, body };
      const text = await this.readText(body, ERROR_DOCUMENT_LIMIT_BYTES);
      return { kind: 'error', answer: readErrorAnswer(status, answered, text) };
    } catch (error) {
      signal.throwIfAborted();
      throw networkFault(error, origin);
    }
  }
}

const SMALL_REST_BYTES = 64 * 1024;

/** Frees the connection of a body that nobody wants: a short rest is read away, a long one costs the connection. */
export function dropBody(body: AnswerBody): void {
  body.drop(SMALL_REST_BYTES);
}
