// How many connections may be open, and how many of them one address may have, so that a single caller who opens many
// and sends nothing leaves room for everybody else. Counted here and not by the listening sockets, which are several.

/** A proxy that all callers come through still has thousands. */
const ADDRESS_SHARE = 0.5;
const MIN_ADDRESS_CONNECTIONS = 16;

interface Connection {
  readonly remoteAddress?: string | undefined;
  once(event: 'close', listener: () => void): unknown;
}

/** Which bound a connection was beyond. */
export type ConnectionBound = 'all' | 'address';

/** Counts the connections that it is shown. */
export class ConnectionShares {
  readonly #limit: number;
  readonly #addressLimit: number;
  readonly #openBy = new Map<string, number>();
  #open = 0;

  /** `limit`: connections that may be open in all. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#addressLimit = Math.max(MIN_ADDRESS_CONNECTIONS, limit * ADDRESS_SHARE);
  }

  /** Null where the connection may stay, until it closes; else the bound, and then it is not counted. */
  take(socket: Connection): ConnectionBound | null {
    const network = networkOf(socket.remoteAddress ?? '');
    const ofNetwork = this.#openBy.get(network) ?? 0;
    if (this.#open >= this.#limit) return 'all';
    if (ofNetwork >= this.#addressLimit) return 'address';
    this.#open += 1;
    this.#openBy.set(network, ofNetwork + 1);
    socket.once('close', () => this.#giveBack(network));
    return null;
  }

  #giveBack(network: string): void {
    this.#open -= 1;
    const left = (this.#openBy.get(network) ?? 1) - 1;
    if (left === 0) this.#openBy.delete(network);
    else this.#openBy.set(network, left);
  }
}

/** What an address counts as: of IPv6 its network of 64 bits, because whoever has one address of it has all of them. */
export function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address;
  const [head = [], tail] = address
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = tail === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...Array.from({ length: zeros }, () => '0'), ...(tail ?? [])].slice(0, 4).join(':');
}
