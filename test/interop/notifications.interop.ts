// Notifications as another maker's S3 writes them into a queue, read by our parser: the keys that come out are the
// keys that were put in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { Change } from '../../src/core/change.ts';
import { parseChangeDocument } from '../../src/triggers/s3-notification.ts';
import { serverAddress } from './addresses.ts';
import { callJson, createQueue } from './aws-calls.ts';
import type { ServerAddress } from './servers.ts';

const address = serverAddress('localstack');
const skip = 'reason' in address ? address.reason : false;

type Queue = (action: string, body: object) => Promise<unknown>;

const BUCKET = 'notified';
const KEYS = [
  'plain.txt',
  'di r/a+b%c&é☃.txt',
  'percent%2Bplus',
  '100%',
  'a//b',
  '/lead',
  'a/../b',
  'folder/',
  'emoji-😀',
  'e\u0301',
  '"<script>\'\\',
  '__proto__',
];

test('the keys of real notifications come out as they were put in', { skip }, async () => {
  const { url, keys } = address as ServerAddress;
  assert.ok(keys);
  const s3 = new S3Client({ endpoint: url, region: keys.region, credentials: keys, forcePathStyle: true });
  try {
    const { queueUrl, queueArn } = await createQueue(url, 'changes');
    const queue: Queue = async (action, body) =>
      callJson(url, 'sqs', `AmazonSQS.${action}`, { QueueUrl: queueUrl, ...body });
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    const events = ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'] as const;
    const NotificationConfiguration = {
      QueueConfigurations: [{ QueueArn: queueArn, Events: [...events] }],
    };
    await s3.send(
      new PutBucketNotificationConfigurationCommand({ Bucket: BUCKET, NotificationConfiguration }),
    );
    for (const Key of KEYS) await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'xyz' }));
    await s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: KEYS[1] ?? '' }));

    // As Lambda passes a batch of the queue on, so that both wrappings are read.
    const changes: Change[] = [];
    const ignored: string[] = [];
    for (let empty = 0; empty < 3 && changes.length < KEYS.length + 1;) {
      const bodies = await receive(queue);
      empty = bodies.length === 0 ? empty + 1 : 0;
      const Records = bodies.map((body) => ({ eventSource: 'aws:sqs', body }));
      const parsed = parseChangeDocument({ Records });
      assert.deepEqual(parsed.malformed, []);
      changes.push(...parsed.changes);
      ignored.push(...parsed.ignored.map((record) => record.reason));
    }
    assert.ok(
      ignored.some((reason) => reason.startsWith('s3:TestEvent')),
      'The test event did not come, or was not understood',
    );
    const created = changes.filter((change) => change.kind === 'created');
    assert.deepEqual(created.map((change) => change.key).toSorted(), KEYS.toSorted());
    for (const change of created) {
      assert.equal(change.bucket, BUCKET);
      assert.equal(change.sizeBytes, 3);
      assert.ok(change.occurredAtMs !== null && Math.abs(change.occurredAtMs - Date.now()) < 3_600_000);
    }
    const removed = changes.filter((change) => change.kind === 'removed');
    assert.deepEqual(
      removed.map((change) => change.key),
      [KEYS[1]],
    );
  } finally {
    s3.destroy();
  }
});

/** Takes up to ten messages off the queue, waiting up to two seconds for the first. */
async function receive(queue: Queue): Promise<string[]> {
  const answer = (await queue('ReceiveMessage', { MaxNumberOfMessages: 10, WaitTimeSeconds: 2 })) as {
    readonly Messages?: readonly { readonly Body: string; readonly ReceiptHandle: string }[];
  };
  const messages = answer.Messages ?? [];
  for (const { ReceiptHandle } of messages) await queue('DeleteMessage', { ReceiptHandle });
  return messages.map((message) => message.Body);
}
