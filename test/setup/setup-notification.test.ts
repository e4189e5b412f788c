// `replicator setup notification` with its real drivers, against an S3 over HTTP that checks what AWS checks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  GetBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  ACCOUNT,
  FUNCTION_ARN,
  KEYS,
  type OwnCloud,
  REGION,
  SOURCE,
  startOwnCloud,
  TARGET,
} from './own-cloud.ts';
import { NOBODY } from './own-command.ts';

const SETUP = ['setup', 'notification'];

interface EntryJson {
  readonly id: string;
  readonly arn: string;
  readonly events: readonly string[];
  readonly prefix: string;
}

interface RunJson {
  readonly state: string;
  readonly plan: Readonly<Record<'added' | 'removed' | 'unchanged' | 'kept' | 'coveredBy', EntryJson[]>> & {
    readonly conflicts: { readonly with: EntryJson; readonly events: string[] }[];
  };
  readonly refusal?: { readonly foreign: string[]; readonly advice: { readonly commands: string[] }[] };
  readonly fault?: { readonly code: string; readonly message: string; readonly remedy: string };
}

/** What somebody else configures, and what is there, by the vendor's own client. */
function clientOf({ s3 }: OwnCloud): {
  readonly read: () => Promise<NotificationConfiguration>;
  readonly write: (configuration: NotificationConfiguration) => Promise<void>;
} {
  const client = new S3Client({ endpoint: s3.url, region: REGION, credentials: KEYS, forcePathStyle: true });
  return {
    read: async () => {
      const { $metadata: _, ...found } = await client.send(
        new GetBucketNotificationConfigurationCommand({ Bucket: SOURCE }),
      );
      return found;
    },
    write: async (NotificationConfiguration) => {
      await client.send(
        new PutBucketNotificationConfigurationCommand({ Bucket: SOURCE, NotificationConfiguration }),
      );
    },
  };
}

async function runJson(
  cloud: OwnCloud,
  args: readonly string[],
  more = {},
): Promise<RunJson & { exitCode: number }> {
  const { exitCode, out } = await cloud.run([...SETUP, ...args, '--json'], more);
  const { buckets } = JSON.parse(out) as { buckets: RunJson[] };
  const [run] = buckets;
  assert.ok(run);
  return { ...run, exitCode };
}

test('nothing is written before --apply; then ours is there once, beside everything that was there', async (t) => {
  const cloud = await startOwnCloud(t);
  const { read, write } = clientOf(cloud);
  const SQS_QUEUE_URL = cloud.sqs.createQueue('s3-events');
  const topic = cloud.sns.createTopic('theirs');
  const theirs: NotificationConfiguration = {
    LambdaFunctionConfigurations: [
      {
        Id: 'thumbnails',
        LambdaFunctionArn: FUNCTION_ARN,
        Events: ['s3:ObjectCreated:Put'],
        Filter: {
          Key: {
            FilterRules: [
              { Name: 'prefix', Value: 'logs/' },
              { Name: 'suffix', Value: '.gz' },
            ],
          },
        },
      },
    ],
    TopicConfigurations: [{ Id: 'tags', TopicArn: topic, Events: ['s3:ObjectTagging:*'] }],
    EventBridgeConfiguration: {},
  };
  await write(theirs);
  const before = await read();
  const settings = { SQS_QUEUE_URL, S3_PREFIX: 'photos of 2026/' };

  const planned = await cloud.run(SETUP, settings);
  assert.equal(planned.exitCode, 0, planned.err);
  assert.match(planned.out, /^s3:\/\/photos \(default\)\n/);
  assert.match(planned.out, /kept +thumbnails .* s3:ObjectCreated:Put +logs\/\*\.gz\n/);
  assert.match(planned.out, /\+ add +cross-cloud-replicator-default .* photos of 2026\/\*\n/);
  assert.match(planned.out, /EventBridge is on and stays on\.\n/);
  assert.match(planned.out, /Nothing was written\. The same command with --apply writes it\.\n$/);
  assert.deepEqual(await read(), before);

  const applied = await cloud.run([...SETUP, '--apply'], settings);
  assert.equal(applied.exitCode, 0, applied.out);
  assert.match(applied.out, /Written, and read back as it was written\.\n$/);
  const after = await read();
  assert.deepEqual(after, {
    ...before,
    QueueConfigurations: [
      {
        Id: 'cross-cloud-replicator-default',
        QueueArn: `arn:aws:sqs:${REGION}:${ACCOUNT}:s3-events`,
        Events: ['s3:ObjectCreated:*', 's3:ObjectRestore:Completed'],
        Filter: { Key: { FilterRules: [{ Name: 'Prefix', Value: 'photos+of+2026/' }] } },
      },
    ],
  });
  const again = await runJson(cloud, ['--apply'], settings);
  assert.deepEqual([again.exitCode, again.state, again.plan.unchanged.length], [0, 'unchanged', 1]);
  assert.deepEqual(await read(), after);

  const removed = await runJson(cloud, ['--remove', '--apply'], settings);
  assert.deepEqual([removed.exitCode, removed.state], [0, 'written']);
  assert.deepEqual(await read(), before);
});

