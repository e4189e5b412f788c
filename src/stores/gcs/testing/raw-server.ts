// A server of one test: it keeps what was sent, byte for byte, and answers what the test says. For the tests of the
// driver alone; whole behaviour is tested on the sandbox.
import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { SYSTEM_CLOCK } from '../../../system-clock.ts';
import type { AccessTokens } from '../../../google/access-token.ts';
import { openGcsTarget } from '../gcs-target.ts';
import { TEST_HTTP_CLIENT } from '../../../../test/http-client.ts';

export interface RawRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Status, headers and body; or a function that does with the answer what it likes. */
export type RawAnswer =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Readonly<Record<string, unknown>>;
    }
  | ((response: ServerResponse) => void);

export interface RawServer {
  readonly url: string;
  readonly host: string;
  readonly requests: RawRequest[];
  close(): Promise<void>;
}

/** Starts a server on loopback that answers every request, its body read to the end, with what `answer` returns. */
export async function startRawServer(answer: (request: RawRequest) => RawAnswer): Promise<RawServer> {
  const requests: RawRequest[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('error', () => {});
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const request = {
        method: incoming.method ?? '',
        url: incoming.url ?? '',
        headers: incoming.headers,
        body: Buffer.concat(chunks),
      };
      requests.push(request);
      const answered = answer(request);
      if (typeof answered === 'function') {
        answered(response);
        return;
      }
      const { body = '' } = answered;
      response.writeHead(answered.status, answered.headers);
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const host = `127.0.0.1:${address.port}`;
  return {
    url: `http://${host}`,
    host,
    requests,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The driver on an endpoint, with short timeouts. */
export async function openOn(
  endpoint: string,
  accessToken: AccessTokens | null = null,
): ReturnType<typeof openGcsTarget> {
  return await openGcsTarget({
    endpoint,
    accessToken,
    clock: SYSTEM_CLOCK,
    timeouts: { connectMs: 1_000, headersMs: 300, bodyIdleMs: 300 },
    connections: 4,
    httpClient: TEST_HTTP_CLIENT,
  });
}

/** An object resource as the store shows it. */
export function resource(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    kind: 'storage#object',
    generation: '1760000000000001',
    metageneration: '1',
    size: '5',
    crc32c: 'mnG7TA==',
    md5Hash: 'XUFAKrxLKna5cZ2REBfFkg==',
    contentType: 'text/plain',
    ...fields,
  };
}

/** An error answer in the form of the JSON API. */
export function refusal(status: number, reason: string, message: string): RawAnswer {
  return {
    status,
    body: { error: { code: status, message, errors: [{ message, domain: 'global', reason }] } },
  };
}
