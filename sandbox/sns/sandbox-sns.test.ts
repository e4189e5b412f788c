import assert from 'node:assert/strict';
import { createVerify, X509Certificate } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { listen } from '../listening-address.ts';
import { sendRaw, testCredentials } from '../s3/raw-request.ts';
import { startSqsUnderTest } from '../sqs/sqs-test-client.ts';
import { type SandboxSns, type SandboxSnsOptions, startSandboxSns } from './sandbox-sns.ts';

async function startSns(t: TestContext, options: Partial<SandboxSnsOptions> = {}): Promise<SandboxSns> {
  const sns = await startSandboxSns({ ...testCredentials, retryDelaysMs: [1, 1, 1], ...options });
  t.after(() => sns.close());
  return sns;
}

type Document = Record<string, string>;

/** Checks a signature from the text of the documentation alone. */
function isSigned(pem: string, document: Document): boolean {
  const names =
    document['Type'] === 'Notification'
      ? ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']
      : ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'];
  const verify = createVerify(document['SignatureVersion'] === '1' ? 'RSA-SHA1' : 'RSA-SHA256');
  for (const name of names) if (document[name] !== undefined) verify.update(`${name}\n${document[name]}\n`);
  return verify.verify(new X509Certificate(pem).publicKey, document['Signature'] ?? '', 'base64');
}

