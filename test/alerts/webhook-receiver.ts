// A receiver of alerts over real HTTP, with the answers that a test scripts.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedMessage {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

export interface WebhookReceiver extends AsyncDisposable {
  readonly origin: string;
  /** The whole address; its path and query are the secret. */
  readonly address: string;
  readonly received: readonly ReceivedMessage[];
  /** The status of the next answers; `hang` never answers, `cut` ends the connection. */
  answerWith(answer: number | 'hang' | 'cut', headers?: Record<string, string>): void;
}

/** Starts on a free port of loopback, answering 200. */
export async function startReceiver(secretPath: string): Promise<WebhookReceiver> {
  const received: ReceivedMessage[] = [];
  let answer: number | 'hang' | 'cut' = 200;
  let answerHeaders: Record<string, string> = {};
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const { url: path = '', headers } = request;
      received.push({ path, headers, body: JSON.parse(text) as Record<string, unknown> });
      if (answer === 'hang') return;
      if (answer === 'cut') request.socket.destroy();
      else response.writeHead(answer, answerHeaders).end('the path was ' + path);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    address: origin + secretPath,
    received,
    answerWith(next, headers = {}) {
      answer = next;
      answerHeaders = headers;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
