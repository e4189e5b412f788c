// One HTTP exchange: a request, and its answer as it comes. A leaner way to the connections of undici than its own
// `request`: no stream, no signal and no resource of its own for a request that lasts a millisecond.
import type { Dispatcher } from 'undici';
import { AnswerBody } from './answer-body.ts';
import type { Limit } from './limit.ts';

export interface ExchangeRequest {
  /** `http(s)://host:port`. */
  readonly origin: string;
  /** Path and query, encoded; sent as they are. */
  readonly path: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers: Record<string, string>;
  readonly body: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array> | null;
}

export interface ExchangeAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Read to its end, or dropped, by whoever asked: it holds the connection. */
  readonly body: AnswerBody;
}

/**
 * Sends a request. Resolves with the head of the final answer; rejects with the limit's reason when that comes first,
 * with the error of the connection otherwise. A body that is read later ends by the same reasons.
 */
export function exchange(
  dispatcher: Dispatcher,
  request: ExchangeRequest,
  limit: Limit,
): Promise<ExchangeAnswer> {
  return new Promise((resolve, reject) => {
    const handler = new Exchange(limit, resolve, reject);
    dispatcher.dispatch(
      {
        origin: request.origin,
        path: request.path,
        method: request.method,
        headers: request.headers,
        body: request.body as Dispatcher.DispatchOptions['body'] & {},
        // A HEAD would close its connection otherwise.
        reset: false,
      },
      handler,
    );
  });
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #limit: Limit;
  readonly #resolve: (answer: ExchangeAnswer) => void;
  readonly #reject: (error: Error) => void;
  readonly #unwatch: () => void;
  #controller: Dispatcher.DispatchController | null = null;
  #body: AnswerBody | null = null;

  constructor(limit: Limit, resolve: (answer: ExchangeAnswer) => void, reject: (error: Error) => void) {
    this.#limit = limit;
    this.#resolve = resolve;
    this.#reject = reject;
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
    this.#body = new AnswerBody(controller);
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
    if (this.#body === null) this.#reject(error);
    else this.#body.fail(error);
  }

  /** Without a connection there is nothing to abort yet: `onRequestStart` does it, should it come to that. */
  #giveUp(): void {
    const reason = this.#limit.reason as Error;
    if (this.#controller === null) this.#reject(reason);
    else this.#controller.abort(reason);
  }
}
