// The driver over undici: its connections, its parser and its timeouts, but a leaner way to them than its own `request`:
// no stream, no signal and no resource of its own for a request that lasts a millisecond.
import { Agent, type Dispatcher, EnvHttpProxyAgent, errors } from 'undici';
import type {
  Connections,
  ConnectionsOptions,
  ExchangeAnswer,
  ExchangeRequest,
  HttpProxies,
} from './connections.ts';
import { ExchangeError, type ExchangeErrorCode, InvalidRequest, NothingSent } from './exchange-error.ts';
import { HeldBody } from './held-body.ts';
import type { Limit } from './limit.ts';

/** Nothing is sent before the first exchange. */
export function openUndiciConnections(
  options: ConnectionsOptions,
  proxies: HttpProxies | null = null,
): Connections {
  return new UndiciConnections(options, proxies);
}

class UndiciConnections implements Connections {
  readonly #agent: Dispatcher;
  /** Errors of making a connection: the requests that got one of these were never sent. */
  readonly #neverSent = new WeakSet<Error>();

  constructor(options: ConnectionsOptions, proxies: HttpProxies | null) {
    const settings: Agent.Options = {
      connections: options.connections,
      pipelining: 1,
      // What is proved about lengths, cuts and stalls is proved for HTTP/1.1; and one connection a request: large
      // uploads would share one window, and one loss would end them all.
      allowH2: false,
      connect: { timeout: options.connectTimeoutMs },
      headersTimeout: options.headersTimeoutMs,
      bodyTimeout: options.bodyIdleTimeoutMs,
      keepAliveTimeout: options.keepAliveMs,
    };
    this.#agent =
      proxies === null
        ? new Agent(settings)
        : new EnvHttpProxyAgent({
            ...settings,
            // Empty, and not left out: it would look for them in the environment.
            httpProxy: proxies.forHttp,
            httpsProxy: proxies.forHttps,
            noProxy: proxies.except,
          });
    // A proxy's agent does not tell this: a request that could not be sent is then one that nobody knows the end of.
    this.#agent.on('connectionError', (_origin, _targets, error) => {
      this.#neverSent.add(error);
    });
  }

  exchange(request: ExchangeRequest, limit: Limit): Promise<ExchangeAnswer> {
    return new Promise((resolve, reject) => {
      const handler = new Exchange(limit, resolve, reject, (error) => this.#told(error));
      this.#agent.dispatch(
        {
          origin: request.origin,
          path: request.path,
          method: request.method,
          headers: request.headers,
          body: bodyOf(request.body) as Dispatcher.DispatchOptions['body'] & {},
          // A HEAD would close its connection otherwise.
          reset: false,
        },
        handler,
      );
    });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #told(error: Error): Error {
    if (error instanceof errors.InvalidArgumentError) return new InvalidRequest(error.message);
    const own = ownError(error);
    return this.#neverSent.has(error) ? new NothingSent(own) : own;
  }
}

const OWN_CODES: Readonly<Record<string, ExchangeErrorCode>> = {
  UND_ERR_CONNECT_TIMEOUT: 'HTTP_CONNECT_TIMEOUT',
  UND_ERR_HEADERS_TIMEOUT: 'HTTP_HEADERS_TIMEOUT',
  UND_ERR_BODY_TIMEOUT: 'HTTP_BODY_TIMEOUT',
  UND_ERR_SOCKET: 'HTTP_CONNECTION_ENDED',
  UND_ERR_DESTROYED: 'HTTP_CONNECTIONS_CLOSED',
  UND_ERR_CLOSED: 'HTTP_CONNECTIONS_CLOSED',
  UND_ERR_HEADERS_OVERFLOW: 'HTTP_MALFORMED_ANSWER',
};

function ownError(error: Error): Error {
  // Errors of the parser often come without their code.
  const own =
    error.name === 'HTTPParserError'
      ? 'HTTP_MALFORMED_ANSWER'
      : 'code' in error && typeof error.code === 'string'
        ? OWN_CODES[error.code]
        : undefined;
  return own === undefined ? error : new ExchangeError(own, error.message, error);
}

/** undici may ask for the next piece before the former has left: what may be written over then is copied. */
function bodyOf(body: ExchangeRequest['body']): ExchangeRequest['body'] {
  return body !== null && Symbol.asyncIterator in body ? copied(body) : body;
}

async function* copied(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of body) yield Buffer.from(piece);
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #limit: Limit;
  readonly #resolve: (answer: ExchangeAnswer) => void;
  readonly #reject: (error: Error) => void;
  readonly #told: (error: Error) => Error;
  readonly #unwatch: () => void;
  #controller: Dispatcher.DispatchController | null = null;
  #body: HeldBody | null = null;

  constructor(
    limit: Limit,
    resolve: (answer: ExchangeAnswer) => void,
    reject: (error: Error) => void,
    told: (error: Error) => Error,
  ) {
    this.#limit = limit;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#told = told;
    this.#unwatch = limit.watch(() => this.#giveUp());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // It may have waited for a connection until nobody waits for it any more.
    if (this.#limit.reason !== null) this.#giveUp();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: ExchangeAnswer['headers'],
  ): void {
    if (status < 200) return;
    this.#body = new HeldBody(controller);
    this.#resolve({ status, headers, body: this.#body });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.push(chunk);
  }

  onResponseEnd(): void {
    this.#unwatch();
    this.#body?.close();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#unwatch();
    // That no connection could be made is told to the agent after the request.
    if (this.#body === null) queueMicrotask(() => this.#reject(this.#told(error)));
    else this.#body.fail(this.#told(error));
  }

  /** Without a connection there is nothing to abort yet: `onRequestStart` does it, should it come to that. */
  #giveUp(): void {
    const reason = this.#limit.reason as Error;
    if (this.#controller === null) this.#reject(reason);
    else this.#controller.abort(reason);
  }
}
