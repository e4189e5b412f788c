// Topics and who listens to them: pure state. A listener over HTTP is pending until it confirmed with its token.
import { randomBytes, randomUUID } from 'node:crypto';
import { QueryError } from '../aws/query-protocol.ts';
import type { TroubledDelivery } from '../delivery-trouble.ts';
import type { SignatureVersion } from './sns-document.ts';

export interface Subscription {
  readonly arn: string;
  readonly topicArn: string;
  readonly protocol: 'sqs' | 'http' | 'https';
  /** A queue's ARN or an address. */
  readonly endpoint: string;
  readonly token: string;
  isConfirmed: boolean;
  /** The message alone, without the envelope. */
  isRaw: boolean;
  /** Null where nothing goes wrong on purpose. */
  trouble: TroubledDelivery | null;
}

export interface Topic {
  readonly arn: string;
  readonly name: string;
  signatureVersion: SignatureVersion;
  readonly subscriptions: Map<string, Subscription>;
}

export class Topics {
  readonly #region: string;
  readonly #accountId: string;
  readonly #topics = new Map<string, Topic>();
  /** Ended ones, which their token brings back. */
  readonly #ended: Subscription[] = [];

  constructor(region: string, accountId: string) {
    this.#region = region;
    this.#accountId = accountId;
  }

  get all(): readonly Topic[] {
    return [...this.#topics.values()];
  }

  /** Makes a topic; one of that name that exists is answered as it is. */
  create(name: string, signatureVersion: SignatureVersion = '1'): Topic {
    if (!/^[\w-]{1,256}$/.test(name))
      throw new QueryError(400, 'InvalidParameter', 'Invalid parameter: Topic Name');
    const arn = `arn:aws:sns:${this.#region}:${this.#accountId}:${name}`;
    const existing = this.#topics.get(arn);
    if (existing !== undefined) return existing;
    const topic: Topic = { arn, name, signatureVersion, subscriptions: new Map() };
    this.#topics.set(arn, topic);
    return topic;
  }

  delete(arn: string): void {
    this.#topics.delete(arn);
  }

  has(arn: string): boolean {
    return this.#topics.has(arn);
  }

  /** Throws NotFound. */
  require(arn: string): Topic {
    const topic = this.#topics.get(arn);
    if (topic === undefined) throw new QueryError(404, 'NotFound', 'Topic does not exist');
    return topic;
  }

  /** Throws NotFound. */
  requireSubscription(arn: string): Subscription {
    const found = this.all.map((topic) => topic.subscriptions.get(arn)).find((entry) => entry !== undefined);
    if (found === undefined) throw new QueryError(404, 'NotFound', 'Subscription does not exist');
    return found;
  }

  /** Adds a listener; the same protocol and endpoint again is the same subscription. Queues need no confirmation. */
  subscribe(
    topicArn: string,
    listener: { readonly protocol: string; readonly endpoint: string; readonly isRaw: boolean },
  ): Subscription {
    const topic = this.require(topicArn);
    const { protocol, endpoint, isRaw } = listener;
    checkListener(protocol, endpoint);
    const existing = [...topic.subscriptions.values()].find(
      (entry) => entry.protocol === protocol && entry.endpoint === endpoint,
    );
    if (existing !== undefined) return existing;
    const subscription: Subscription = {
      arn: `${topicArn}:${randomUUID()}`,
      topicArn,
      protocol,
      endpoint,
      token: randomBytes(128).toString('hex'),
      isConfirmed: protocol === 'sqs',
      isRaw,
      trouble: null,
    };
    topic.subscriptions.set(subscription.arn, subscription);
    return subscription;
  }

  /** Throws InvalidParameter for a token that no subscription of this topic has. */
  confirm(topicArn: string, token: string): Subscription {
    const topic = this.require(topicArn);
    const found = [...topic.subscriptions.values(), ...this.#ended].find(
      (entry) => entry.token === token && entry.topicArn === topicArn,
    );
    if (found === undefined) throw new QueryError(400, 'InvalidParameter', 'Invalid parameter: Token');
    topic.subscriptions.set(found.arn, found);
    found.isConfirmed = true;
    return found;
  }

  /** Ends a subscription; null where there was none. */
  unsubscribe(arn: string): Subscription | null {
    for (const topic of this.all) {
      const found = topic.subscriptions.get(arn);
      if (found === undefined) continue;
      topic.subscriptions.delete(arn);
      this.#ended.push(found);
      return found;
    }
    return null;
  }
}

function checkListener(protocol: string, endpoint: string): asserts protocol is Subscription['protocol'] {
  const invalid = (what: string): QueryError =>
    new QueryError(400, 'InvalidParameter', `Invalid parameter: ${what}`);
  switch (protocol) {
    case 'sqs':
      if (!/^arn:aws:sqs:[^:]+:\d{12}:.+$/.test(endpoint)) throw invalid('SQS endpoint ARN');
      return;
    case 'http':
    case 'https':
      if (!endpoint.startsWith(`${protocol}://`)) throw invalid('Endpoint must match the specified protocol');
      return;
    default:
      throw invalid(`Amazon SNS does not support this protocol string: ${protocol}`);
  }
}
