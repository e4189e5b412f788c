// The documents that SNS sends: their fields in its order and with its spaces, and the signature over them.
import { type KeyObject, sign } from 'node:crypto';

export type SnsDocumentType = 'Notification' | 'SubscriptionConfirmation' | 'UnsubscribeConfirmation';

/** The fields of one document by their names on the wire, in their order. */
export type SnsFields = Readonly<Record<string, string | object>>;

/** 1: SHA1. 2: SHA256. */
export type SignatureVersion = '1' | '2';

/** Which fields are signed, in the order in which they are; an absent one is left out. */
const signedFields: Readonly<Record<SnsDocumentType, readonly string[]>> = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: [
    'Message',
    'MessageId',
    'SubscribeURL',
    'Timestamp',
    'Token',
    'TopicArn',
    'Type',
  ],
  UnsubscribeConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
};

/** Signs the fields of a document; base64. */
export function signatureOf(
  type: SnsDocumentType,
  fields: SnsFields,
  privateKey: KeyObject,
  version: SignatureVersion,
): string {
  const toSign = signedFields[type]
    .flatMap((name) => {
      const value = fields[name];
      return typeof value === 'string' ? [`${name}\n${value}\n`] : [];
    })
    .join('');
  return sign(version === '1' ? 'sha1' : 'sha256', Buffer.from(toSign), privateKey).toString('base64');
}

/** As it is on the wire: one field a line, spaces around the colons. */
export function writeDocument(fields: SnsFields): string {
  const lines = Object.entries(fields).map(
    ([name, value]) => `  ${JSON.stringify(name)} : ${JSON.stringify(value)}`,
  );
  return `{\n${lines.join(',\n')}\n}`;
}
