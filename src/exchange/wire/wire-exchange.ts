// One request on its way: what is to be sent, who waits for it, and for how long.
import type { ExchangeAnswer, ExchangeRequest } from '../connections.ts';
import type { Limit } from '../limit.ts';
import type { RequestHead } from './request-head.ts';

export class WireExchange {
  readonly request: ExchangeRequest;
  readonly head: RequestHead;
  readonly #limit: Limit;
  readonly #resolve: (answer: ExchangeAnswer) => void;
  readonly #reject: (error: unknown) => void;
  #unwatch: (() => void) | null = null;

  constructor(
    request: ExchangeRequest,
    head: RequestHead,
    limit: Limit,
    resolve: (answer: ExchangeAnswer) => void,
    reject: (error: unknown) => void,
  ) {
    this.request = request;
    this.head = head;
    this.#limit = limit;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Why nobody waits for it any more; null while somebody does. */
  get reason(): unknown {
    return this.#limit.reason;
  }

  /** From now on `tell` hears of the end of the limit, and nobody else. */
  watch(tell: () => void): void {
    this.#unwatch = this.#limit.watch(tell);
  }

  answer(answer: ExchangeAnswer): void {
    this.#resolve(answer);
  }

  /** Nothing may be told any more. */
  end(): void {
    this.#unwatch?.();
    this.#unwatch = null;
  }

  /** It is over without an answer. */
  fail(error: unknown): void {
    this.end();
    this.#reject(error);
  }
}
