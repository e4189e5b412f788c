// The little that a shell without an API tells over HTTP: whether it lives, whether it can work, and its metrics.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { randomUUID } from 'node:crypto';
import { type ApiKey, type AuthMode, createAuthorize } from './auth.ts';
import { guardHeaders, guardOrigin } from './origin-guard.ts';
import { problemAnswer, RequestProblem } from './problem.ts';

export interface WatchServerOptions {
  readonly host: string;
  readonly port: number;
  readonly auth: AuthMode;
  readonly apiKeys: readonly ApiKey[];
  /** It listens on loopback addresses only. */
  readonly isLoopbackOnly: boolean;
  /** Why the shell cannot work now, for people; null where it can. */
  readonly trouble: () => string | null;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface WatchServer {
  readonly url: string;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly contentType: string;
  readonly text: string;
}

/** Opens it. Rejects where it cannot listen. */
export async function openWatchServer(options: WatchServerOptions): Promise<WatchServer> {
  const authorize = createAuthorize(options.auth, options.apiKeys);
  const answer = async ({ method = '', url = '', headers, rawHeaders }: IncomingMessage): Promise<Answer> => {
    guardHeaders(rawHeaders);
    guardOrigin({ method, headers }, { ...options, publicUrl: null });
    if (method !== 'GET' && method !== 'HEAD')
      throw new RequestProblem('method_not_allowed', 'Only GET is answered here.', {
        headers: { allow: 'GET, HEAD' },
      });
    const path = url.split('?')[0];
    if (path === '/healthz') return json(200, { status: 'ok' });
    // Without details: everybody may ask.
    if (path === '/readyz') {
      const isReady = options.trouble() === null;
      return json(isReady ? 200 : 503, { ready: isReady });
    }
    if (path !== '/metrics')
      throw new RequestProblem('not_found', 'Here are /healthz, /readyz and /metrics, and nothing else.');
    authorize(headers.authorization, 'read');
    return { status: 200, headers: {}, ...(await options.metrics()) };
  };
  const server = createServer((request, response) => {
    void respond(request, response, answer);
  });
  server.listen({ host: options.host, port: options.port });
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (request: IncomingMessage) => Promise<Answer>,
): Promise<void> {
  const { status, headers, contentType, text } = await answer(request).catch((error: unknown): Answer => {
    const problem = problemAnswer(error, randomUUID());
    const { document } = problem;
    return { ...problem, contentType: 'application/problem+json', text: `${JSON.stringify(document)}\n` };
  });
  response.writeHead(status, {
    ...headers,
    'content-type': contentType,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

function json(status: number, body: object): Answer {
  return { status, headers: {}, contentType: 'application/json', text: `${JSON.stringify(body)}\n` };
}
