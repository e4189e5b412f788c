// Every way that AWS has from a bucket into a queue, and the service as a process at its end: the same objects arrive,
// whatever wraps their changes and though a tenth of the messages come twice or out of order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHANGES_QUEUE, type TwoClouds } from '../../sandbox/two-clouds.ts';
import { SOURCE_BUCKET, SystemUnderTest, TARGET_BUCKET } from './service-under-test.ts';

const OBJECT_COUNT = 200;
const ODD_KEYS = ['di r/a+b%c&é☃.txt', '100%', 'a//b', '"<script>\'\\', 'emoji-😀'];
const TROUBLE = { duplicatePermille: 100, reorderPermille: 100 };

/** Leads what the bucket announces to the queue. */
const ROUTES: Readonly<Record<string, (clouds: TwoClouds) => void>> = {
  'S3 -> SQS': ({ s3, sqs }) => notify(s3, 'Queue', sqs.queueArn(CHANGES_QUEUE)),
  'S3 -> SNS -> SQS, wrapped': (clouds) => throughTopic(clouds, false),
  'S3 -> SNS -> SQS, raw': (clouds) => throughTopic(clouds, true),
  'S3 -> EventBridge -> SQS': ({ s3, sqs, eventBridge }) => {
    eventBridge.addRule({ target: { kind: 'queue', arn: sqs.queueArn(CHANGES_QUEUE) } });
    s3.configureNotification(SOURCE_BUCKET, { rules: [], eventBridge: true });
  },
};

function notify(s3: TwoClouds['s3'], kind: 'Queue' | 'Topic', arn: string): void {
  const rule = { id: 'all', kind, arn, events: ['s3:ObjectCreated:*'], prefix: null, suffix: null };
  s3.configureNotification(SOURCE_BUCKET, { rules: [rule], eventBridge: false });
}

function throughTopic({ s3, sqs, sns }: TwoClouds, raw: boolean): void {
  const topicArn = sns.createTopic('changes');
  sns.subscribe(topicArn, { protocol: 'sqs', endpoint: sqs.queueArn(CHANGES_QUEUE), raw });
  notify(s3, 'Topic', topicArn);
}

for (const [name, lead] of Object.entries(ROUTES))
  test(`${name}: every object arrives once, also with odd names, doubled and reordered messages`, async () => {
    await using system = await SystemUnderTest.start({}, { through: 'sqs', delivery: TROUBLE });
    const { clouds } = system;
    lead(clouds);
    const plain = Array.from({ length: OBJECT_COUNT - ODD_KEYS.length }, (_, index) => `object-${index}`);
    const keys = [...ODD_KEYS, ...plain];
    for (const key of keys) await clouds.s3.putObject(SOURCE_BUCKET, key, `bytes of ${key}`);
    await system.until('every object', async () =>
      clouds.gcs.objects(TARGET_BUCKET).length === keys.length ? true : null,
    );
    for (const key of keys)
      assert.equal(clouds.gcs.getObject(TARGET_BUCKET, key)?.read().toString(), `bytes of ${key}`);
    await system.until('an empty queue', async () =>
      clouds.sqs.inspect(CHANGES_QUEUE).messages.length === 0 ? true : null,
    );
    assert.equal(system.uploads().length, keys.length);
    assert.equal(clouds.sqs.inspect(`${CHANGES_QUEUE}-dead`).messages.length, 0);
    const { body } = await system.service.get('/v1/quarantine');
    assert.deepEqual((body as { records: unknown[] }).records, []);
  });
