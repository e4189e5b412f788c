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
  /**
   * Cuts the connection of the next commit: before the server gets it, or before its answer arrives. `isLast`: before,
   * and every other connection with it, until `cutAll` lets new ones in again.
   */
  loseNextCommit(what: 'request' | 'answer', isLast?: boolean): void;
  /** How many commits were lost so far. */
  readonly lostCommits: number;
  /** Cuts every connection; while `isOpen` is false new ones are cut too. */
  cutAll(isOpen: boolean): void;
  /** Everything that the server sends arrives so much later from now on. */
  delayAnswers(ms: number): void;
  close(): Promise<void>;
}

/** Starts a proxy to the server of this address. */
export async function startPostgresProxy(serverUrl: string): Promise<PostgresProxy> {
  const target = new URL(serverUrl);
  const pairs = new Set<readonly [Socket, Socket]>();
  let isOpen = true;
  let lose: 'request' | 'answer' | null = null;
  let isLastCommit = false;
  let lostCommits = 0;
  let delayMs = 0;
  const cutPairs = (): void => pairs.forEach((sockets) => sockets.forEach((socket) => socket.destroy()));
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    let isCommitting = false;
    const cut = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', cut);
      socket.on('close', cut);
    }
    if (!isOpen) cut();
    client.on('data', (chunk) => {
      if (lose !== null && chunk.includes(COMMIT_SENT)) {
        const isRequest = lose === 'request';
        lose = null;
        lostCommits += 1;
        if (isLastCommit) {
          isOpen = false;
          return cutPairs();
        }
        if (isRequest) {
          cut();
          return;
        }
        isCommitting = true;
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (isCommitting) {
        if (chunk.includes(COMMIT_ANSWERED)) cut();
        return;
      }
      if (delayMs === 0) client.write(chunk);
      else setTimeout(() => client.write(chunk), delayMs);
    });
  });
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
    loseNextCommit(what, isLast = false) {
      lose = what;
      isLastCommit = isLast;
    },
    get lostCommits() {
      return lostCommits;
    },
    cutAll(open) {
      isOpen = open;
      cutPairs();
    },
    delayAnswers(ms) {
      delayMs = ms;
    },
    close: async () => {
      cutPairs();
      server.close();
      await once(server, 'close');
    },
  };
}
