import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { listen } from './listening-address.ts';
import { SQSClient, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import {
  CHANGES_QUEUE,
  SANDBOX_KEYS,
  SOURCE_BUCKET,
  startTwoClouds,
  type TwoClouds,
  type TwoCloudsOptions,
} from './two-clouds.ts';

async function start(t: TestContext, options: Partial<TwoCloudsOptions> = {}): Promise<TwoClouds> {
  const clouds = await startTwoClouds({ s3: 0, gcs: 0, ...options });
  t.after(async () => clouds.close());
  return clouds;
}

interface Body {
  readonly Records?: readonly { readonly s3: { readonly object: { readonly key: string } } }[];
}

function keysOf(bodies: readonly string[]): string[] {
  return bodies.flatMap((body) => ((JSON.parse(body) as Body).Records ?? []).map(({ s3 }) => s3.object.key));
}

test('the settings name a queue only where the changes go through it', async (t) => {
  const direct = await start(t);
  assert.equal(direct.settings['SQS_QUEUE_URL'], undefined);
  assert.equal(direct.queueSettings['SQS_QUEUE_URL'], `${direct.sqs.url}/123456789012/demo-changes`);
  const through = await start(t, { through: 'sqs' });
  assert.equal(through.settings['SQS_QUEUE_URL'], `${through.sqs.url}/123456789012/demo-changes`);
  assert.equal(through.settings['AWS_ENDPOINT_URL_SQS'], through.sqs.url);
});

test('every change is in the queue though messages come twice, late and out of order', async (t) => {
  const delivery = {
    duplicatePermille: 100,
    reorderPermille: 100,
    reorderMs: 50,
    delayPermille: 50,
    delayMs: 100,
  };
  const clouds = await start(t, { through: 'sqs', delivery });
  const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`);
  for (const key of keys) await clouds.s3.putObject(SOURCE_BUCKET, key, 'x');
  await clouds.s3.idle();
  const client = new SQSClient({ endpoint: clouds.sqs.url, region: 'us-east-1', credentials: SANDBOX_KEYS });
  t.after(() => client.destroy());
  const seen = new Set<string>();
  const QueueUrl = clouds.sqs.queueUrl(CHANGES_QUEUE);
  while (seen.size < keys.length) {
    const request = { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 20, VisibilityTimeout: 3600 };
    const { Messages = [] } = await client.send(new ReceiveMessageCommand(request));
    for (const key of keysOf(Messages.map(({ Body = '' }) => Body))) seen.add(key);
  }
  assert.deepEqual([...seen].toSorted(), keys.toSorted());
  const { duplicated, reordered } = clouds.sqs.inspect(CHANGES_QUEUE).trouble;
  assert.ok(duplicated > 0 && reordered > 0);
});

test('a notification reaches an address through a topic and through an API destination', async (t) => {
  const clouds = await start(t);
  const address = await listen(t);
  const topicArn = clouds.sns.createTopic('changes');
  clouds.sns.subscribe(topicArn, { protocol: 'http', endpoint: `${address.url}/sns` });
  await clouds.sns.idle();
  const confirmation = JSON.parse(address.posts[0]?.body ?? '') as { SubscribeURL: string };
  assert.equal((await clouds.sns.visit(confirmation.SubscribeURL)).status, 200);
  clouds.eventBridge.addRule({ target: { kind: 'api_destination', url: `${address.url}/bus` } });
  const rule = { id: 'r', kind: 'Topic', arn: topicArn, events: ['s3:ObjectCreated:*'] } as const;
  const rules = [{ ...rule, prefix: null, suffix: null }];
  clouds.s3.configureNotification(SOURCE_BUCKET, { rules, eventBridge: true });
  await clouds.s3.putObject(SOURCE_BUCKET, 'a b', 'x');
  await clouds.s3.idle();
  await clouds.sns.idle();
  await clouds.eventBridge.idle();
  const bodies = (path: string): { Message?: string; detail?: { object: { key: string } } }[] =>
    address.posts.filter((each) => each.path === path).map(({ body }) => JSON.parse(body) as object);
  assert.deepEqual(
    keysOf(bodies('/sns').flatMap(({ Message = '{}' }, index) => (index === 0 ? [] : [Message]))),
    ['a+b'],
  );
  assert.deepEqual(
    bodies('/bus').map(({ detail }) => detail?.object.key),
    ['a b'],
  );
});

test('the keys of an assumed role open the source bucket', async (t) => {
  const clouds = await start(t);
  await clouds.s3.putObject(SOURCE_BUCKET, 'k', 'x');
  const options = { region: 'us-east-1', maxAttempts: 1 };
  const sts = new STSClient({ ...options, endpoint: clouds.sts.url, credentials: SANDBOX_KEYS });
  const RoleArn = clouds.sts.createRole('reader');
  const { Credentials } = await sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'test' }));
  const credentials = {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  };
  const s3 = new S3Client({ ...options, endpoint: clouds.s3.url, credentials, forcePathStyle: true });
  t.after(() => {
    sts.destroy();
    s3.destroy();
  });
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: SOURCE_BUCKET, Key: 'k' }));
  assert.equal(await Body?.transformToString(), 'x');
});
