// The SQS driver over HTTP for the message queue contract: queues are made with Amazon's own client at any server that
// speaks the protocol of SQS.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { MessageQueue } from '../../src/core/message-queue.ts';
import { openSqsMessageQueue } from '../../src/messages/sqs/sqs-message-queue.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import type { MessageQueueFixture } from './message-queue-fixture.ts';

/** How a server is reached, and how time passes there: for servers that others wrote, as it does here. */
export interface ServerOfQueues {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** The server's own way to move its time and to say that somebody waits; null: nothing but waiting. */
  readonly control: {
    nowMs(): number;
    pass(ms: number): void;
    untilPolled(queueName: string): Promise<void>;
  } | null;
  /** Called after the queues were closed. */
  close(): Promise<void>;
}

/** An uncontrolled server has taken a request by then; where it has not, time passes here all the same. */
const REQUEST_MS = 100;

export function queuesOverHttp(server: ServerOfQueues): MessageQueueFixture {
  const { endpoint, credentials, control } = server;
  const region = 'us-east-1';
  const maker = new SQSClient({ endpoint, region, credentials });
  const opened: MessageQueue[] = [];

  const make = async (attributes: Record<string, string>): Promise<string> => {
    const command = new CreateQueueCommand({ QueueName: `contract-${randomUUID()}`, Attributes: attributes });
    const { QueueUrl: queueUrl } = await maker.send(command);
    if (queueUrl === undefined) throw new Error('The server made a queue without an address');
    return queueUrl;
  };
  const arnOf = async (queueUrl: string): Promise<string> => {
    const command = new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['QueueArn'] });
    const { Attributes: attributes } = await maker.send(command);
    return attributes?.QueueArn ?? '';
  };
  const open = async (queueUrl: string): Promise<MessageQueue> => {
    const queue = await openSqsMessageQueue({
      queueUrl,
      region,
      endpoint,
      credentials: async () => credentials,
      clock: SYSTEM_CLOCK,
      connections: 8,
    });
    opened.push(queue);
    return queue;
  };

  const untilPolled = (queueUrl: string) => async (): Promise<void> =>
    control === null ? sleep(REQUEST_MS) : control.untilPolled(queueUrl.slice(queueUrl.lastIndexOf('/') + 1));

  return {
    async open({ visibilitySec = 30, maxReceiveCount }) {
      const attributes = { VisibilityTimeout: String(visibilitySec) };
      if (maxReceiveCount === undefined) {
        const queueUrl = await make(attributes);
        return { queue: await open(queueUrl), deadLetters: null, untilPolled: untilPolled(queueUrl) };
      }
      const deadLettersUrl = await make({});
      const RedrivePolicy = JSON.stringify({
        deadLetterTargetArn: await arnOf(deadLettersUrl),
        maxReceiveCount,
      });
      const queueUrl = await make({ ...attributes, RedrivePolicy });
      const deadLetters = await open(deadLettersUrl);
      return { queue: await open(queueUrl), deadLetters, untilPolled: untilPolled(queueUrl) };
    },
    async openMissing() {
      const neighbour = await make({});
      return open(neighbour.replace(/[^/]+$/, 'missing'));
    },
    pass: async (ms) => (control === null ? sleep(ms) : control.pass(ms)),
    nowMs: () => control?.nowMs() ?? Date.now(),
    async close() {
      for (const queue of opened) await queue.close();
      maker.destroy();
      await server.close();
    },
  };
}
