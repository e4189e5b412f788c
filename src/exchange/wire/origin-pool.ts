// The connections to one origin: at most so many, the one used last first, and requests that wait for one in their order.
import { ExchangeError, NothingSent } from '../exchange-error.ts';
import { type ConnectionParts, WireConnection } from './wire-connection.ts';
import type { WireExchange } from './wire-exchange.ts';

export class OriginPool {
  readonly #parts: ConnectionParts;
  readonly #all = new Set<WireConnection>();
  readonly #free: WireConnection[] = [];
  /** In the order in which they came. */
  readonly #waiting = new Set<WireExchange>();
  readonly #connecting = new Set<WireConnection>();

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  /** For the header `host`. */
  get host(): string {
    return this.#parts.origin.host;
  }

  /** Sends it as soon as there is a connection for it. */
  add(exchange: WireExchange): void {
    for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop()) {
      if (free.isUsable) {
        free.carry(exchange);
        return;
      }
      free.end(new ExchangeError('HTTP_CONNECTION_ENDED', 'The connection ended while it was idle'));
    }
    this.#waiting.add(exchange);
    exchange.watch(() => {
      this.#waiting.delete(exchange);
      exchange.fail(exchange.reason);
    });
    this.#openForWaiting();
  }

  /** Ends every connection, and every request by `error`. */
  close(error: Error): void {
    for (const exchange of this.#waiting) exchange.fail(error);
    this.#waiting.clear();
    for (const connection of this.#all) connection.end(error, true);
  }

  /** Requests that no connection is being made for get one, as long as there may be one more. */
  #openForWaiting(): void {
    while (this.#connecting.size < this.#waiting.size && this.#all.size < this.#parts.options.connections) {
      const connection = new WireConnection(this.#parts, {
        free: (freed) => this.#freed(freed),
        ended: (ended, error) => this.#ended(ended, error),
      });
      this.#all.add(connection);
      this.#connecting.add(connection);
    }
  }

  #freed(connection: WireConnection): void {
    this.#connecting.delete(connection);
    const next = this.#takeWaiting();
    if (next === null) this.#free.push(connection);
    else connection.carry(next);
  }

  #ended(connection: WireConnection, error: Error | null): void {
    this.#connecting.delete(connection);
    this.#all.delete(connection);
    const index = this.#free.indexOf(connection);
    if (index !== -1) this.#free.splice(index, 1);
    if (error !== null) this.#takeWaiting()?.fail(new NothingSent(error));
    this.#openForWaiting();
  }

  #takeWaiting(): WireExchange | null {
    for (const exchange of this.#waiting) {
      this.#waiting.delete(exchange);
      return exchange;
    }
    return null;
  }
}
