// The notification configuration of a bucket, by Amazon's own client, in a cloud with queues, topics and functions.
import {
  type Event,
  GetBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
} from '@aws-sdk/client-s3';
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type CloudFunction, cloudDestinations } from '../cloud-destinations.ts';
import { startSandboxEventBridge } from '../eventbridge/sandbox-event-bridge.ts';
import { listen } from '../listening-address.ts';
import { startSandboxSns } from '../sns/sandbox-sns.ts';
import { startSqsUnderTest } from '../sqs/sqs-test-client.ts';
import { sdkClient, testCredentials } from './raw-request.ts';
import { startSandboxS3 } from './sandbox-s3.ts';

const created: Event = 's3:ObjectCreated:*';
const functionArn = 'arn:aws:lambda:us-east-1:123456789012:function:copy';

async function startCloud(t: TestContext, checkPolicies = false) {
  const { sqs, receive } = await startSqsUnderTest(t);
  const sns = await startSandboxSns({
    ...testCredentials,
    deliverToQueue: (arn, body, attributes) => sqs.deliver(arn, body, attributes),
  });
  const eventBridge = startSandboxEventBridge({ deliverToQueue: (arn, body) => sqs.deliver(arn, body) });
  const functions = new Map<string, CloudFunction>();
  const s3 = await startSandboxS3({ ...testCredentials, retryDelaysMs: [1, 1] });
  s3.connect(cloudDestinations({ sqs, sns, eventBridge, functions, checkPolicies }));
  const client = sdkClient(s3.url);
  t.after(async () => {
    client.destroy();
    await Promise.all([s3.close(), sns.close(), eventBridge.close()]);
  });
  s3.createBucket('photos');
  return {
    s3,
    sqs,
    sns,
    eventBridge,
    functions,
    configure: async (configuration: NotificationConfiguration, skip = false) =>
      client.send(
        new PutBucketNotificationConfigurationCommand({
          Bucket: 'photos',
          NotificationConfiguration: configuration,
          SkipDestinationValidation: skip,
        }),
      ),
    read: async () => {
      const command = new GetBucketNotificationConfigurationCommand({ Bucket: 'photos' });
      const { $metadata: _, ...configuration } = await client.send(command);
      return configuration;
    },
    /** What a queue holds, parsed, once everything is delivered. */
    received: async (queue: string): Promise<Received[]> => {
      await s3.idle();
      await sns.idle();
      await eventBridge.idle();
      return (await receive(queue)).map(({ Body = '' }) => JSON.parse(Body) as Received);
    },
  };
}

interface Received {
  readonly Event?: string;
  readonly Records?: readonly {
    readonly s3: { configurationId: string; object: { readonly key: string } };
  }[];
  readonly Type?: string;
  readonly Subject?: string;
  readonly Message?: string;
  readonly 'detail-type'?: string;
}

function keysOf(received: readonly Received[]): string[] {
  return received.flatMap(({ Records = [] }) => Records.map((record) => record.s3.object.key));
}

const filter = (prefix: string | null, suffix: string | null) => ({
  Key: {
    FilterRules: [
      ...(prefix === null ? [] : [{ Name: 'prefix' as const, Value: prefix }]),
      ...(suffix === null ? [] : [{ Name: 'suffix' as const, Value: suffix }]),
    ],
  },
});

