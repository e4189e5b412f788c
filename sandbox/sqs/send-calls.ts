// Sending, one message or a batch of ten: what a message may be, and what the sender is told.
import { createHash } from 'node:crypto';
import {
  attributesMd5,
  attributesSizeBytes,
  type MessageAttributes,
  readMessageAttributes,
} from './message-attributes.ts';
import {
  batchEntries,
  type Fields,
  isFields,
  optionalNumber,
  optionalText,
  requiredText,
} from './request-fields.ts';
import { invalidParameter, SqsError } from './sqs-errors.ts';
import { requireQueue, type SqsAction, type SqsState } from './sqs-state.ts';
import type { NewMessage, StoredQueue } from './stored-queue.ts';

const longestDelaySec = 900;
const largestBatchBytes = 1_048_576;
// Surrogates that stand alone, and the control characters that XML 1.0 has no place for.
const invalidCharacters =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

export const sendMessage: SqsAction = (state, { fields }) => {
  const queue = requireQueue(state, fields);
  return send(queue, readMessage(state, queue, fields, 'MissingParameter'));
};

export const sendMessageBatch: SqsAction = (state, { fields }) => {
  const queue = requireQueue(state, fields);
  const entries = batchEntries(fields);
  const sizeBytes = entries.reduce(
    (sum, entry) =>
      sum +
      Buffer.byteLength(optionalText(entry, 'MessageBody') ?? '') +
      attributesSizeBytes(readMessageAttributes(entry)),
    0,
  );
  if (sizeBytes > largestBatchBytes)
    throw new SqsError(
      'BatchRequestTooLong',
      `Batch requests cannot be longer than ${largestBatchBytes} bytes. You have sent ${sizeBytes} bytes.`,
    );
  // Without the group no entry is sent at all.
  const messages = entries.map((entry) => {
    if (queue.attributes.isFifo) readGroup(queue, entry, 'InvalidParameterValue');
    return entry;
  });
  return eachEntry(messages, (entry) =>
    send(queue, readMessage(state, queue, entry, 'InvalidParameterValue')),
  );
};

/** Does it for each entry; what is refused for one holds back no other. */
export function eachEntry<E extends { readonly Id: string }>(
  entries: readonly E[],
  run: (entry: E) => object,
): object {
  const Successful: object[] = [];
  const Failed: object[] = [];
  for (const entry of entries) {
    try {
      Successful.push({ Id: entry.Id, ...run(entry) });
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      Failed.push({ Id: entry.Id, Code: error.batchCode, Message: error.message, SenderFault: true });
    }
  }
  return { Successful, Failed };
}

function send(queue: StoredQueue, message: NewMessage): object {
  const { id, sequence } = queue.send(message);
  const md5OfAttributes = attributesMd5(message.attributes);
  return {
    MessageId: id,
    MD5OfMessageBody: md5Of(message.body),
    ...(md5OfAttributes === null ? {} : { MD5OfMessageAttributes: md5OfAttributes }),
    ...(message.traceHeader === null
      ? {}
      : {
          MD5OfMessageSystemAttributes: attributesMd5({
            AWSTraceHeader: { DataType: 'String', StringValue: message.traceHeader },
          }),
        }),
    ...(sequence === null ? {} : { SequenceNumber: sequence }),
  };
}

type MissingGroup = 'MissingParameter' | 'InvalidParameterValue';

function readMessage(state: SqsState, queue: StoredQueue, fields: Fields, missing: MissingGroup): NewMessage {
  const body = requiredText(fields, 'MessageBody');
  if (invalidCharacters.test(body))
    throw new SqsError(
      'InvalidMessageContents',
      'Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF',
    );
  const attributes = readMessageAttributes(fields);
  checkSize(queue, body, attributes);
  return {
    body,
    attributes,
    traceHeader: readTraceHeader(fields),
    senderId: state.accountId,
    delaySec: readDelay(queue, fields),
    group: queue.attributes.isFifo ? readGroup(queue, fields, missing) : null,
  };
}

function checkSize(queue: StoredQueue, body: string, attributes: MessageAttributes): void {
  const most = queue.attributes.number('MaximumMessageSize');
  if (Buffer.byteLength(body) + attributesSizeBytes(attributes) > most)
    throw new SqsError(
      'InvalidParameterValue',
      `One or more parameters are invalid. Reason: Message must be shorter than ${most} bytes.`,
    );
}

function readDelay(queue: StoredQueue, fields: Fields): number | null {
  const delaySec = optionalNumber(fields, 'DelaySeconds');
  if (delaySec === null) return null;
  if (delaySec < 0 || delaySec > longestDelaySec)
    throw invalidParameter('DelaySeconds', delaySec, `DelaySeconds must be >= 0 and <= ${longestDelaySec}.`);
  if (!queue.attributes.isFifo) return delaySec;
  if (delaySec === 0) return null;
  throw invalidParameter(
    'DelaySeconds',
    delaySec,
    'The request include parameter that is not valid for this queue type.',
  );
}

function readGroup(
  queue: StoredQueue,
  fields: Fields,
  missing: MissingGroup,
): NonNullable<NewMessage['group']> {
  const id = optionalText(fields, 'MessageGroupId') ?? '';
  if (id === '') throw new SqsError(missing, 'The request must contain the parameter MessageGroupId.');
  const given = optionalText(fields, 'MessageDeduplicationId');
  if (given !== null) return { id, deduplicationId: given };
  if (!queue.attributes.isDeduplicatedByContent)
    throw new SqsError(
      'InvalidParameterValue',
      'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    );
  const body = optionalText(fields, 'MessageBody') ?? '';
  return { id, deduplicationId: createHash('sha256').update(body).digest('hex') };
}

/** The one attribute that the service itself knows; null where it is not given. */
function readTraceHeader(fields: Fields): string | null {
  const system = fields['MessageSystemAttributes'];
  const trace = isFields(system) ? system['AWSTraceHeader'] : undefined;
  return isFields(trace) ? optionalText(trace, 'StringValue') : null;
}

export function md5Of(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
