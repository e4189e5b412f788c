import {
  DeleteObjectCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { listen } from '../listening-address.ts';
import { noDestinations } from '../s3/notification.ts';
import { sdkClient, testCredentials } from '../s3/raw-request.ts';
import { startSandboxS3 } from '../s3/sandbox-s3.ts';
import { startSqsUnderTest } from '../sqs/sqs-test-client.ts';
import { startSandboxEventBridge } from './sandbox-event-bridge.ts';

const event = {
  'detail-type': 'Object Created',
  detail: { bucket: { name: 'photos' }, object: { key: 'a/b' } },
};

test('an API destination is posted to with its connection’s header, again after a failure', async (t) => {
  const bus = startSandboxEventBridge({ retryDelaysMs: [1, 1] });
  t.after(() => bus.close());
  const address = await listen(t, (count) => [503, 429, 202][count - 1] ?? 202);
  bus.addRule({
    target: {
      kind: 'api_destination',
      url: `${address.url}/v1/events`,
      auth: { kind: 'api_key', header: 'authorization', value: 'Bearer key' },
    },
  });
  bus.putEvent(event);
  await bus.idle();
  assert.equal(address.posts.length, 3);
  for (const { method, path, headers, body } of address.posts) {
    assert.deepEqual([method, path, body], ['POST', '/v1/events', JSON.stringify(event)]);
    assert.deepEqual(
      [headers['content-type'], headers['user-agent'], headers.authorization],
      ['application/json; charset=utf-8', 'Amazon/EventBridge/ApiDestinations', 'Bearer key'],
    );
  }
  assert.deepEqual(bus.undelivered, []);
});

test('a destination that refuses is not tried again', async (t) => {
  const bus = startSandboxEventBridge({ retryDelaysMs: [1, 1] });
  t.after(() => bus.close());
  const refusing = await listen(t, () => 404);
  const auth = { kind: 'basic', user: 'u', password: 'p' } as const;
  bus.addRule({ target: { kind: 'api_destination', url: refusing.url, auth } });
  bus.putEvent(event);
  await bus.idle();
  assert.equal(refusing.posts.length, 1);
  assert.equal(refusing.posts[0]?.headers.authorization, 'Basic dTpw');
  assert.deepEqual(bus.undelivered, [event]);
});

test('a destination that is too slow is tried again', async (t) => {
  // Long enough for each try to arrive on a busy machine.
  const bus = startSandboxEventBridge({ retryDelaysMs: [1, 1], answerWithinMs: 500 });
  t.after(() => bus.close());
  let requests = 0;
  const slow = createServer(() => {
    requests += 1;
  });
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    slow.closeAllConnections();
    slow.close();
  });
  const { port } = slow.address() as AddressInfo;
  bus.addRule({ target: { kind: 'api_destination', url: `http://127.0.0.1:${port}/` } });
  bus.putEvent(event);
  await bus.idle();
  assert.equal(requests, 3);
  assert.deepEqual(bus.undelivered, [event]);
});

test('a rule takes the events of its bucket, its types and its prefix, and a queue gets them as they are', async (t) => {
  const { sqs, receive } = await startSqsUnderTest(t);
  const bus = startSandboxEventBridge({ deliverToQueue: (arn, body) => sqs.deliver(arn, body) });
  t.after(() => bus.close());
  sqs.createQueue('all');
  sqs.createQueue('some');
  bus.addRule({ target: { kind: 'queue', arn: sqs.queueArn('all') } });
  bus.addRule({
    bucket: 'photos',
    detailTypes: ['Object Created'],
    keyPrefix: 'a/',
    target: { kind: 'queue', arn: sqs.queueArn('some') },
  });
  const others = [
    { ...event, 'detail-type': 'Object Deleted' },
    { ...event, detail: { ...event.detail, bucket: { name: 'films' } } },
    { ...event, detail: { ...event.detail, object: { key: 'b' } } },
  ];
  for (const each of [event, ...others]) bus.putEvent(each);
  await bus.idle();
  assert.equal((await receive('all')).length, 4);
  assert.deepEqual(
    (await receive('some')).map(({ Body = '' }) => JSON.parse(Body) as object),
    [event],
  );
});

test('S3’s events for the bus have literal keys, the reason, and what kind of deletion it was', async (t) => {
  const s3 = await startSandboxS3(testCredentials);
  const client = sdkClient(s3.url);
  t.after(async () => {
    client.destroy();
    await s3.close();
  });
  const events: Record<string, unknown>[] = [];
  s3.connect({ ...noDestinations, putEvent: (each) => void events.push(each as Record<string, unknown>) });
  s3.createBucket('photos', { versioned: true });
  await s3.putObject('photos', 'before', 'x');
  const NotificationConfiguration = { EventBridgeConfiguration: {} };
  await client.send(
    new PutBucketNotificationConfigurationCommand({ Bucket: 'photos', NotificationConfiguration }),
  );
  const Key = 'a b+c/é%20';
  const { VersionId } = await client.send(new PutObjectCommand({ Bucket: 'photos', Key, Body: 'hello' }));
  await client.send(new DeleteObjectCommand({ Bucket: 'photos', Key }));
  await client.send(new DeleteObjectCommand({ Bucket: 'photos', Key, VersionId }));
  const [created, marked, deleted] = events;
  const { detail, id, time, ...envelope } = created ?? {};
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.match(String(id), /^[0-9a-f-]{36}$/);
  assert.deepEqual(envelope, {
    version: '0',
    'detail-type': 'Object Created',
    source: 'aws.s3',
    account: '123456789012',
    region: 'us-east-1',
    resources: ['arn:aws:s3:::photos'],
  });
  type Detail = { object: Record<string, unknown> } & Record<string, unknown>;
  const shown = (each: unknown) => {
    const { object, reason, 'deletion-type': deletion, bucket } = each as Detail;
    return {
      bucket,
      key: object['key'],
      size: object['size'],
      version: object['version-id'],
      reason,
      deletion,
    };
  };
  const bucket = { name: 'photos' };
  assert.deepEqual(shown(detail), {
    bucket,
    key: Key,
    size: 5,
    version: VersionId,
    reason: 'PutObject',
    deletion: undefined,
  });
  const markedDetail = shown(marked?.['detail']);
  assert.deepEqual(
    [marked?.['detail-type'], markedDetail.reason, markedDetail.deletion, markedDetail.size],
    ['Object Deleted', 'DeleteObject', 'Delete Marker Created', undefined],
  );
  assert.deepEqual(shown(deleted?.['detail']), {
    bucket,
    key: Key,
    size: undefined,
    version: VersionId,
    reason: 'DeleteObject',
    deletion: 'Permanently Deleted',
  });
  assert.equal(events.length, 3);
});
