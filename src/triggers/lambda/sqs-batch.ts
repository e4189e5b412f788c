// A batch of SQS messages as Lambda passes it, and the answer that Lambda reads. An answer that names no message (also
// one that is null or of another shape) deletes the whole batch; one that names a message which the batch does not hold
// returns the whole batch. Therefore every message that failed is named by its own id, and only such messages are.
import { field, textField } from '../json-value.ts';

/** One message of a batch. */
export interface BatchMessage {
  readonly messageId: string;
  /** Proof of this receipt; empty where Lambda passed none. */
  readonly receiptHandle: string;
  readonly body: string;
  /** Receipts so far, this one included; 1 where Lambda told nothing. */
  readonly receiveCount: number;
  /** The name of the queue that it came from; null where Lambda told nothing. */
  readonly queueName: string | null;
  /** When it was sent, in Unix milliseconds; null where Lambda told nothing. */
  readonly sentAtMs: number | null;
  /** The record as it came. */
  readonly record: unknown;
}

/** What Lambda reads after an SQS batch, where the event source mapping has ReportBatchItemFailures. */
export interface BatchAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** The messages of an SQS batch; null for any other event, and for a batch whose messages cannot be named. */
export function readSqsBatch(event: unknown): readonly BatchMessage[] | null {
  const records = field(event, 'Records');
  if (!Array.isArray(records) || records.length === 0) return null;
  const messages: BatchMessage[] = [];
  for (const record of records as readonly unknown[]) {
    const messageId = textField(record, 'messageId');
    const body = field(record, 'body');
    if (field(record, 'eventSource') !== 'aws:sqs' || messageId === null || typeof body !== 'string')
      return null;
    const attributes = field(record, 'attributes');
    messages.push({
      messageId,
      receiptHandle: textField(record, 'receiptHandle') ?? '',
      body,
      receiveCount: wholeNumber(field(attributes, 'ApproximateReceiveCount')) ?? 1,
      // arn:aws:sqs:REGION:ACCOUNT:NAME
      queueName: textField(record, 'eventSourceARN')?.split(':').at(-1) ?? null,
      sentAtMs: wholeNumber(field(attributes, 'SentTimestamp')),
      record,
    });
  }
  return messages;
}

/** The answer by which exactly these messages come back; none: all are done. */
export function answerBatch(failedIds: readonly string[]): BatchAnswer {
  return { batchItemFailures: failedIds.map((itemIdentifier) => ({ itemIdentifier })) };
}

/** Lambda passes the attributes as texts. */
function wholeNumber(value: unknown): number | null {
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value)) return null;
  return Number(value);
}
