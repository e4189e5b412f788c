// Receiving, deleting and hiding: by long polling that wakes when something comes, and by receipts.
import { attributesMd5, chosenAttributes } from './message-attributes.ts';
import { batchEntries, type Fields, optionalNumber, requiredText, textList } from './request-fields.ts';
import { eachEntry, md5Of } from './send-calls.ts';
import { invalidParameter, SqsError } from './sqs-errors.ts';
import { queueByArn, requireQueue, type SqsAction } from './sqs-state.ts';
import type { StoredMessage } from './stored-message.ts';
import type { Receiving } from './stored-queue.ts';

export const receiveMessage: SqsAction = async (state, { fields, gone }) => {
  const queue = requireQueue(state, fields);
  const waitSec =
    limited(fields, 'WaitTimeSeconds', 0, 20) ?? queue.attributes.number('ReceiveMessageWaitTimeSeconds');
  const receiving: Receiving = {
    max: limited(fields, 'MaxNumberOfMessages', 1, 10) ?? 1,
    visibilitySec:
      limited(fields, 'VisibilityTimeout', 0, 43_200) ?? queue.attributes.number('VisibilityTimeout'),
    giveUp: (message, arn) => queueByArn(state, arn)?.takeOver(message, { deadFromArn: queue.arn }),
  };
  const untilMs = state.clock.nowMs() + waitSec * 1000;
  for (;;) {
    // What a caller that is gone would be given would be hidden for nothing.
    const taken = gone.aborted ? [] : queue.receive(receiving);
    if (taken.length > 0)
      return { Messages: taken.map(({ message, receipt }) => shown(message, receipt, fields)) };
    if (waitSec === 0 && queue.isFull) throw new SqsError('OverLimit', 'Too many messages are in flight.');
    if (gone.aborted || state.clock.nowMs() >= untilMs) return {};
    await queue.change(untilMs, gone);
    if (state.queues.get(queue.name) !== queue)
      throw new SqsError('QueueDoesNotExist', 'The specified queue does not exist.');
  }
};

export const deleteMessage: SqsAction = (state, { fields }) => {
  requireQueue(state, fields).delete(requiredText(fields, 'ReceiptHandle'));
  return {};
};

export const deleteMessageBatch: SqsAction = (state, { fields }) => {
  const queue = requireQueue(state, fields);
  return eachEntry(batchEntries(fields), (entry) => {
    queue.delete(requiredText(entry, 'ReceiptHandle'));
    return {};
  });
};

export const changeMessageVisibility: SqsAction = (state, { fields }) => {
  requireQueue(state, fields).changeVisibility(requiredText(fields, 'ReceiptHandle'), visibilityOf(fields));
  return {};
};

export const changeMessageVisibilityBatch: SqsAction = (state, { fields }) => {
  const queue = requireQueue(state, fields);
  return eachEntry(batchEntries(fields), (entry) => {
    queue.changeVisibility(requiredText(entry, 'ReceiptHandle'), visibilityOf(entry));
    return {};
  });
};

function visibilityOf(fields: Fields): number {
  const seconds = optionalNumber(fields, 'VisibilityTimeout');
  if (seconds === null)
    throw new SqsError('MissingParameter', 'The request must contain the parameter VisibilityTimeout.');
  return seconds;
}

/** Null where the parameter is absent. */
function limited(fields: Fields, name: string, least: number, most: number): number | null {
  const value = optionalNumber(fields, name);
  if (value === null || (value >= least && value <= most)) return value;
  const between = `Must be between ${least} and ${most}, if provided.`;
  throw invalidParameter(
    name,
    value,
    name === 'WaitTimeSeconds' ? `Must be >= ${least} and <= ${most}, if provided.` : between,
  );
}

function shown(message: StoredMessage, receipt: string, fields: Fields): object {
  const asked = new Set(
    ['AttributeNames', 'MessageSystemAttributeNames'].flatMap((name) => textList(fields, name)),
  );
  const system = Object.entries(systemAttributes(message)).filter(
    ([name]) => asked.has('All') || asked.has(name),
  );
  const attributes = chosenAttributes(message.attributes, textList(fields, 'MessageAttributeNames'));
  const md5 = attributesMd5(attributes);
  return {
    MessageId: message.id,
    ReceiptHandle: receipt,
    MD5OfBody: md5Of(message.body),
    Body: message.body,
    ...(system.length === 0 ? {} : { Attributes: Object.fromEntries(system) }),
    ...(md5 === null ? {} : { MD5OfMessageAttributes: md5, MessageAttributes: attributes }),
  };
}

function systemAttributes(message: StoredMessage): Record<string, string> {
  const { group, traceHeader, deadFromArn } = message;
  return {
    SenderId: message.senderId,
    ApproximateFirstReceiveTimestamp: String(message.firstReceivedAtMs ?? 0),
    ApproximateReceiveCount: String(message.receiveCount),
    SentTimestamp: String(message.sentAtMs),
    ...(group === null
      ? {}
      : {
          MessageDeduplicationId: group.deduplicationId,
          MessageGroupId: group.id,
          SequenceNumber: group.sequence,
        }),
    ...(traceHeader === null ? {} : { AWSTraceHeader: traceHeader }),
    ...(deadFromArn === null ? {} : { DeadLetterQueueSourceArn: deadFromArn }),
  };
}
