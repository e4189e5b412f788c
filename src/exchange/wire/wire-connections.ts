// Our own HTTP/1.1 client: one pool of connections per origin, on `net` and `tls` alone. It sends every request at most
// once and never follows, decodes or repeats anything.
import type { Connections, ConnectionsOptions, ExchangeAnswer, ExchangeRequest } from '../connections.ts';
import { ExchangeError } from '../exchange-error.ts';
import type { Limit } from '../limit.ts';
import { parseOrigin } from './open-socket.ts';
import { OriginPool } from './origin-pool.ts';
import { requestHead } from './request-head.ts';
import { SlabPool } from './slab-pool.ts';
import { WireExchange } from './wire-exchange.ts';

/** Nothing is sent before the first exchange. */
export function openWireConnections(options: ConnectionsOptions): Connections {
  return new WireConnections(options);
}

class WireConnections implements Connections {
  readonly #options: ConnectionsOptions;
  readonly #slabs = new SlabPool();
  readonly #pools = new Map<string, OriginPool>();
  #isClosed = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  exchange(request: ExchangeRequest, limit: Limit): Promise<ExchangeAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw closed();
      if (limit.reason !== null) throw limit.reason;
      const pool = this.#poolOf(request.origin);
      pool.add(new WireExchange(request, requestHead(request, pool.host), limit, resolve, reject));
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const pool of this.#pools.values()) pool.close(closed());
  }

  #poolOf(origin: string): OriginPool {
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = new OriginPool({
        origin: parseOrigin(origin),
        tls: { session: null, context: null },
        slabs: this.#slabs,
        options: this.#options,
      });
      this.#pools.set(origin, pool);
    }
    return pool;
  }
}

function closed(): ExchangeError {
  return new ExchangeError('HTTP_CONNECTIONS_CLOSED', 'The connections were closed');
}