test('an entry of somebody else that overlaps is named with the way out, and nothing is written', async (t) => {
  const cloud = await startOwnCloud(t);
  const { read, write } = clientOf(cloud);
  await write({
    LambdaFunctionConfigurations: [
      { Id: 'thumbnails', LambdaFunctionArn: FUNCTION_ARN, Events: ['s3:ObjectCreated:*'] },
    ],
  });
  const SQS_QUEUE_URL = cloud.sqs.createQueue('s3-events');
  const { exitCode, out } = await cloud.run([...SETUP, '--apply'], { SQS_QUEUE_URL });
  assert.equal(exitCode, 1);
  assert.match(out, /conflict: "thumbnails" \(function .*\) announces s3:ObjectCreated:\* of \* too\./);
  assert.match(out, /Way out: .*SNS topic.*--topic.*EventBridge/);
  assert.equal((await read()).QueueConfigurations, undefined);
  const { plan } = await runJson(cloud, ['--queue', SQS_QUEUE_URL]);
  assert.deepEqual(
    plan.conflicts.map((conflict) => [conflict.with.id, conflict.events]),
    [['thumbnails', ['s3:ObjectCreated:*']]],
  );
  // The same function by hand is enough as it is, once it is told of restores too.
  await write({
    LambdaFunctionConfigurations: [
      { Id: 'hand', LambdaFunctionArn: FUNCTION_ARN, Events: ['s3:ObjectCreated:*', 's3:ObjectRestore:*'] },
    ],
  });
  const covered = await cloud.run([...SETUP, '--function', FUNCTION_ARN, '--apply']);
  assert.equal(covered.exitCode, 0, covered.out);
  assert.match(covered.out, /"hand" .* announces all of it already/);
});

test('a destination that S3 may not send to is answered with the statement to add', async (t) => {
  const cloud = await startOwnCloud(t, { checkPolicies: true });
  const { read } = clientOf(cloud);
  const SQS_QUEUE_URL = cloud.sqs.createQueue('s3-events');
  const refused = await cloud.run([...SETUP, '--apply'], { SQS_QUEUE_URL, S3_EXPECTED_OWNER: ACCOUNT });
  assert.equal(refused.exitCode, 1);
  assert.match(
    refused.out,
    /S3 refused it, nothing was written: Unable to validate the following destination/,
  );
  assert.match(refused.out, /Allow S3 to send to the queue arn:aws:sqs:us-east-1:123456789012:s3-events/);
  const statement = /^ +(\{"Sid".*\})$/m.exec(refused.out)?.[1];
  assert.ok(statement);
  assert.deepEqual(await read(), {});
  // What it says is what it takes.
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [JSON.parse(statement)] });
  cloud.sqs.createQueue('allowed', { Policy: Policy.replaceAll(':s3-events', ':allowed') });
  const allowed = await cloud.run([...SETUP, '--queue', cloud.sqs.queueUrl('allowed'), '--apply']);
  assert.equal(allowed.exitCode, 0, allowed.out);

  const missing = FUNCTION_ARN.replace('forward', 'gone');
  const { exitCode, refusal } = await runJson(cloud, ['--function', missing, '--apply']);
  assert.equal(exitCode, 1);
  assert.match(
    refusal?.advice[0]?.commands[0] ?? '',
    /^aws lambda add-permission --function-name \S+:gone .*--source-arn arn:aws:s3:::photos --source-account ACCOUNT-ID/,
  );
});

