// The service as `npm start` runs it, driven by nothing but the notifications of an S3 that others wrote, over each way
// that AWS has into a queue: S3 -> SQS, S3 -> SNS -> SQS wrapped and raw, S3 -> EventBridge -> SQS.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Storage } from '@google-cloud/storage';
import { freePort, type ServiceProcess, startService } from '../../sandbox/service-process.ts';
import { serverAddress } from './addresses.ts';
import { callJson, callSns, createQueue } from './aws-calls.ts';

const source = serverAddress('localstack');
const target = serverAddress('fake-gcs-server');
const LONGEST_WAIT_MS = 60_000;
const EVENTS = ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'] as const;

const ODD_KEYS = ['plain.txt', 'di r/a+b%c&é☃.txt', 'percent%2Bplus', '100%', '"<script>\'', '__proto__'];
/** It encodes keys in EventBridge events, which the real service does not. */
const PLAIN_KEYS = ['plain.txt', 'folder/a-b_c.txt'];

/** Leads what a bucket announces to the queue; returns what is to be configured at the bucket. */
type Route = (at: {
  readonly url: string;
  readonly bucket: string;
  readonly queueArn: string;
}) => Promise<NotificationConfiguration>;

const ROUTES: Readonly<Record<string, { readonly lead: Route; readonly keys: readonly string[] }>> = {
  direct: {
    lead: async ({ queueArn }) => ({ QueueConfigurations: [{ QueueArn: queueArn, Events: [...EVENTS] }] }),
    keys: ODD_KEYS,
  },
  wrapped: { lead: async (at) => throughTopic(at, 'false'), keys: ODD_KEYS },
  raw: { lead: async (at) => throughTopic(at, 'true'), keys: ODD_KEYS },
  eventbridge: { lead: throughEventBridge, keys: PLAIN_KEYS },
};

async function throughTopic(
  { url, bucket, queueArn }: Parameters<Route>[0],
  rawDelivery: 'true' | 'false',
): Promise<NotificationConfiguration> {
  const made = await callSns(url, 'CreateTopic', { Name: bucket });
  const TopicArn = /<TopicArn>([^<]+)</.exec(made)?.[1] ?? assert.fail(made);
  await callSns(url, 'Subscribe', {
    TopicArn,
    Protocol: 'sqs',
    Endpoint: queueArn,
    'Attributes.entry.1.key': 'RawMessageDelivery',
    'Attributes.entry.1.value': rawDelivery,
  });
  return { TopicConfigurations: [{ TopicArn, Events: [...EVENTS] }] };
}

async function throughEventBridge({
  url,
  bucket,
  queueArn,
}: Parameters<Route>[0]): Promise<NotificationConfiguration> {
  const EventPattern = JSON.stringify({ source: ['aws.s3'], detail: { bucket: { name: [bucket] } } });
  await callJson(url, 'events', 'AWSEvents.PutRule', { Name: bucket, EventPattern });
  const Targets = [{ Id: 'queue', Arn: queueArn }];
  await callJson(url, 'events', 'AWSEvents.PutTargets', { Rule: bucket, Targets });
  return { EventBridgeConfiguration: {} };
}

test('the notifications of LocalStack bring every object over, by each way into the queue', async (t) => {
  if ('reason' in source || 'reason' in target || source.keys === null) {
    t.skip('reason' in source ? source.reason : 'reason' in target ? target.reason : 'no keys');
    return;
  }
  const { url } = source;
  const { region, ...credentials } = source.keys;
  const id = randomBytes(4).toString('hex');
  const s3 = new S3Client({ region, endpoint: url, forcePathStyle: true, credentials });
  t.after(() => s3.destroy());
  const { queueUrl, queueArn } = await createQueue(url, `changes-${id}`);
  const buckets = Object.entries(ROUTES).map(([route, rest]) => ({ bucket: `${route}-${id}`, ...rest }));
  for (const { bucket, lead } of buckets) {
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
    const NotificationConfiguration = await lead({ url, bucket, queueArn });
    await s3.send(
      new PutBucketNotificationConfigurationCommand({ Bucket: bucket, NotificationConfiguration }),
    );
  }
  const apiEndpoint = target.url;
  const google = new Storage({ apiEndpoint, projectId: 'interop', useAuthWithCustomEndpoint: false });
  const [copies] = await google.createBucket(`copies-${id}`);
  const service = await serve(t, {
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_REGION: region,
    AWS_ENDPOINT_URL: url,
    SQS_QUEUE_URL: queueUrl,
    STORAGE_EMULATOR_HOST: target.url,
    S3_BUCKET: buckets.map(({ bucket }) => bucket).join(','),
    GCS_BUCKET: copies.name,
  });

  for (const { bucket, keys } of buckets)
    for (const Key of keys)
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: `${bucket}: ${Key}` }));
  for (const { bucket, keys } of buckets)
    for (const key of keys)
      await until(service, `${bucket} ${key}`, async () => {
        const [text] = await copies
          .file(`${bucket}/${key}`)
          .download()
          .catch(() => [Buffer.of()]);
        return text.toString() === `${bucket}: ${key}`;
      });

  // A deletion at the source is announced too, looked at, and ignored, because the rule does not mirror deletes.
  const [first] = buckets;
  assert.ok(first !== undefined);
  await s3.send(new DeleteObjectCommand({ Bucket: first.bucket, Key: 'plain.txt' }));
  await until(
    service,
    'the deletion',
    async () => (await service.newest(first.bucket, 'plain.txt'))?.outcome === 'source_gone',
  );
  const created = buckets.reduce((total, { keys }) => total + keys.length, 0);
  await until(service, 'an empty queue', async () => (await waitingMessages(url, queueUrl)) === 0);
  const counts = await messageCounts(service);
  assert.equal(counts['quarantined'], 0);
  assert.equal(counts['accepted'], created + 1);
  assert.ok((counts['ignored'] ?? 0) >= 1, 'The test event of S3 was acknowledged');
});

async function serve(t: TestContext, settings: Record<string, string>): Promise<ServiceProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'replicator-interop-'));
  t.after(async () => rm(folder, { recursive: true, force: true }));
  const service = await startService({
    settings: { ...settings, REPLICATOR_DATA_DIR: join(folder, 'data') },
    port: await freePort(),
    apiKey: 'none needed on loopback',
    folder,
    onLog: () => {},
  });
  t.after(async () => void (await service.stop()));
  return service;
}

async function until(service: ServiceProcess, what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + LONGEST_WAIT_MS;
  while (performance.now() < deadlineMs) {
    if (await isSo()) return;
    await sleep(100);
  }
  throw new Error(`Waited in vain for ${what}:\n${service.logLines.slice(-40).join('\n')}`);
}

async function waitingMessages(url: string, queueUrl: string): Promise<number> {
  const AttributeNames = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'];
  const input = { QueueUrl: queueUrl, AttributeNames };
  const { Attributes } = await callJson(url, 'sqs', 'AmazonSQS.GetQueueAttributes', input);
  return Object.values(Attributes as Record<string, string>).reduce(
    (total, count) => total + Number(count),
    0,
  );
}

/** `replicator_sqs_messages_total`, by result. */
async function messageCounts(service: ServiceProcess): Promise<Record<string, number>> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  const found = text.matchAll(/^replicator_sqs_messages_total\{result="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...found].map(([, result, count]) => [result, Number(count)]));
}