test('a configuration is kept as a whole, with ids given and made, and removed by an empty one', async (t) => {
  const { configure, read, sqs, sns, functions } = await startCloud(t);
  sqs.createQueue('queue');
  const TopicArn = sns.createTopic('topic');
  functions.set(functionArn, async () => {});
  assert.deepEqual(await read(), {});
  await configure({
    QueueConfigurations: [
      { Id: 'mine', QueueArn: sqs.queueArn('queue'), Events: [created], Filter: filter('a & <b>/', '.jpg') },
    ],
    TopicConfigurations: [
      { TopicArn, Events: ['s3:ObjectRemoved:Delete', 's3:ObjectRemoved:DeleteMarkerCreated'] },
    ],
    LambdaFunctionConfigurations: [
      { Id: 'function', LambdaFunctionArn: functionArn, Events: [created], Filter: filter('c/', null) },
    ],
    EventBridgeConfiguration: {},
  });
  const { TopicConfigurations, ...rest } = await read();
  assert.deepEqual(rest, {
    QueueConfigurations: [
      {
        Id: 'mine',
        QueueArn: sqs.queueArn('queue'),
        Events: [created],
        Filter: {
          Key: {
            FilterRules: [
              { Name: 'Prefix', Value: 'a & <b>/' },
              { Name: 'Suffix', Value: '.jpg' },
            ],
          },
        },
      },
    ],
    LambdaFunctionConfigurations: [
      {
        Id: 'function',
        LambdaFunctionArn: functionArn,
        Events: [created],
        Filter: { Key: { FilterRules: [{ Name: 'Prefix', Value: 'c/' }] } },
      },
    ],
    EventBridgeConfiguration: {},
  });
  const [topic] = TopicConfigurations ?? [];
  assert.equal(topic?.TopicArn, TopicArn);
  assert.match(topic?.Id ?? '', /^[\w+/]{48}$/);
  await configure({ QueueConfigurations: [{ Id: 'b', QueueArn: sqs.queueArn('queue'), Events: [created] }] });
  assert.deepEqual(await read(), {
    QueueConfigurations: [{ Id: 'b', QueueArn: sqs.queueArn('queue'), Events: [created] }],
  });
  await configure({});
  assert.deepEqual(await read(), {});
});

test('changes reach the queue whose filter lets them pass, after one test event', async (t) => {
  const { configure, received, s3, sqs } = await startCloud(t);
  sqs.createQueue('jpg');
  sqs.createQueue('logs');
  await configure({
    QueueConfigurations: [
      { Id: 'jpg', QueueArn: sqs.queueArn('jpg'), Events: [created], Filter: filter(null, '.jpg') },
      {
        Id: 'removed',
        QueueArn: sqs.queueArn('logs'),
        Events: ['s3:ObjectRemoved:Delete'],
        Filter: filter('logs/', null),
      },
    ],
  });
  for (const queue of ['jpg', 'logs'])
    assert.deepEqual(
      (await received(queue)).map(({ Event }) => Event),
      ['s3:TestEvent'],
    );
  for (const key of ['a.jpg', 'logs/b.jpg', 'logs/c', 'd']) await s3.putObject('photos', key, 'x');
  for (const key of ['a.jpg', 'logs/c']) s3.deleteObject('photos', key);
  const jpg = await received('jpg');
  assert.deepEqual(keysOf(jpg).toSorted(), ['a.jpg', 'logs/b.jpg']);
  assert.equal(jpg[0]?.Records?.[0]?.s3.configurationId, 'jpg');
  assert.deepEqual(keysOf(await received('logs')), ['logs/c']);
});

test('a topic, a function, an address for a function and the event bus hear of a change', async (t) => {
  const { configure, received, s3, sqs, sns, eventBridge, functions } = await startCloud(t);
  const address = await listen(t);
  const otherArn = `${functionArn}-other`;
  const called: object[] = [];
  functions.set(functionArn, async (event) => void called.push(event));
  functions.set(otherArn, `${address.url}/invoke`);
  const TopicArn = sns.createTopic('topic');
  for (const queue of ['of-topic', 'of-bus']) sqs.createQueue(queue);
  sns.subscribe(TopicArn, { protocol: 'sqs', endpoint: sqs.queueArn('of-topic') });
  eventBridge.addRule({ bucket: 'photos', target: { kind: 'queue', arn: sqs.queueArn('of-bus') } });
  await configure({
    TopicConfigurations: [{ TopicArn, Events: [created], Filter: filter('t/', null) }],
    LambdaFunctionConfigurations: [
      { LambdaFunctionArn: functionArn, Events: [created], Filter: filter('f/', null) },
      { LambdaFunctionArn: otherArn, Events: [created], Filter: filter('g/', null) },
    ],
    EventBridgeConfiguration: {},
  });
  for (const key of ['t/1', 'f/1', 'g/1']) await s3.putObject('photos', key, 'x');
  const ofTopic = await received('of-topic');
  const messages = ofTopic.map(({ Message = '{}' }) => JSON.parse(Message) as Received);
  assert.deepEqual(
    messages.map(({ Event }) => Event),
    ['s3:TestEvent', undefined],
  );
  assert.deepEqual(keysOf(messages), ['t/1']);
  assert.deepEqual(
    ofTopic.map(({ Type, Subject }) => [Type, Subject]),
    Array.from({ length: 2 }, () => ['Notification', 'Amazon S3 Notification']),
  );
  assert.deepEqual(
    (await received('of-bus')).map((event) => event['detail-type']),
    Array.from({ length: 3 }, () => 'Object Created'),
  );
  assert.deepEqual(keysOf(called as Received[]), ['f/1']);
  assert.deepEqual(keysOf(address.posts.map(({ body }) => JSON.parse(body) as Received)), ['g/1']);
});

