// A delivery of Amazon SNS as a message with names for its parts, and the text that its signature is of. Nothing here
// is believed: that the parts are there says nothing about where they come from.
import { field, quoted, textField } from '../json-value.ts';

const TYPES = ['Notification', 'SubscriptionConfirmation', 'UnsubscribeConfirmation'] as const;

export interface SnsMessage {
  readonly type: (typeof TYPES)[number];
  readonly messageId: string;
  readonly topicArn: string;
  readonly message: string;
  /** Null where the message has none. */
  readonly subject: string | null;
  /** As it was written and signed. */
  readonly timestamp: string;
  /** The same in Unix milliseconds. */
  readonly sentAtMs: number;
  /** Null for notifications, as is the address. */
  readonly token: string | null;
  readonly subscribeUrl: string | null;
  /** 1: SHA-1, 2: SHA-256. */
  readonly signatureVersion: '1' | '2';
  readonly signature: Uint8Array;
  readonly signingCertUrl: string;
}

const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/;

/** Reads a parsed body; the problem names what is missing or wrong. */
export function readSnsMessage(
  document: unknown,
): { readonly message: SnsMessage } | { readonly problem: string } {
  const typeText = field(document, 'Type');
  const type = TYPES.find((known) => known === typeText);
  if (type === undefined) return { problem: `the Type is ${quoted(typeText)}` };
  const message = field(document, 'Message');
  if (typeof message !== 'string') return { problem: `the Message is ${quoted(message)}, not text` };
  const messageId = textField(document, 'MessageId');
  const topicArn = textField(document, 'TopicArn');
  const timestamp = textField(document, 'Timestamp');
  const signingCertUrl = textField(document, 'SigningCertURL');
  const signature = textField(document, 'Signature');
  const version = field(document, 'SignatureVersion');
  if (messageId === null || !/^[\w-]{1,64}$/.test(messageId)) return { problem: 'the MessageId is missing' };
  if (topicArn === null) return { problem: 'the TopicArn is missing' };
  const sentAtMs = timestamp !== null && TIMESTAMP.test(timestamp) ? Date.parse(timestamp) : Number.NaN;
  if (timestamp === null || Number.isNaN(sentAtMs)) return { problem: 'the Timestamp is missing or no time' };
  if (signature === null || !/^[A-Za-z0-9+/]{1,2048}={0,2}$/.test(signature) || signingCertUrl === null)
    return { problem: 'it carries no signature' };
  if (version !== '1' && version !== '2') return { problem: `the SignatureVersion is ${quoted(version)}` };
  const token = textField(document, 'Token');
  const subscribeUrl = textField(document, 'SubscribeURL');
  if (type !== 'Notification' && (token === null || subscribeUrl === null))
    return { problem: `the ${type} carries no Token or no SubscribeURL` };
  return {
    message: {
      type,
      messageId,
      topicArn,
      message,
      subject: textField(document, 'Subject'),
      timestamp,
      sentAtMs,
      token,
      subscribeUrl,
      signatureVersion: version,
      signature: Buffer.from(signature, 'base64'),
      signingCertUrl,
    },
  };
}

/**
 * The text that SNS signs: names and values on lines of their own, in the order of the names' bytes. Which of them
 * depends on the type of the message; a subject belongs to it only where there is one.
 */
export function stringToSign(message: SnsMessage): string {
  const { type, subject, token, subscribeUrl } = message;
  const isNotification = type === 'Notification';
  const parts: readonly (readonly [name: string, value: string | null])[] = [
    ['Message', message.message],
    ['MessageId', message.messageId],
    ['Subject', isNotification ? subject : null],
    ['SubscribeURL', isNotification ? null : subscribeUrl],
    ['Timestamp', message.timestamp],
    ['Token', isNotification ? null : token],
    ['TopicArn', message.topicArn],
    ['Type', type],
  ];
  return parts.map(([name, value]) => (value === null ? '' : `${name}\n${value}\n`)).join('');
}