test('a destination of somebody else that S3 no longer accepts is named', async (t) => {
  const cloud = await startOwnCloud(t);
  const { write } = clientOf(cloud);
  await write({
    LambdaFunctionConfigurations: [
      { Id: 'old', LambdaFunctionArn: FUNCTION_ARN, Events: ['s3:ObjectTagging:*'] },
    ],
  });
  cloud.functions.delete(FUNCTION_ARN);
  const { exitCode, out } = await cloud.run([...SETUP, '--apply'], {
    SQS_QUEUE_URL: cloud.sqs.createQueue('s3-events'),
  });
  assert.equal(exitCode, 1);
  assert.match(out, /:function:forward belongs to an entry of somebody else: S3 checks every destination/);
  assert.doesNotMatch(out, /Allow S3 to send/);
});

test('one rule is set up without taking away what it shares with another', async (t) => {
  const cloud = await startOwnCloud(t);
  const { read } = clientOf(cloud);
  const rules = ['wide', 'apart'].map((name) => ({
    name,
    source: { bucket: SOURCE, prefix: name === 'wide' ? '' : 'x/' },
    target: { bucket: TARGET, prefix: `${name}/` },
  }));
  const more = {
    SQS_QUEUE_URL: cloud.sqs.createQueue('s3-events'),
    REPLICATOR_CONFIG: 'rules.yaml',
    S3_BUCKET: '',
    GCS_BUCKET: '',
  };
  const files = { 'rules.yaml': JSON.stringify({ rules }) };
  for (const args of [[], ['--rule', 'apart']]) {
    const { exitCode, out } = await cloud.run([...SETUP, '--apply', ...args], more, { files });
    assert.equal(exitCode, 0, out);
    const { QueueConfigurations } = await read();
    assert.deepEqual(
      QueueConfigurations?.map(({ Id, Filter }) => [Id, Filter]),
      [['cross-cloud-replicator-wide', undefined]],
    );
  }
});

test('somebody who writes between our write and our look is told', async (t) => {
  const cloud = await startOwnCloud(t);
  const { write, read } = clientOf(cloud);
  const SQS_QUEUE_URL = cloud.sqs.createQueue('s3-events');
  const theirs = {
    LambdaFunctionConfigurations: [
      { Id: 'theirs', LambdaFunctionArn: FUNCTION_ARN, Events: ['s3:ObjectTagging:Put' as const] },
    ],
  };
  cloud.s3.faults.add({
    match: { method: 'GET', query: 'notification' },
    skip: 1,
    effect: { kind: 'meanwhile', run: async () => write(theirs) },
  });
  const { exitCode, out } = await cloud.run([...SETUP, '--apply'], { SQS_QUEUE_URL });
  assert.equal(exitCode, 75, out);
  assert.match(out, /Somebody else wrote the notifications of this bucket meanwhile and undid it/);
  assert.equal((await read()).QueueConfigurations, undefined);
  assert.equal((await cloud.run([...SETUP, '--apply'], { SQS_QUEUE_URL })).exitCode, 0);
  assert.equal((await read()).LambdaFunctionConfigurations?.length, 1);
});

test('what cannot be read or written is a fault with its fix', async (t) => {
  const cloud = await startOwnCloud(t);
  const SQS_QUEUE_URL = cloud.sqs.createQueue('s3-events');
  const failing = async (more: Record<string, string>): Promise<[number, string, string, string]> => {
    const { exitCode, fault } = await runJson(cloud, ['--apply'], { SQS_QUEUE_URL, ...more });
    return [exitCode, fault?.code ?? '', fault?.message ?? '', fault?.remedy ?? ''];
  };
  const [missing, missingCode, , missingFix] = await failing({ S3_BUCKET: 'no-such-bucket' });
  assert.deepEqual([missing, missingCode], [1, 'source_bucket_missing']);
  assert.match(missingFix, /S3_BUCKET/);

  cloud.s3.createBucket('elsewhere', { region: 'eu-west-1' });
  const [, regionCode, , regionFix] = await failing({ S3_BUCKET: 'elsewhere' });
  assert.deepEqual([regionCode, regionFix], ['wrong_region', 'Set AWS_REGION=eu-west-1.']);

  const [, ownerCode, ownerMessage] = await failing({ S3_EXPECTED_OWNER: '999999999999' });
  assert.equal(ownerCode, 'access_denied');
  assert.match(ownerMessage, /does not belong to account 999999999999/);

  const [, keyCode, , keyFix] = await failing({ AWS_SECRET_ACCESS_KEY: 'wrong' });
  assert.equal(keyCode, 'credentials_invalid');
  assert.match(keyFix, /^AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID/);

  cloud.s3.deny('s3:PutBucketNotification');
  const [, deniedCode, deniedMessage, deniedFix] = await failing({});
  assert.equal(deniedCode, 'access_denied');
  assert.match(deniedMessage, /^s3:PutBucketNotification on arn:aws:s3:::photos is denied/);
  assert.match(deniedFix, /^Grant s3:PutBucketNotification/);

  const [gone, goneCode] = await failing({ AWS_ENDPOINT_URL_S3: NOBODY });
  assert.deepEqual([gone, goneCode], [75, 'source_unreachable']);
});