const ambiguous =
  /^Configuration is ambiguously defined\. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type\.$/;

test('two rules that one change could mean are refused, and the old configuration stays', async (t) => {
  const { configure, read, sqs } = await startCloud(t);
  sqs.createQueue('a');
  sqs.createQueue('b');
  type Rule = readonly [events: Event, prefix: string | null, suffix: string | null];
  const pair = async (one: Rule, other: Rule) =>
    configure({
      QueueConfigurations: [one, other].map(([event, prefix, suffix], index) => ({
        QueueArn: sqs.queueArn(index === 0 ? 'a' : 'b'),
        Events: [event],
        ...(prefix === null && suffix === null ? {} : { Filter: filter(prefix, suffix) }),
      })),
    });
  await configure({ QueueConfigurations: [{ Id: 'old', QueueArn: sqs.queueArn('a'), Events: [created] }] });
  const refused: [Rule, Rule][] = [
    [
      [created, null, null],
      [created, null, null],
    ],
    [
      [created, null, null],
      ['s3:ObjectCreated:Put', 'images/', '.jpg'],
    ],
    [
      [created, 'images', null],
      [created, 'images/2026', null],
    ],
    [
      [created, null, 'jpg'],
      [created, null, '.jpg'],
    ],
    [
      [created, 'images', null],
      [created, null, '.jpg'],
    ],
  ];
  for (const [one, other] of refused)
    await assert.rejects(pair(one, other), { name: 'InvalidArgument', message: ambiguous });
  assert.equal((await read()).QueueConfigurations?.[0]?.Id, 'old');
  const accepted: [Rule, Rule][] = [
    [
      [created, null, null],
      ['s3:ObjectRemoved:*', null, null],
    ],
    [
      ['s3:ObjectCreated:Put', null, null],
      ['s3:ObjectCreated:Copy', null, null],
    ],
    [
      [created, 'images/', null],
      [created, 'logs/', null],
    ],
    [
      [created, 'images', '.jpg'],
      [created, 'images', '.png'],
    ],
  ];
  for (const [one, other] of accepted) await pair(one, other);
});

test('a destination that is not there is named with what is wrong with it, unless that is not to be checked', async (t) => {
  const { configure, read, received, sqs } = await startCloud(t);
  sqs.createQueue('there');
  const arn = (name: string) => `arn:aws:sqs:us-east-1:123456789012:${name}`;
  const queues = (...names: string[]) => ({
    QueueConfigurations: names.map((name, index) => ({
      Id: name,
      QueueArn: arn(name),
      Events: [created],
      Filter: filter(`${index}/`, null),
    })),
  });
  await assert.rejects(configure(queues('none', 'there', 'neither')), {
    name: 'InvalidArgument',
    message: 'Unable to validate the following destination configurations',
    ArgumentName1: arn('none'),
    ArgumentValue1: 'The destination queue does not exist',
    ArgumentName2: arn('neither'),
    ArgumentValue2: 'The destination queue does not exist',
  });
  const lambda = { LambdaFunctionConfigurations: [{ LambdaFunctionArn: functionArn, Events: [created] }] };
  await assert.rejects(configure(lambda), {
    ArgumentName1: `${functionArn}, null`,
    ArgumentValue1: `Not authorized to invoke function [${functionArn}]`,
  });
  const elsewhere = arn('there').replace('us-east-1', 'eu-west-1');
  await assert.rejects(configure({ QueueConfigurations: [{ QueueArn: elsewhere, Events: [created] }] }), {
    message: /service region is not valid for the bucket location constraint/,
  });
  assert.deepEqual(await received('there'), []);
  await configure(queues('none'), true);
  assert.equal((await read()).QueueConfigurations?.[0]?.QueueArn, arn('none'));
});

