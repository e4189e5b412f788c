// A plain HTTP server for the driver's own tests: it records what arrives, byte for byte, and answers what the test
// says, also what no honest store would answer.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../../core/clock.ts';
import { type OpenSource, openS3Source, type S3SourceOptions } from '../s3-source.ts';
import { TEST_HTTP_CLIENT } from '../../../../test/http-client.ts';

export interface SeenRequest {
  readonly method: string;
  /** Exactly as it stood on the wire. */
  readonly rawUrl: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** After this many bytes of the body the connection is cut, or stays open without another byte. */
  readonly end?: { readonly kind: 'cut' | 'stall' | 'trickle'; readonly afterBytes: number };
  /** Sends no Content-Length and ends the body by closing the connection. */
  readonly hasNoLength?: boolean;
}

export interface AnsweringServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: readonly SeenRequest[];
  /** Connections that were ever opened. */
  connectionCount(): number;
  openConnectionCount(): number;
}

/** `null` from `answer` leaves the request without an answer. */
export async function startAnsweringServer(
  answer: (request: SeenRequest, index: number) => Answer | null,
): Promise<AnsweringServer> {
  const seen: SeenRequest[] = [];
  let connectionCount = 0;
  let openCount = 0;
  const server = createServer((req, res) => {
    const request = { method: req.method ?? '', rawUrl: req.url ?? '', headers: req.headers };
    seen.push(request);
    res.on('error', () => {});
    const given = answer(request, seen.length - 1);
    if (given !== null) send(res, request.method, given);
  });
  server.on('connection', (socket) => {
    connectionCount += 1;
    openCount += 1;
    socket.once('close', () => {
      openCount -= 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    connectionCount: () => connectionCount,
    openConnectionCount: () => openCount,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function send(res: ServerResponse, method: string, answer: Answer): void {
  const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : (answer.body ?? new Uint8Array());
  if (answer.hasNoLength === true) {
    res.removeHeader('transfer-encoding');
    res.useChunkedEncodingByDefault = false;
    res.shouldKeepAlive = false;
    res.writeHead(answer.status, answer.headers);
    res.end(body);
    return;
  }
  res.writeHead(answer.status, { 'content-length': String(body.length), ...answer.headers });
  const { end } = answer;
  if (end === undefined || method === 'HEAD') {
    res.end(body);
    return;
  }
  res.write(body.subarray(0, end.afterBytes), () => {
    if (end.kind === 'cut') setImmediate(() => res.destroy());
  });
  if (end.kind === 'trickle') trickle(res, body.subarray(end.afterBytes));
}

/** One byte every few milliseconds, for as long as somebody listens. */
function trickle(res: ServerResponse, rest: Uint8Array): void {
  let sent = 0;
  const timer = setInterval(() => {
    if (sent >= rest.length) res.end();
    else res.write(rest.subarray(sent, sent + 1));
    sent += 1;
  }, 5);
  res.once('close', () => clearInterval(timer));
}

export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: () => Promise.reject(new Error('The driver does not sleep')),
};

export const testCredentials = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'a-secret-for-tests' };

/** A source at `server`, closed at the end of the scope. */
export async function openTestSource(
  server: { readonly url: string },
  options: Partial<S3SourceOptions> = {},
): Promise<OpenSource & AsyncDisposable> {
  const source = await openS3Source({
    region: 'eu-west-1',
    endpoint: server.url,
    credentials: async () => testCredentials,
    expectedOwner: () => null,
    clock: realClock,
    httpClient: TEST_HTTP_CLIENT,
    ...options,
  });
  return Object.assign(source, { [Symbol.asyncDispose]: async () => source.close() });
}

/** The headers of an object as S3 sends them. */
export function objectHeaders(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    etag: '"5d41402abc4b2a76b9719d911017c592"',
    'last-modified': 'Mon, 02 Nov 2026 10:00:00 GMT',
    'content-type': 'text/plain',
    ...extra,
  };
}

/** An error document as S3 writes it. */
export function errorDocument(code: string, message = 'said the store', rest = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${rest}<RequestId>R1</RequestId></Error>`;
}