test('several buckets are set up in one run; one that fails leaves the others', async (t) => {
  const cloud = await startOwnCloud(t);
  cloud.s3.createBucket('second');
  const settings = { S3_BUCKET: 'photos,gone,second', SQS_QUEUE_URL: cloud.sqs.createQueue('s3-events') };
  const { exitCode, out, err } = await cloud.run([...SETUP, '--apply', '--json'], settings);
  assert.equal(exitCode, 3);
  assert.equal(err, 's3://photos: written\ns3://gone: failed\ns3://second: written\n');
  const { buckets } = JSON.parse(out) as { buckets: { bucket: string; state: string }[] };
  assert.deepEqual(
    buckets.map(({ bucket, state }) => [bucket, state]),
    [
      ['photos', 'written'],
      ['gone', 'failed'],
      ['second', 'written'],
    ],
  );
  const one = await cloud.run([...SETUP, '--remove', '--rule', 'default-second'], settings);
  assert.match(
    one.out,
    /^s3:\/\/second \(default-second\)\n.*\n- remove +cross-cloud-replicator-default-second/,
  );
});

test('what arrives at the queue is what the rule covers', async (t) => {
  const cloud = await startOwnCloud(t);
  const settings = { S3_PREFIX: 'a/', SQS_QUEUE_URL: cloud.sqs.createQueue('s3-events') };
  assert.equal((await cloud.run([...SETUP, '--apply'], settings)).exitCode, 0);
  await cloud.s3.putObject(SOURCE, 'a/1', 'one');
  await cloud.s3.putObject(SOURCE, 'b/1', 'other');
  await cloud.s3.idle();
  const bodies = cloud.sqs.inspect('s3-events').messages.map(({ body }) => body);
  assert.equal(bodies.filter((body) => body.includes('s3:TestEvent')).length, 1);
  assert.deepEqual(
    bodies.filter((body) => body.includes('Records')).map((body) => /"key":"([^"]+)"/.exec(body)?.[1]),
    ['a/1'],
  );
});

test('options that contradict or name nothing are a usage failure that says so', async (t) => {
  const cloud = await startOwnCloud(t);
  const wrong: readonly (readonly [readonly string[], RegExp, Record<string, string>?])[] = [
    [[], /Name where to send: --function ARN, --queue URL or --topic ARN, or set SQS_QUEUE_URL/],
    [['--function', FUNCTION_ARN, '--topic', 'x'], /Name one destination/],
    [['--topic', FUNCTION_ARN], /is not the ARN of a topic/],
    [['--remove', '--topic', 'x'], /--remove takes no destination/],
    [['--remove', '--bucket', 'nobody'], /No rule covers the bucket "nobody"/],
    [['--remove', '--rule', 'nobody'], /There is no rule "nobody"/],
    [['--remove'], /name the bucket to set up with --bucket/, { S3_BUCKET: '*', S3_EXPECTED_OWNER: ACCOUNT }],
    [['--remove'], /GCS_BUCKET: is not set/, { GCS_BUCKET: '' }],
  ];
  for (const [args, says, more] of wrong) {
    const { exitCode, err } = await cloud.run([...SETUP, ...args], more);
    assert.equal(exitCode, 2, args.join(' '));
    assert.match(err, says);
  }
  assert.equal(cloud.s3.requestCount, 0);
});
