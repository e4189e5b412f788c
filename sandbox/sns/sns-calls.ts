// The calls of SNS that the AWS SDK and the command line make to set a topic up and to publish.
import { type QueryAction, QueryError, type Parameters } from '../aws/query-protocol.ts';
import { group, text } from '../s3/xml.ts';
import type { SnsAttribute, SnsSender } from './sns-sender.ts';
import type { Subscription, Topic, Topics } from './topics.ts';

const pending = 'pending confirmation';
const longestMessageBytes = 262_144;

/** Every action by its name. */
export function snsActions(
  topics: Topics,
  sender: SnsSender,
  accountId: string,
): Record<string, QueryAction> {
  return {
    CreateTopic: ({ parameters }) => {
      const { arn } = topics.create(
        parameters.required('Name'),
        signatureVersion(parameters.map('Attributes')['SignatureVersion'] ?? '1'),
      );
      return text('TopicArn', arn);
    },
    DeleteTopic: ({ parameters }) => {
      topics.delete(parameters.required('TopicArn'));
      return '';
    },
    ListTopics: () => group('Topics', ...topics.all.map(({ arn }) => group('member', text('TopicArn', arn)))),
    GetTopicAttributes: ({ parameters }) => {
      const topic = topics.require(parameters.required('TopicArn'));
      return group('Attributes', ...entriesOf(topicAttributes(topic, accountId)));
    },
    SetTopicAttributes: ({ parameters }) => {
      const topic = topics.require(parameters.required('TopicArn'));
      const name = parameters.required('AttributeName');
      if (name !== 'SignatureVersion') throw invalidParameter('AttributeName');
      topic.signatureVersion = signatureVersion(parameters.required('AttributeValue'));
      return '';
    },
    Subscribe: ({ parameters }) => {
      const subscription = subscribe(topics, sender, parameters);
      const isTold = subscription.isConfirmed || parameters.optional('ReturnSubscriptionArn') === 'true';
      return text('SubscriptionArn', isTold ? subscription.arn : pending);
    },
    ConfirmSubscription: ({ parameters }) => {
      const confirmed = topics.confirm(parameters.required('TopicArn'), parameters.required('Token'));
      return text('SubscriptionArn', confirmed.arn);
    },
    Unsubscribe: ({ parameters }) => {
      unsubscribe(topics, sender, parameters.required('SubscriptionArn'));
      return '';
    },
    ListSubscriptionsByTopic: ({ parameters }) => {
      const topic = topics.require(parameters.required('TopicArn'));
      const members = [...topic.subscriptions.values()].map((entry) => subscriptionMember(entry, accountId));
      return group('Subscriptions', ...members);
    },
    GetSubscriptionAttributes: ({ parameters }) => {
      const found = topics.requireSubscription(parameters.required('SubscriptionArn'));
      return group('Attributes', ...entriesOf(subscriptionAttributes(found, accountId)));
    },
    SetSubscriptionAttributes: ({ parameters }) => {
      const found = topics.requireSubscription(parameters.required('SubscriptionArn'));
      if (parameters.required('AttributeName') !== 'RawMessageDelivery')
        throw invalidParameter('AttributeName');
      found.isRaw = parameters.optional('AttributeValue') === 'true';
      return '';
    },
    Publish: ({ parameters }) => {
      const topic = topics.require(parameters.required('TopicArn'));
      const message = parameters.required('Message');
      if (Buffer.byteLength(message) > longestMessageBytes) throw invalidParameter('Message too long');
      const subject = parameters.optional('Subject');
      const attributes = messageAttributes(parameters);
      return text('MessageId', sender.publish(topic, { message, subject, attributes }));
    },
  };
}

/** Ends a subscription; an address that listened is told how to take that back. */
export function unsubscribe(topics: Topics, sender: SnsSender, subscriptionArn: string): void {
  const ended = topics.unsubscribe(subscriptionArn);
  if (ended === null || ended.protocol === 'sqs' || !ended.isConfirmed) return;
  sender.askToConfirm('UnsubscribeConfirmation', topics.require(ended.topicArn), ended);
}

/** Adds a listener as a call asks; an address is asked to confirm. */
function subscribe(topics: Topics, sender: SnsSender, parameters: Parameters): Subscription {
  const topicArn = parameters.required('TopicArn');
  const subscription = topics.subscribe(topicArn, {
    protocol: parameters.required('Protocol'),
    endpoint: parameters.required('Endpoint'),
    isRaw: parameters.map('Attributes')['RawMessageDelivery'] === 'true',
  });
  if (!subscription.isConfirmed)
    sender.askToConfirm('SubscriptionConfirmation', topics.require(topicArn), subscription);
  return subscription;
}

function topicAttributes(topic: Topic, accountId: string): Readonly<Record<string, string | number>> {
  const all = [...topic.subscriptions.values()];
  return {
    TopicArn: topic.arn,
    Owner: accountId,
    DisplayName: '',
    SignatureVersion: topic.signatureVersion,
    SubscriptionsConfirmed: all.filter(({ isConfirmed }) => isConfirmed).length,
    SubscriptionsPending: all.filter(({ isConfirmed }) => !isConfirmed).length,
    SubscriptionsDeleted: 0,
  };
}

function subscriptionAttributes(
  subscription: Subscription,
  accountId: string,
): Readonly<Record<string, string | number | boolean>> {
  return {
    SubscriptionArn: subscription.arn,
    TopicArn: subscription.topicArn,
    Owner: accountId,
    Protocol: subscription.protocol,
    Endpoint: subscription.endpoint,
    RawMessageDelivery: subscription.isRaw,
    PendingConfirmation: !subscription.isConfirmed,
  };
}

function subscriptionMember(subscription: Subscription, accountId: string): string {
  return group(
    'member',
    text('SubscriptionArn', subscription.isConfirmed ? subscription.arn : 'PendingConfirmation'),
    text('Owner', accountId),
    text('Protocol', subscription.protocol),
    text('Endpoint', subscription.endpoint),
    text('TopicArn', subscription.topicArn),
  );
}

function entriesOf(attributes: Readonly<Record<string, string | number | boolean>>): string[] {
  return Object.entries(attributes).map(([name, value]) =>
    group('entry', text('key', name), text('value', value)),
  );
}

function messageAttributes(parameters: Parameters): Readonly<Record<string, SnsAttribute>> {
  return Object.fromEntries(
    parameters
      .entries('MessageAttributes.entry')
      .map((entry): [string, SnsAttribute] => [
        entry['Name'] ?? '',
        { DataType: entry['Value.DataType'] ?? 'String', StringValue: entry['Value.StringValue'] ?? '' },
      ]),
  );
}

function signatureVersion(value: string): '1' | '2' {
  if (value !== '1' && value !== '2') throw invalidParameter('SignatureVersion');
  return value;
}

function invalidParameter(what: string): QueryError {
  return new QueryError(400, 'InvalidParameter', `Invalid parameter: ${what}`);
}
