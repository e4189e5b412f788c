// Who gets what from a topic: signed documents to addresses, with the service's headers and retries, and messages to
// queues, wrapped or raw.
import { randomUUID } from 'node:crypto';
import { Deliveries, type DeliveryFailure, post } from '../deliveries.ts';
import { makeCertificate, type SelfMadeCertificate } from './self-made-certificate.ts';
import { signatureOf, type SnsDocumentType, type SnsFields, writeDocument } from './sns-document.ts';
import type { Subscription, Topic } from './topics.ts';

/** An attribute of a message: its kind, and its text. */
export interface SnsAttribute {
  readonly DataType: string;
  readonly StringValue: string;
}

export interface SnsMessage {
  readonly message: string;
  /** Null for none. */
  readonly subject: string | null;
  readonly attributes: Readonly<Record<string, SnsAttribute>>;
}

export interface SnsSenderOptions {
  readonly region: string;
  readonly nowMs: () => number;
  readonly retryDelaysMs: readonly number[];
  /** False where there is no such queue. */
  readonly deliverToQueue: (
    queueArn: string,
    body: string,
    attributes: Readonly<Record<string, SnsAttribute>>,
  ) => boolean;
  /** Where the addresses in documents lead; no slash at the end. */
  readonly publicUrl: () => string;
}

const answerWithinMs = 15_000;
/** The certificate is renewed once a year in earnest; here it outlives every test. */
const yearMs = 365 * 24 * 3600 * 1000;
const certificateName = 'SimpleNotificationService-5a9db0ca9db0ca9db0ca9db0ca9db0ca.pem';

export class SnsSender {
  readonly deliveries: Deliveries;
  readonly #options: SnsSenderOptions;
  #certificate: Promise<SelfMadeCertificate> | null = null;

  constructor(options: SnsSenderOptions) {
    this.#options = options;
    this.deliveries = new Deliveries(options.retryDelaysMs);
  }

  get certificateUrl(): string {
    return `${this.#options.publicUrl()}/${certificateName}`;
  }

  /** Made at the first use: a key takes a moment. */
  async certificate(): Promise<SelfMadeCertificate> {
    const nowMs = Date.now();
    this.#certificate ??= makeCertificate({
      subject: 'sns.amazonaws.com',
      dnsNames: [`sns.${this.#options.region}.amazonaws.com`, 'localhost'],
      validFromMs: nowMs - yearMs,
      validToMs: nowMs + yearMs,
    });
    return this.#certificate;
  }

  /** A signed document as SNS would send it to this listener. */
  async document(
    type: SnsDocumentType,
    topic: Topic,
    content: { readonly subscription: Subscription | null; readonly messageId: string } & SnsMessage,
  ): Promise<string> {
    const url = this.#options.publicUrl();
    const { subscription, messageId, message, subject, attributes } = content;
    const isNotification = type === 'Notification';
    const token = subscription?.token ?? '';
    const signed: SnsFields = {
      Type: type,
      MessageId: messageId,
      ...(isNotification ? {} : { Token: token }),
      TopicArn: topic.arn,
      ...(subject === null ? {} : { Subject: subject }),
      Message: message,
      ...(isNotification
        ? {}
        : { SubscribeURL: `${url}/?Action=ConfirmSubscription&TopicArn=${topic.arn}&Token=${token}` }),
      Timestamp: new Date(this.#options.nowMs()).toISOString(),
    };
    const version = topic.signatureVersion;
    const { privateKey } = await this.certificate();
    const plain = Object.entries(attributes).map(([name, { DataType, StringValue }]) => [
      name,
      { Type: DataType, Value: StringValue },
    ]);
    return writeDocument({
      ...signed,
      SignatureVersion: version,
      Signature: signatureOf(type, signed, privateKey, version),
      SigningCertURL: this.certificateUrl,
      ...(isNotification
        ? { UnsubscribeURL: `${url}/?Action=Unsubscribe&SubscriptionArn=${subscription?.arn ?? ''}` }
        : {}),
      ...(plain.length === 0 ? {} : { MessageAttributes: Object.fromEntries(plain) }),
    });
  }

  /** Begins the delivery to everybody who listens. Returns the id of the message. */
  publish(topic: Topic, message: SnsMessage): string {
    const messageId = randomUUID();
    for (const subscription of topic.subscriptions.values())
      if (subscription.isConfirmed) this.#notify(topic, subscription, messageId, message);
    return messageId;
  }

  /** Begins the delivery of the question whether an address wants to listen, or to go on listening. */
  askToConfirm(
    type: 'SubscriptionConfirmation' | 'UnsubscribeConfirmation',
    topic: Topic,
    subscription: Subscription,
  ): void {
    const messageId = randomUUID();
    const message =
      type === 'SubscriptionConfirmation'
        ? `You have chosen to subscribe to the topic ${topic.arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message.`
        : `You have chosen to deactivate subscription ${subscription.arn}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message.`;
    const body = this.document(type, topic, {
      subscription,
      messageId,
      message,
      subject: null,
      attributes: {},
    });
    this.deliveries.begin({
      event: { type, topicArn: topic.arn, endpoint: subscription.endpoint },
      send: async (signal) => this.#post(type, subscription, messageId, await body, signal),
    });
  }

  #notify(topic: Topic, subscription: Subscription, messageId: string, message: SnsMessage): void {
    const body = subscription.isRaw
      ? Promise.resolve(message.message)
      : this.document('Notification', topic, { subscription, messageId, ...message });
    this.deliveries.begin({
      event: {
        type: 'Notification',
        topicArn: topic.arn,
        endpoint: subscription.endpoint,
        message: message.message,
      },
      trouble: subscription.trouble,
      send: async (signal) => {
        const text = await body;
        if (subscription.protocol !== 'sqs')
          return this.#post('Notification', subscription, messageId, text, signal);
        const attributes = subscription.isRaw ? message.attributes : {};
        return this.#options.deliverToQueue(subscription.endpoint, text, attributes)
          ? null
          : { reason: `there is no queue ${subscription.endpoint}`, status: null, isFinal: true };
      },
    });
  }

  async #post(
    type: SnsDocumentType,
    subscription: Subscription,
    messageId: string,
    body: string,
    signal: AbortSignal,
  ): Promise<DeliveryFailure | null> {
    const headers = {
      'content-type': 'text/plain; charset=UTF-8',
      'user-agent': 'Amazon Simple Notification Service Agent',
      'x-amz-sns-message-type': type,
      'x-amz-sns-message-id': messageId,
      'x-amz-sns-topic-arn': subscription.topicArn,
      ...(type === 'SubscriptionConfirmation' ? {} : { 'x-amz-sns-subscription-arn': subscription.arn }),
      ...(subscription.isRaw && type === 'Notification' ? { 'x-amz-sns-rawdelivery': 'true' } : {}),
    };
    const failure = await post(subscription.endpoint, { headers, body, timeoutMs: answerWithinMs }, signal);
    // The service takes 4xx as the address's last word; only 429 is worth another try.
    const status = failure?.status ?? 0;
    return failure === null ? null : { ...failure, isFinal: status >= 400 && status < 500 && status !== 429 };
  }
}