for (const signatureVersion of ['1', '2'] as const)
  test(`an address confirms and then gets notifications signed by version ${signatureVersion}`, async (t) => {
    const sns = await startSns(t);
    const address = await listen(t);
    const topicArn = sns.createTopic('changes', { signatureVersion });
    assert.equal(topicArn, 'arn:aws:sns:us-east-1:123456789012:changes');
    const subscriptionArn = sns.subscribe(topicArn, { protocol: 'http', endpoint: `${address.url}/sns` });
    await sns.idle();
    sns.publish(topicArn, 'too early');
    const [asked] = await address.arrived(1);
    const { pem, url } = await sns.certificate();
    const confirmation = JSON.parse(asked?.body ?? '') as Document;
    assert.deepEqual(Object.keys(confirmation), [
      'Type',
      'MessageId',
      'Token',
      'TopicArn',
      'Message',
      'SubscribeURL',
      'Timestamp',
      'SignatureVersion',
      'Signature',
      'SigningCertURL',
    ]);
    assert.match(asked?.body ?? '', /^\{\n {2}"Type" : "SubscriptionConfirmation",\n/);
    assert.equal(confirmation['SigningCertURL'], url);
    assert.match(
      url,
      /^https:\/\/sns\.us-east-1\.amazonaws\.com\/SimpleNotificationService-[0-9a-f]{32}\.pem$/,
    );
    assert.ok(isSigned(pem, confirmation));
    assert.deepEqual(sentHeaders(asked?.headers ?? {}), {
      'content-type': 'text/plain; charset=UTF-8',
      'user-agent': 'Amazon Simple Notification Service Agent',
      'x-amz-sns-message-type': 'SubscriptionConfirmation',
      'x-amz-sns-message-id': confirmation['MessageId'],
      'x-amz-sns-topic-arn': topicArn,
      'x-amz-sns-subscription-arn': undefined,
    });
    const visited = await sns.visit(confirmation['SubscribeURL'] ?? '');
    assert.equal(visited.status, 200);
    assert.match(visited.body, new RegExp(`<SubscriptionArn>${subscriptionArn}</SubscriptionArn>`));
    const messageId = sns.publish(topicArn, '{"a": "b"}', { subject: 'Amazon S3 Notification' });
    const [, notified] = await address.arrived(2);
    const notification = JSON.parse(notified?.body ?? '') as Document;
    assert.deepEqual(
      [notification['Type'], notification['MessageId'], notification['Message'], notification['Subject']],
      ['Notification', messageId, '{"a": "b"}', 'Amazon S3 Notification'],
    );
    assert.equal(
      notification['UnsubscribeURL'],
      `https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=${subscriptionArn}`,
    );
    assert.ok(isSigned(pem, notification));
    assert.ok(!isSigned(pem, { ...notification, Message: 'another' }));
    assert.equal(notified?.headers['x-amz-sns-subscription-arn'], subscriptionArn);
  });

function sentHeaders(headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names = ['message-type', 'message-id', 'topic-arn', 'subscription-arn'];
  const all = ['content-type', 'user-agent', ...names.map((name) => `x-amz-sns-${name}`)];
  return Object.fromEntries(all.map((name) => [name, headers[name]]));
}

test('the certificate is for the host of the region, self-signed, and also to be had over HTTP on loopback', async (t) => {
  const sns = await startSns(t, { addresses: 'loopback', region: 'eu-west-1' });
  const { url, pem } = await sns.certificate();
  assert.ok(url.startsWith(sns.url));
  assert.equal(await (await fetch(url)).text(), pem);
  const certificate = new X509Certificate(pem);
  assert.equal(certificate.checkHost('sns.eu-west-1.amazonaws.com'), 'sns.eu-west-1.amazonaws.com');
  assert.equal(certificate.checkHost('sns.us-east-1.amazonaws.com'), undefined);
  assert.ok(certificate.verify(certificate.publicKey));
  assert.ok(Date.parse(certificate.validFrom) < Date.now() && Date.parse(certificate.validTo) > Date.now());
});

test('a queue gets messages wrapped and signed, or raw with their attributes', async (t) => {
  const { sqs, receive } = await startSqsUnderTest(t);
  const sns = await startSns(t, {
    deliverToQueue: (arn, body, attributes) => sqs.deliver(arn, body, attributes),
  });
  const topicArn = sns.createTopic('changes');
  for (const [name, raw] of [
    ['wrapped', false],
    ['raw', true],
  ] as const) {
    sqs.createQueue(name);
    sns.subscribe(topicArn, { protocol: 'sqs', endpoint: sqs.queueArn(name), raw });
  }
  const attributes = { kind: { DataType: 'String', StringValue: 'test' } };
  sns.publish(topicArn, 'the message', { attributes });
  await sns.idle();
  const [raw] = await receive('raw', { MessageAttributeNames: ['All'] });
  assert.deepEqual([raw?.Body, raw?.MessageAttributes], ['the message', attributes]);
  const [wrapped] = await receive('wrapped', { MessageAttributeNames: ['All'] });
  const envelope = JSON.parse(wrapped?.Body ?? '') as Document & { MessageAttributes: object };
  assert.deepEqual(
    [envelope['Type'], envelope['Message'], envelope['TopicArn'], envelope.MessageAttributes],
    ['Notification', 'the message', topicArn, { kind: { Type: 'String', Value: 'test' } }],
  );
  assert.ok(isSigned((await sns.certificate()).pem, envelope));
  assert.equal(wrapped?.MessageAttributes, undefined);
});

test('an address that fails is tried four times, but not after it refused; a raw one gets the message alone', async (t) => {
  const sns = await startSns(t);
  const topicArn = sns.createTopic('changes');
  const confirmed = async (url: string, raw: boolean): Promise<void> => {
    const arn = sns.subscribe(topicArn, { protocol: 'http', endpoint: url, raw });
    await sns.idle();
    const { token } = sns.subscriptions(topicArn).find((entry) => entry.arn === arn) ?? {};
    const query = `Action=ConfirmSubscription&TopicArn=${topicArn}&Token=${token ?? ''}`;
    assert.equal((await fetch(`${sns.url}/?${query}`)).status, 200);
  };
  const busy = await listen(t, (count) => (count > 1 && count < 5 ? 503 : 200));
  const refusing = await listen(t, (count) => (count > 1 ? 403 : 200));
  await confirmed(busy.url, true);
  await confirmed(refusing.url, false);
  sns.publish(topicArn, 'x');
  await sns.idle();
  assert.deepEqual(
    busy.posts.slice(1).map(({ body, headers }) => [body, headers['x-amz-sns-rawdelivery']]),
    Array.from({ length: 4 }, () => ['x', 'true']),
  );
  assert.equal(refusing.posts.length, 2);
  assert.equal(sns.undelivered.length, 1);
});

test('whoever is unsubscribed is told, and can take it back', async (t) => {
  const sns = await startSns(t);
  const address = await listen(t);
  const topicArn = sns.createTopic('changes');
  const arn = sns.subscribe(topicArn, { protocol: 'http', endpoint: address.url });
  await sns.idle();
  const urlOf = (body: string | undefined) => (JSON.parse(body ?? '') as Document)['SubscribeURL'] ?? '';
  await sns.visit(urlOf(address.posts[0]?.body));
  const unsubscribe = `https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=${arn}`;
  assert.equal((await sns.visit(unsubscribe)).status, 200);
  assert.deepEqual(sns.subscriptions(topicArn), []);
  await sns.idle();
  const told = address.posts[1];
  assert.equal(told?.headers['x-amz-sns-message-type'], 'UnsubscribeConfirmation');
  assert.ok(isSigned((await sns.certificate()).pem, JSON.parse(told?.body ?? '') as Document));
  await sns.visit(urlOf(told?.body));
  assert.deepEqual(
    sns.subscriptions(topicArn).map((entry) => [entry.arn, entry.isConfirmed]),
    [[arn, true]],
  );
});

test('the calls of the query protocol set a topic up, publish, and refuse in the service’s words', async (t) => {
  const { sqs, receive } = await startSqsUnderTest(t);
  const sns = await startSns(t, { deliverToQueue: (arn, body) => sqs.deliver(arn, body) });
  sqs.createQueue('listener');
  const call = async (
    parameters: Record<string, string>,
    credentials: { accessKeyId: string; secretAccessKey: string } = testCredentials,
  ) => {
    const body = new URLSearchParams({ ...parameters, Version: '2010-03-31' }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
    const raw = { method: 'POST', path: '/', service: 'sns', headers, body, credentials };
    const answer = await sendRaw(sns.url, raw);
    return { ...answer, text: answer.body.toString('utf8') };
  };
  const value = (text: string, name: string) =>
    new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? '';
  const made = await call({ Action: 'CreateTopic', Name: 'changes' });
  const TopicArn = value(made.text, 'TopicArn');
  assert.equal(TopicArn, 'arn:aws:sns:us-east-1:123456789012:changes');
  const Endpoint = sqs.queueArn('listener');
  const subscribed = await call({ Action: 'Subscribe', TopicArn, Protocol: 'sqs', Endpoint });
  const SubscriptionArn = value(subscribed.text, 'SubscriptionArn');
  const raw = { AttributeName: 'RawMessageDelivery', AttributeValue: 'true' };
  await call({ Action: 'SetSubscriptionAttributes', SubscriptionArn, ...raw });
  const listed = await call({ Action: 'ListSubscriptionsByTopic', TopicArn });
  assert.deepEqual(
    [value(listed.text, 'SubscriptionArn'), value(listed.text, 'Endpoint')],
    [SubscriptionArn, Endpoint],
  );
  const attributes = await call({ Action: 'GetTopicAttributes', TopicArn });
  assert.match(attributes.text, /<key>SubscriptionsConfirmed<\/key><value>1<\/value>/);
  const published = await call({ Action: 'Publish', TopicArn, Message: 'a < b' });
  assert.match(value(published.text, 'MessageId'), /^[0-9a-f-]{36}$/);
  await sns.idle();
  const [message] = await receive('listener');
  assert.equal(message?.Body, 'a < b');
  const refused = async (...parameters: Parameters<typeof call>) => {
    const answer = await call(...parameters);
    return [answer.status, answer.code];
  };
  const none = `${TopicArn}-none`;
  assert.deepEqual(await refused({ Action: 'GetTopicAttributes', TopicArn: none }), [404, 'NotFound']);
  assert.deepEqual(await refused({ Action: 'Subscribe', TopicArn, Protocol: 'fax', Endpoint: '1' }), [
    400,
    'InvalidParameter',
  ]);
  assert.deepEqual(await refused({ Action: 'Dance' }), [400, 'InvalidAction']);
  const { accessKeyId, secretAccessKey } = testCredentials;
  const list = { Action: 'ListTopics' };
  assert.deepEqual(await refused(list, { accessKeyId: 'AKOTHER', secretAccessKey }), [
    403,
    'InvalidClientTokenId',
  ]);
  assert.deepEqual(await refused(list, { accessKeyId, secretAccessKey: 'x' }), [
    403,
    'SignatureDoesNotMatch',
  ]);
});
