// A network between a queue and its PostgreSQL server that a test can cut: all connections at once, or exactly where a
// commit is sent or answered.
import { once } from 'node:events';
import { createServer, connect, type Socket } from 'node:net';

/** The name under which the driver keeps its COMMIT prepared; and the server's word for a commit that was made. */
const COMMIT_SENT = 'replicator-commit';
const COMMIT_ANSWERED = 'COMMIT\0';

export interface PostgresProxy {
  /** The same address, through the proxy. */
  through(url: string): string;
  /** Cuts the connection of the next commit: before the server gets it, or before its answer arrives. */
  loseNextCommit(what: 'request' | 'answer'): void;
  /** How many commits were lost so far. */
  readonly lostCommits: number;
  /** Cuts every connection; while `isOpen` is false new ones are cut too. */
  cutAll(isOpen: boolean): void;
  /** Everything that the server sends arrives so much later from now on. */
  delayAnswers(ms: number): void;
  close(): Promise<void>;
}

/** What the proxy does to its connections. */
class Network {
  readonly pairs = new Set<readonly [Socket, Socket]>();
  isOpen = true;
  lose: 'request' | 'answer' | null = null;
  lostCommits = 0;
  delayMs = 0;

  /** Carries what both sides say, as far as it lets them. */
  carry(client: Socket, upstream: Socket): void {
    const pair = [client, upstream] as const;
    this.pairs.add(pair);
    const cut = (): void => {
      this.pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', cut);
      socket.on('close', cut);
    }
    if (!this.isOpen) cut();
    let isCommitting = false;
    client.on('data', (chunk) => {
      const lost = chunk.includes(COMMIT_SENT) ? this.#takeLoss() : null;
      if (lost === 'request') {
        cut();
        return;
      }
      isCommitting ||= lost === 'answer';
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (isCommitting) {
        if (chunk.includes(COMMIT_ANSWERED)) cut();
      } else if (this.delayMs === 0) client.write(chunk);
      else setTimeout(() => client.write(chunk), this.delayMs);
    });
  }

  cutAll(): void {
    for (const sockets of this.pairs) for (const socket of sockets) socket.destroy();
  }

  #takeLoss(): 'request' | 'answer' | null {
    const { lose } = this;
    this.lose = null;
    if (lose !== null) this.lostCommits += 1;
    return lose;
  }
}

/** Starts a proxy to the server of this address. */
export async function startPostgresProxy(serverUrl: string): Promise<PostgresProxy> {
  const target = new URL(serverUrl);
  const network = new Network();
  const server = createServer((client) =>
    network.carry(client, connect(Number(target.port), target.hostname)),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port could be had');
  return {
    through(url) {
      const proxied = new URL(url);
      proxied.port = String(address.port);
      return proxied.href;
    },
    loseNextCommit(what) {
      network.lose = what;
    },
    get lostCommits() {
      return network.lostCommits;
    },
    cutAll(isOpen) {
      network.isOpen = isOpen;
      network.cutAll();
    },
    delayAnswers(ms) {
      network.delayMs = ms;
    },
    close: async () => {
      network.cutAll();
      server.close();
      await once(server, 'close');
    },
  };
}
