// One copy of a message in one queue, and the receipts that prove who received it.
import { randomBytes } from 'node:crypto';
import type { MessageAttributes } from './message-attributes.ts';
import { SqsError } from './sqs-errors.ts';

/** Ready: can be received. Delayed: not yet. In flight: received and hidden. */
export type MessagePlace = 'ready' | 'delayed' | 'in_flight' | 'gone';

export interface StoredMessage {
  /** The same at every receipt, also in the queue for dead letters. */
  readonly id: string;
  /** Of this copy, within its queue. */
  readonly serial: number;
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly traceHeader: string | null;
  readonly senderId: string;
  readonly sentAtMs: number;
  /** Null in a queue that is not first in, first out. */
  readonly group: { readonly id: string; readonly deduplicationId: string; readonly sequence: string } | null;
  /** The queue that gave it up; null for a message that was sent here. */
  readonly deadFromArn: string | null;
  place: MessagePlace;
  /** Of no meaning while it is ready. */
  hiddenUntilMs: number;
  receiveCount: number;
  firstReceivedAtMs: number | null;
  /** The number of the newest receipt; 0 before the first one. */
  receiptNumber: number;
}

/** What the sender is told. */
export interface SentMessage {
  readonly id: string;
  /** Null in a queue that is not first in, first out. */
  readonly sequence: string | null;
}

export interface Receipt {
  readonly queueName: string;
  readonly serial: number;
  readonly receiptNumber: number;
  readonly receivedAtMs: number;
}

/** As a client sees it: opaque, and never the same twice. */
export function writeReceipt(receipt: Receipt): string {
  const { queueName, serial, receiptNumber, receivedAtMs } = receipt;
  const salt = randomBytes(12).toString('hex');
  return Buffer.from(`AQEB ${queueName} ${serial} ${receiptNumber} ${receivedAtMs} ${salt}`).toString(
    'base64',
  );
}

/** Throws ReceiptHandleIsInvalid for what this queue has not given out. */
export function readReceipt(handle: string, queueName: string): Receipt {
  const text = Buffer.from(handle, 'base64').toString('utf8');
  const match = /^AQEB (\S+) (\d+) (\d+) (\d+) [0-9a-f]{24}$/.exec(text);
  if (match === null)
    throw new SqsError(
      'ReceiptHandleIsInvalid',
      `The input receipt handle "${handle}" is not a valid receipt handle.`,
    );
  const [, name = '', serial, receiptNumber, receivedAtMs] = match;
  if (name !== queueName)
    throw new SqsError(
      'ReceiptHandleIsInvalid',
      `The input receipt handle "${handle}" is not valid for this queue.`,
    );
  return {
    queueName: name,
    serial: Number(serial),
    receiptNumber: Number(receiptNumber),
    receivedAtMs: Number(receivedAtMs),
  };
}
