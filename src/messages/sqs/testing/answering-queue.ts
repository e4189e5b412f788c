// A plain HTTP server for the driver's own tests: it records what arrives and answers what the test says, also what
// no honest queue would answer.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { AwsCredentials, CredentialsProvider } from '../../../aws/credentials.ts';
import type { MessageQueue } from '../../../core/message-queue.ts';
import { SYSTEM_CLOCK } from '../../../system-clock.ts';
import { openSqsMessageQueue } from '../sqs-message-queue.ts';

export interface QueueAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface SeenCall {
  /** Such as `ReceiveMessage`. */
  readonly action: string;
  readonly headers: IncomingHttpHeaders;
  readonly input: Readonly<Record<string, unknown>>;
}

export interface AnsweringQueue extends AsyncDisposable {
  readonly queue: MessageQueue;
  readonly queueUrl: string;
  readonly calls: readonly SeenCall[];
}

export const TEST_CREDENTIALS: AwsCredentials = { accessKeyId: 'AKIDQUEUE', secretAccessKey: 'a-secret' };

/** An answer of the JSON protocol. */
export function json(value: unknown): QueueAnswer {
  return { status: 200, body: JSON.stringify(value) };
}

/** Starts the server and opens the driver on it. `null` and `cut` leave a call without an answer. */
export async function startAnsweringQueue(
  answer: (call: SeenCall, index: number) => QueueAnswer | 'cut' | null,
  options: { readonly credentials?: CredentialsProvider; readonly answerTimeoutMs?: number } = {},
): Promise<AnsweringQueue> {
  const calls: SeenCall[] = [];
  const server = createServer((request, response) => void respond(request, response));
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const action = String(request.headers['x-amz-target']).replace('AmazonSQS.', '');
    const call = { action, headers: request.headers, input: JSON.parse(body) as SeenCall['input'] };
    calls.push(call);
    const given = answer(call, calls.length - 1);
    if (given === 'cut') request.socket.destroy();
    if (given === 'cut' || given === null) return;
    response.writeHead(given.status, { 'content-type': 'application/x-amz-json-1.0', ...given.headers });
    response.end(given.body);
  };
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const queueUrl = `http://127.0.0.1:${port}/111122223333/changes`;
  const queue = await openSqsMessageQueue({
    queueUrl,
    region: 'eu-central-1',
    endpoint: null,
    credentials: async () => TEST_CREDENTIALS,
    clock: SYSTEM_CLOCK,
    connections: 4,
    ...options,
  });
  return {
    queue,
    queueUrl,
    calls,
    async [Symbol.asyncDispose]() {
      await queue.close();
      const closed = new Promise((resolve) => {
        server.close(resolve);
      });
      server.closeAllConnections();
      await closed;
    },
  };
}
