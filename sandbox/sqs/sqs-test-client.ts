// Amazon's own client on a sandbox SQS, and the few calls that tests of it repeat.
import {
  type Message,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SQSClient,
} from '@aws-sdk/client-sqs';
import type { TestContext } from 'node:test';
import { ManualClock } from '../sandbox-clock.ts';
import { type SandboxSqs, type SandboxSqsOptions, startSandboxSqs } from './sandbox-sqs.ts';

export const sqsTestKeys = { accessKeyId: 'AKTESTSANDBOX', secretAccessKey: 'sandbox/secret+key' };

export interface SqsUnderTest {
  readonly sqs: SandboxSqs;
  readonly client: SQSClient;
  readonly clock: ManualClock;
  /** Up to ten messages of the queue of that name. */
  readonly receive: (queue: string, request?: Partial<ReceiveMessageCommandInput>) => Promise<Message[]>;
}

/** A service with a clock that stands still, and a client that tries once; both end with the test. */
export async function startSqsUnderTest(
  t: TestContext,
  options: Partial<SandboxSqsOptions> = {},
): Promise<SqsUnderTest> {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const sqs = await startSandboxSqs({ ...sqsTestKeys, clock, ...options });
  const client = sqsClient(sqs.url);
  t.after(async () => {
    client.destroy();
    await sqs.close();
  });
  return {
    sqs,
    client,
    clock,
    receive: async (queue, request = {}) => {
      const command = new ReceiveMessageCommand({
        QueueUrl: sqs.queueUrl(queue),
        MaxNumberOfMessages: 10,
        ...request,
      });
      return (await client.send(command)).Messages ?? [];
    },
  };
}

export function sqsClient(url: string, credentials = sqsTestKeys): SQSClient {
  return new SQSClient({ endpoint: url, region: 'us-east-1', credentials, maxAttempts: 1 });
}
