// An address on loopback that keeps what is posted to it, for tests of those who deliver.
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export interface Posted {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface ListeningAddress {
  readonly url: string;
  /** In the order of arrival. */
  readonly posts: readonly Posted[];
  /** Resolves once so many have arrived. */
  arrived(count: number): Promise<readonly Posted[]>;
}

/** Listens until the test ends. `statusOf` answers the post with this number, from 1; 200 by default. */
export async function listen(
  t: TestContext,
  statusOf: (count: number) => number = () => 200,
): Promise<ListeningAddress> {
  const posts: Posted[] = [];
  const changed = new EventTarget();
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      posts.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body });
      response.writeHead(statusOf(posts.length)).end();
      changed.dispatchEvent(new Event('post'));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    posts,
    arrived: async (count) => {
      while (posts.length < count)
        await new Promise((resolve) => changed.addEventListener('post', resolve, { once: true }));
      return posts;
    },
  };
}