test('what is no configuration is refused with the argument that is wrong', async (t) => {
  const { configure, sqs } = await startCloud(t);
  sqs.createQueue('queue');
  sqs.createQueue('line.fifo', { FifoQueue: 'true' });
  const QueueArn = sqs.queueArn('queue');
  const one = async (rule: object) =>
    configure({
      QueueConfigurations: [{ QueueArn, Events: [created], ...rule }],
    });
  await assert.rejects(one({ QueueArn: 'nonsense' }), {
    name: 'InvalidArgument',
    message: 'The ARN could not be parsed',
    ArgumentName: 'Queue',
    ArgumentValue: 'nonsense',
  });
  await assert.rejects(one({ QueueArn: sqs.queueArn('line.fifo') }), { message: /FIFO/ });
  await assert.rejects(one({ Events: ['s3:Dance'] }), { ArgumentName: 'Event', ArgumentValue: 's3:Dance' });
  await assert.rejects(one({ Events: [] }), { name: 'MalformedXML' });
  const named = (...names: string[]) => ({
    Filter: { Key: { FilterRules: names.map((Name) => ({ Name, Value: 'x' })) } },
  });
  await assert.rejects(one(named('INVALID')), {
    message: 'filter rule name must be either prefix or suffix',
    ArgumentName: 'FilterRule.Name',
    ArgumentValue: 'INVALID',
  });
  await assert.rejects(one(named('prefix', 'Prefix')), { message: /more than one prefix rule/ });
  const twice = ['s3:ObjectCreated:Put' as const, 's3:ObjectCreated:Copy' as const].map((event) => ({
    Id: 'same',
    QueueArn,
    Events: [event],
  }));
  await assert.rejects(configure({ QueueConfigurations: twice }), { message: /IDs must be unique/ });
});

test('where policies are checked, a queue must let S3 send to it for this bucket', async (t) => {
  const { configure, sqs } = await startCloud(t, true);
  sqs.createQueue('guarded');
  const QueueArn = sqs.queueArn('guarded');
  const put = async () => configure({ QueueConfigurations: [{ QueueArn, Events: [created] }] });
  await assert.rejects(put(), {
    ArgumentValue1:
      'Permissions on the destination queue do not allow S3 to publish notifications from this bucket',
  });
  const statement = {
    Effect: 'Allow',
    Principal: { Service: 's3.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: QueueArn,
    Condition: { ArnEquals: { 'aws:SourceArn': 'arn:aws:s3:::photos' } },
  };
  sqs.createQueue('guarded', { Policy: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }) });
  await put();
});

test('reading and writing a configuration can be denied', async (t) => {
  const { configure, read, s3 } = await startCloud(t);
  s3.deny('s3:GetBucketNotification');
  await assert.rejects(read(), {
    name: 'AccessDenied',
    message:
      'User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: s3:GetBucketNotification on resource: "arn:aws:s3:::photos" because no identity-based policy allows the s3:GetBucketNotification action',
  });
  s3.allow('s3:GetBucketNotification');
  s3.deny('s3:PutBucketNotification');
  await assert.rejects(configure({}), { name: 'AccessDenied', message: /s3:PutBucketNotification/ });
  await read();
});
