// Signs messages as Amazon SNS does, with a key of its own. The text that is signed is put together here a second time,
// from the description of SNS, so that a mistake on one side shows.
import { type KeyObject, randomUUID, sign } from 'node:crypto';

export const TOPIC_ARN = 'arn:aws:sns:eu-central-1:111122223333:s3-events';
export const CERTIFICATE_URL =
  'https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem';
const TOKEN = '2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92768dd60a747ba6f3';

export type SnsFields = Readonly<Record<string, string>>;

const SIGNED_FIELDS: Readonly<Record<string, readonly string[]>> = {
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
};

/** The message with its signature. `version` 1 is SHA-1, 2 is SHA-256. */
export function signedBySns(fields: SnsFields, privateKey: KeyObject, version: '1' | '2' = '2'): SnsFields {
  const names =
    SIGNED_FIELDS[fields['Type'] === 'Notification' ? 'Notification' : 'SubscriptionConfirmation'];
  let text = '';
  for (const name of names ?? []) if (name in fields) text += `${name}\n${fields[name]}\n`;
  const signature = sign(version === '1' ? 'sha1' : 'sha256', Buffer.from(text), privateKey);
  return { ...fields, SignatureVersion: version, Signature: signature.toString('base64') };
}

/** A notification that carries this text, not signed yet. */
export function notification(message: string, fields: SnsFields = {}): SnsFields {
  return {
    Type: 'Notification',
    MessageId: randomUUID(),
    TopicArn: TOPIC_ARN,
    Message: message,
    Timestamp: new Date().toISOString(),
    SigningCertURL: CERTIFICATE_URL,
    UnsubscribeURL: 'https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=x',
    ...fields,
  };
}

/** The question whether a subscription is wanted, or the notice that it ended; not signed yet. */
export function confirmation(
  type: 'SubscriptionConfirmation' | 'UnsubscribeConfirmation' = 'SubscriptionConfirmation',
  fields: SnsFields = {},
  origin = 'https://sns.eu-central-1.amazonaws.com',
): SnsFields {
  return {
    Type: type,
    MessageId: randomUUID(),
    Token: TOKEN,
    TopicArn: TOPIC_ARN,
    Message: 'You have chosen to subscribe.\nTo confirm, visit the SubscribeURL.',
    SubscribeURL: `${origin}/?Action=ConfirmSubscription&TopicArn=${TOPIC_ARN}&Token=${TOKEN}`,
    Timestamp: new Date().toISOString(),
    SigningCertURL: CERTIFICATE_URL,
    ...fields,
  };
}
