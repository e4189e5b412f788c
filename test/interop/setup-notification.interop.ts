// `replicator setup notification` on another maker's S3 that already announces something to somebody else: ours comes
// beside it, once, and goes again without it. What arrives in the queue shows that both work.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CreateBucketCommand,
  GetBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { runOwnCommand } from '../setup/own-command.ts';
import { serverAddress } from './addresses.ts';
import type { ServerAddress } from './servers.ts';

const address = serverAddress('localstack');
const skip = 'reason' in address ? address.reason : false;

const BUCKET = 'shared-by-two';
const ARN = 'arn:aws:sqs:us-east-1:000000000000';

test(
  'set up twice, our entry is there once beside a foreign one; its removal leaves the foreign one',
  { skip },
  async () => {
    const { url, keys } = address as ServerAddress;
    assert.ok(keys);
    const options = { endpoint: url, region: keys.region, credentials: keys };
    const s3 = new S3Client({ ...options, forcePathStyle: true });
    const sqs = new SQSClient(options);
    const read = async (): Promise<NotificationConfiguration> => {
      const { $metadata: _, ...found } = await s3.send(
        new GetBucketNotificationConfigurationCommand({ Bucket: BUCKET }),
      );
      return found;
    };
    const receivedKeys = async (QueueUrl: string): Promise<string[]> => {
      const found: string[] = [];
      for (let empty = 0; empty < 2;) {
        const command = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 });
        const { Messages: messages = [] } = await sqs.send(command);
        empty = messages.length === 0 ? empty + 1 : 0;
        for (const { Body: body = '' } of messages)
          found.push(...body.matchAll(/"key": ?"([^"]+)"/g).map(([, key]) => key ?? ''));
      }
      return [...new Set(found)].toSorted();
    };
    try {
      await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
      const { QueueUrl: theirUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'theirs' }));
      const { QueueUrl: ourUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'ours' }));
      const theirs = {
        Id: 'theirs',
        QueueArn: `${ARN}:theirs`,
        Events: ['s3:ObjectCreated:Put' as const],
        Filter: { Key: { FilterRules: [{ Name: 'prefix' as const, Value: 'logs/' }] } },
      };
      await s3.send(
        new PutBucketNotificationConfigurationCommand({
          Bucket: BUCKET,
          NotificationConfiguration: { QueueConfigurations: [theirs] },
        }),
      );
      const before = await read();
      const settings = {
        AWS_ACCESS_KEY_ID: keys.accessKeyId,
        AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
        AWS_REGION: keys.region,
        AWS_ENDPOINT_URL: url,
        S3_BUCKET: BUCKET,
        S3_PREFIX: 'photos/',
        GCS_BUCKET: 'anywhere',
        S3_EXPECTED_OWNER: '000000000000',
        DELETES: 'mirror',
        SQS_QUEUE_URL: ourUrl,
      };
      const apply = ['setup', 'notification', '--apply'];
      for (const says of [/Written, and read back as it was written\./, /Nothing to do\./]) {
        const { exitCode, out, err } = await runOwnCommand(apply, settings);
        assert.equal(exitCode, 0, out + err);
        assert.match(out, says);
      }
      const after = await read();
      assert.deepEqual(after.QueueConfigurations?.map(({ Id }) => Id).toSorted(), [
        'cross-cloud-replicator-default',
        'theirs',
      ]);
      assert.deepEqual(
        after.QueueConfigurations?.find(({ Id }) => Id === 'theirs'),
        before.QueueConfigurations?.[0],
      );

      for (const Key of ['photos/1.jpg', 'logs/1.gz', 'other'])
        await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'x' }));
      assert.deepEqual(await receivedKeys(ourUrl), ['photos/1.jpg']);
      assert.deepEqual(await receivedKeys(theirUrl), ['logs/1.gz']);

      // The whole prefix would overlap with the foreign entry: found before anything is sent.
      const conflict = await runOwnCommand(apply, { ...settings, S3_PREFIX: '' });
      assert.equal(conflict.exitCode, 1);
      assert.match(
        conflict.out,
        /conflict: "theirs" \(queue .*:theirs\) announces s3:ObjectCreated:\* of logs\/\* too/,
      );
      assert.deepEqual(await read(), after);

      const removed = await runOwnCommand(['setup', 'notification', '--remove', '--apply'], settings);
      assert.equal(removed.exitCode, 0, removed.out);
      assert.deepEqual(await read(), before);
    } finally {
      s3.destroy();
      sqs.destroy();
    }
  },
);
