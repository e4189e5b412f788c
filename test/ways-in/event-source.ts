// What AWS does between a queue and a function: receives batches, calls the function, deletes what it did not report.
import { DeleteMessageBatchCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import type { SandboxSqs } from '../../sandbox/sqs/sandbox-sqs.ts';
import { sqsClient } from '../../sandbox/sqs/sqs-test-client.ts';
import { SANDBOX_KEYS } from '../../sandbox/two-clouds.ts';
import type { FunctionProcess } from '../lambda/function-process.ts';

interface EventSource {
  /** Throws where it has ended by an error. */
  assertRunning(): void;
  stop(): Promise<void>;
}

/** Begins to pass messages, batch after batch, until it is stopped. */
export function passMessagesTo(sqs: SandboxSqs, queue: string, called: FunctionProcess): EventSource {
  const stopping = new AbortController();
  const client = sqsClient(sqs.url, SANDBOX_KEYS);
  const QueueUrl = sqs.queueUrl(queue);
  let failure: unknown = null;
  const pass = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const received = await client.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: 10,
          WaitTimeSeconds: 1,
          VisibilityTimeout: 60,
          MessageSystemAttributeNames: ['All'],
        }),
      );
      const messages = received.Messages ?? [];
      if (messages.length === 0) continue;
      const end = await called.invoke({
        Records: messages.map((message) => ({
          messageId: message.MessageId,
          receiptHandle: message.ReceiptHandle,
          body: message.Body,
          attributes: message.Attributes,
          eventSource: 'aws:sqs',
        })),
      });
      if (end.kind !== 'response') throw new Error(`The function failed: ${end.errorMessage}`);
      const { batchItemFailures } = end.body as {
        readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
      };
      const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      const Entries = messages
        .filter(({ MessageId = '' }) => !failed.has(MessageId))
        // One message can be in a batch twice.
        .map(({ ReceiptHandle }, place) => ({ Id: String(place), ReceiptHandle }));
      if (Entries.length > 0) await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    }
  };
  const running = pass().catch((error: unknown) => {
    failure = error;
  });
  return {
    assertRunning: () => {
      if (failure !== null) throw failure as Error;
    },
    stop: async () => {
      stopping.abort();
      await running;
      client.destroy();
    },
  };
}
