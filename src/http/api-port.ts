// The port of the API. One listening socket gives the process one new connection in each turn of its event loop; while
// known callers keep it busy, new ones would wait for seconds. So where the system can share a port among several
// sockets, several take connections, and all hand them to the one server.
import { once } from 'node:events';
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net';
import type { HttpApp } from './http-deps.ts';

/** Connections that one turn may take. */
const ACCEPTORS = 64;
/**
 * New connections that wait until the process has time for them; the system takes what it allows of it. One that finds
 * no place is tried again by its sender after a second, and then after longer and longer.
 */
const BACKLOG = 4_096;

interface Place {
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
}

/** What it needs of the server. */
type ListeningApp = Pick<HttpApp, 'listen' | 'server'> & { close(): Promise<unknown> };

export class ApiPort {
  readonly #app: ListeningApp;
  /** Beside the server's own socket. */
  readonly #acceptors: Server[] = [];

  constructor(app: ListeningApp) {
    this.#app = app;
  }

  /**
   * Begins to listen and answers where. Rejects with the system's error, such as EADDRINUSE, where the port cannot be
   * had alone; whatever is open by then is closed by `close`.
   */
  async open({ host, port }: Place): Promise<string> {
    // A port that is shared can be had by a second process too, which would take half of the connections unseen.
    if (port !== 0) await proveFree({ host, port });
    const place = { host, port, backlog: BACKLOG };
    try {
      const shared = { ...place, reusePort: true };
      const url = await this.#app.listen(shared);
      const { port: ownPort } = this.#app.server.address() as AddressInfo;
      await this.#openAcceptors({ ...shared, port: ownPort });
      return url;
    } catch (error) {
      if (!isUnableToShare(error)) throw error;
      return this.#app.listen(place);
    }
  }

  /** Takes no connection any more; resolves when every request that was under way is answered. */
  async close(): Promise<void> {
    const closed = this.#acceptors.map(async (acceptor) => {
      acceptor.close();
      await once(acceptor, 'close');
    });
    await this.#app.close();
    await Promise.all(closed);
  }

  /** Ends every connection, whatever is under way. */
  cutConnections(): void {
    this.#app.server.closeAllConnections();
  }

  async #openAcceptors(place: ListenOptions): Promise<void> {
    while (this.#acceptors.length < ACCEPTORS - 1) {
      const acceptor = createServer((socket) => void this.#app.server.emit('connection', socket));
      await listen(acceptor, place);
      this.#acceptors.push(acceptor);
    }
  }
}

async function proveFree(place: ListenOptions): Promise<void> {
  const server = createServer();
  await listen(server, place);
  server.close();
  await once(server, 'close');
}

async function listen(server: Server, place: ListenOptions): Promise<void> {
  const listening = once(server, 'listening');
  server.listen(place);
  await listening;
}

function isUnableToShare(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTSUP' || error.code === 'EINVAL');
}
