// What Lambda does between a queue and a function: it receives batches, passes them on, reads the answer as documented,
// and deletes what is done. One mapping drives as many functions at once as processes are given to it.
import {
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { FunctionProcess } from './function-process.ts';
import type { InvocationEnd } from './runtime-api.ts';

const BATCH_SIZE = 10;

export interface MappingOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  /** What Lambda writes into each record: the function refuses the batch of another queue than its own. */
  readonly queueArn: string;
  readonly functions: readonly Pick<FunctionProcess, 'invoke'>[];
  /** ReportBatchItemFailures. */
  readonly reportsFailures: boolean;
  /** Asked whenever a queue had nothing to give. */
  readonly isOver: () => boolean;
}

/** Runs until `isOver`; returns how many invocations there were and how many of them failed. */
export async function runMapping(
  options: MappingOptions,
): Promise<{ readonly invocations: number; readonly failed: number }> {
  let invocations = 0;
  let failed = 0;
  const drive = async (target: Pick<FunctionProcess, 'invoke'>): Promise<void> => {
    for (;;) {
      const messages = await receive(options);
      if (messages.length === 0) {
        if (options.isOver()) return;
        continue;
      }
      invocations += 1;
      const end = await target.invoke({
        Records: messages.map((message) => recordOf(message, options.queueArn)),
      });
      if (end.kind === 'error') failed += 1;
      await deleteDone(options, messages, end);
    }
  };
  await Promise.all(options.functions.map(drive));
  return { invocations, failed };
}

/**
 * The ids of the messages that come back. An answer without a list, or with an empty one, is the success of all; one
 * that is of another shape, or names what is not in the batch, the failure of all.
 */
export function returnedIds(
  end: InvocationEnd,
  ids: readonly string[],
  reportsFailures: boolean,
): readonly string[] {
  if (end.kind === 'error') return ids;
  if (!reportsFailures) return [];
  const answer: unknown = end.body;
  if (answer === null || typeof answer !== 'object') return [];
  const list: unknown = 'batchItemFailures' in answer ? answer.batchItemFailures : null;
  if (list === null || list === undefined) return [];
  if (!Array.isArray(list)) return ids;
  const named = list.map((entry: unknown) =>
    typeof entry === 'object' && entry !== null && 'itemIdentifier' in entry ? entry.itemIdentifier : null,
  );
  return named.every((id) => typeof id === 'string' && ids.includes(id)) ? (named as string[]) : ids;
}

async function receive({ client, queueUrl }: MappingOptions): Promise<readonly Message[]> {
  const command = new ReceiveMessageCommand({
    QueueUrl: queueUrl,
    MaxNumberOfMessages: BATCH_SIZE,
    MessageSystemAttributeNames: ['All'],
    WaitTimeSeconds: 1,
  });
  return (await client.send(command)).Messages ?? [];
}

function recordOf({ MessageId, ReceiptHandle, Body, Attributes }: Message, queueArn: string): object {
  return {
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    attributes: Attributes,
    messageAttributes: {},
    eventSource: 'aws:sqs',
    eventSourceARN: queueArn,
    awsRegion: 'us-east-1',
  };
}

async function deleteDone(
  { client, queueUrl, reportsFailures }: MappingOptions,
  messages: readonly Message[],
  end: InvocationEnd,
): Promise<void> {
  const ids = messages.map(({ MessageId = '' }) => MessageId);
  const back = new Set(returnedIds(end, ids, reportsFailures));
  const Entries = messages.flatMap(({ MessageId = '', ReceiptHandle }, place) =>
    back.has(MessageId) ? [] : [{ Id: String(place), ReceiptHandle }],
  );
  if (Entries.length > 0) await client.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
}
