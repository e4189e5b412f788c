// `replicator doctor` with its real drivers over HTTP: all well, and each thing that can be wrong named with its fix.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QueueUnavailable } from '../../src/core/queue-unavailable.ts';
import { AWS_PERMISSIONS, neededAtTarget } from '../../src/doctor/permissions.ts';
import { openTestApi } from '../../src/http/testing/open-test-api.ts';
import { ACCOUNT, type OwnCloud, SOURCE, startOwnCloud, TARGET } from '../setup/own-cloud.ts';
import { NOBODY } from '../setup/own-command.ts';

interface CheckJson {
  readonly name: string;
  readonly call: string | null;
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly detail: string;
  readonly fix: string | null;
  readonly code: string | null;
}

interface Report {
  readonly exitCode: number;
  readonly healthy: boolean;
  readonly checks: readonly CheckJson[];
  /** The one check whose name begins so. */
  check(name: string): CheckJson;
  readonly failed: readonly CheckJson[];
}

type Settings = Readonly<Record<string, string>>;

async function examine(cloud: OwnCloud, more: Settings = {}, args: readonly string[] = []): Promise<Report> {
  const { exitCode, out } = await cloud.run(['doctor', '--json', ...args], more);
  const { healthy, checks } = JSON.parse(out) as Pick<Report, 'healthy' | 'checks'>;
  return {
    exitCode,
    healthy,
    checks,
    check(name) {
      const found = checks.filter((one) => one.name.startsWith(name));
      assert.equal(found.length, 1, `${name}: ${JSON.stringify(checks, null, 1)}`);
      return found[0] as CheckJson;
    },
    failed: checks.filter(({ state }) => state === 'failed'),
  };
}

/** A cloud in which nothing is wrong: a queue with dead letters that gets the notifications, an object to read. */
async function healthyCloud(t: TestContext): Promise<{ cloud: OwnCloud; settings: Settings }> {
  const cloud = await startOwnCloud(t);
  cloud.sqs.createQueue('dead');
  const SQS_QUEUE_URL = cloud.sqs.createQueue('s3-events', {
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: cloud.sqs.queueArn('dead'), maxReceiveCount: 5 }),
  });
  const settings = { SQS_QUEUE_URL };
  assert.equal((await cloud.run(['setup', 'notification', '--apply'], settings)).exitCode, 0);
  cloud.s3.setVersioning(SOURCE, 'enabled');
  await cloud.s3.putObject(SOURCE, 'folder/object.txt', 'some bytes');
  await cloud.s3.idle();
  return { cloud, settings };
}

test('where everything is right, every check is ok and nothing is left behind', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const report = await examine(cloud, { ...settings, S3_EXPECTED_OWNER: ACCOUNT });
  assert.deepEqual([report.failed, report.exitCode, report.healthy], [[], 0, true]);
  assert.deepEqual(
    report.checks.filter(({ state }) => state !== 'ok').map(({ name, state }) => [name, state]),
    [
      ['source: credentials', 'skipped'],
      ['queue: receiving', 'skipped'],
      ['target: credentials', 'skipped'],
      ['database', 'skipped'],
      ['service', 'skipped'],
      ['whole way', 'skipped'],
    ],
  );
  assert.match(report.check('source: bucket').detail, /belongs to account 123456789012/);
  assert.match(report.check('notification').detail, /announced to the queue that is polled/);
  assert.deepEqual(cloud.gcs.objects(TARGET), []);
  assert.deepEqual(cloud.s3.listKeys(SOURCE), ['folder/object.txt']);
  const { messages, inFlight } = cloud.sqs.inspect('s3-events');
  assert.deepEqual([messages.every(({ receiveCount }) => receiveCount === 0), inFlight], [true, 0]);
});

test('everything that the table of permissions says is tried', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  cloud.sqs.createQueue('empty');
  const { checks } = await examine(cloud, { ...settings, SQS_QUEUE_URL: cloud.sqs.queueUrl('empty') });
  const calls = checks.map(({ call }) => call ?? '').join('\n');
  const wanted = [
    ...AWS_PERMISSIONS.filter(({ shells }) => shells.includes('service_sqs')).map(({ action }) => action),
    ...neededAtTarget(),
  ];
  // Its trial is the reading of an object that is encrypted so.
  const tried = wanted.filter((permission) => permission !== 'kms:Decrypt');
  for (const permission of tried) assert.match(calls, new RegExp(`${permission}\\b`));
  assert.equal(checks.find(({ call }) => call?.startsWith('sqs:ReceiveMessage'))?.state, 'ok');
});

test('as text every check is a line with its call, and a failure has its fix below it', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  cloud.s3.denyListing(SOURCE, true);
  const { exitCode, out, err } = await cloud.run(['doctor'], settings);
  assert.equal(exitCode, 1);
  assert.equal(err, '');
  assert.match(out, /^ok {7}configuration\n {9}one rule\nok {7}source: reachable, clock {2}\[HEAD http/);
  assert.match(
    out,
    /\nfailed {3}source: bucket photos {2}\[s3:ListBucket .*\]\n.*\n {9}fix: Grant s3:ListBucket/,
  );
  assert.match(out, /\n\d+ ok, 0 warnings, 1 failed, \d+ skipped\n$/);
});

test('a wrong configuration is the first and only thing it says, with every problem', async (t) => {
  const cloud = await startOwnCloud(t);
  const { exitCode, checks } = await examine(cloud, { GCS_BUCKET: '', AWS_REGION: 'Frankfurt' });
  assert.equal(exitCode, 2);
  assert.deepEqual(
    checks.map(({ name, state }) => [name, state]),
    [['configuration', 'failed']],
  );
  assert.match(checks[0]?.detail ?? '', /AWS_REGION: is not the name of a region[^]*GCS_BUCKET: is not set/);
  const usage = await cloud.run(['doctor', '--bucket', 'nobody']);
  assert.deepEqual([usage.exitCode, /No rule covers the bucket "nobody"/.test(usage.err)], [2, true]);
  assert.equal((await cloud.run(['doctor', '--wait', 'long'])).exitCode, 2);
});

test('credentials that AWS does not take are told once, by what is wrong with them', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const wrong = async (more: Settings): Promise<string> => {
    const report = await examine(cloud, { ...settings, SQS_QUEUE_URL: '', ...more });
    assert.deepEqual([report.exitCode, report.failed.length], [1, 1]);
    assert.equal(report.failed[0]?.code, 'credentials_invalid');
    return report.failed[0]?.fix ?? '';
  };
  assert.match(await wrong({ AWS_SECRET_ACCESS_KEY: 'wrong' }), /AWS_SECRET_ACCESS_KEY does not belong/);
  assert.match(await wrong({ AWS_ACCESS_KEY_ID: 'AKIAUNKNOWN' }), /AWS knows no such AWS_ACCESS_KEY_ID/);
  assert.match(await wrong({ AWS_SESSION_TOKEN: 'stray' }), /AWS_SESSION_TOKEN does not belong to the keys/);
});

test('a queue is listed as skipped where none is set, and where AWS takes no credentials', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const unset = await examine(cloud, { ...settings, SQS_QUEUE_URL: '' });
  assert.match(unset.check('queue').detail, /^Not looked at: SQS_QUEUE_URL is not set$/);
  assert.match(unset.check('notification').detail, /does not read: SQS_QUEUE_URL is not set$/);
  const refused = await examine(cloud, { ...settings, AWS_SECRET_ACCESS_KEY: 'wrong' });
  assert.deepEqual([refused.failed.length, refused.check('queue').state], [1, 'skipped']);
});

test('a Google key that is not taken is named with its settings', async (t) => {
  const cloud = await startOwnCloud(t, { bearerToken: 'another one' });
  const report = await examine(cloud);
  const failure = report.check('target: bucket');
  assert.deepEqual([failure.state, failure.code], ['failed', 'credentials_invalid']);
  assert.match(failure.fix ?? '', /GCP_SA_KEY_B64.*gcloud iam service-accounts keys create/);
  assert.ok(!report.checks.some(({ name }) => name.startsWith('target: writing')));
});

test('a missing bucket on either side is named with its setting', async (t) => {
  const cloud = await startOwnCloud(t);
  const report = await examine(cloud, { S3_BUCKET: 'no-such-source', GCS_BUCKET: 'no-such-target' });
  assert.deepEqual(
    report.failed.map(({ name, code }) => [name, code]),
    [
      ['source: bucket no-such-source', 'source_bucket_missing'],
      ['target: bucket no-such-target', 'target_bucket_missing'],
    ],
  );
  assert.match(report.failed[0]?.fix ?? '', /^Correct S3_BUCKET/);
  assert.match(report.failed[1]?.fix ?? '', /^Correct GCS_BUCKET/);
});

test('a bucket in another region is named with the region to set', async (t) => {
  const cloud = await startOwnCloud(t);
  cloud.s3.createBucket('elsewhere', { region: 'eu-west-1' });
  const { failed } = await examine(cloud, { S3_BUCKET: 'elsewhere' });
  assert.deepEqual(
    failed.map(({ code, fix }) => [code, fix]),
    [['wrong_region', 'Set AWS_REGION=eu-west-1.']],
  );
});

test('a bucket of another account is told apart from a missing permission', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const { failed } = await examine(cloud, { ...settings, S3_EXPECTED_OWNER: '999999999999' });
  assert.equal(failed.length, 1);
  assert.equal(failed[0]?.detail, 'The bucket photos does not belong to account 999999999999');
  assert.match(failed[0]?.fix ?? '', /S3_EXPECTED_OWNER/);
  cloud.s3.denyListing(SOURCE, true);
  const denied = await examine(cloud, { ...settings, S3_EXPECTED_OWNER: ACCOUNT });
  assert.match(denied.failed[0]?.detail ?? '', /^s3:ListBucket on arn:aws:s3:::photos is denied/);
});

test('revoked reading and revoked listing are told apart', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  cloud.s3.denyReads(SOURCE, true);
  const unread = await examine(cloud, settings);
  assert.deepEqual(
    unread.failed.map(({ name, fix }) => [name, /^Grant (\S+) /.exec(fix ?? '')?.[1]]),
    [
      ['source: a missing object in photos', 's3:GetObject'],
      ['source: reading from photos', 's3:GetObject'],
    ],
  );
  cloud.s3.denyReads(SOURCE, false);
  cloud.s3.denyListing(SOURCE, true);
  const unlisted = await examine(cloud, settings);
  assert.deepEqual(
    unlisted.failed.map(({ name }) => name),
    ['source: bucket photos'],
  );
  assert.match(unlisted.failed[0]?.fix ?? '', /^Grant s3:ListBucket/);
  assert.match(unlisted.check('source: a missing object').detail, /because s3:ListBucket is missing/);
});

test('each revoked permission at the target is named, asked for and tried', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  for (const permission of neededAtTarget()) {
    cloud.gcs.deny(permission);
    const { failed, exitCode } = await examine(cloud, settings);
    assert.equal(exitCode, 1);
    const [asked] = failed;
    assert.equal(asked?.detail, `${permission} is not granted on gs://copies`);
    assert.match(asked.fix ?? '', /gcloud storage buckets add-iam-policy-binding gs:\/\/copies/);
    for (const { call } of failed.slice(1)) assert.match(call ?? '', /^storage\.objects\./);
    cloud.gcs.allow('all');
    assert.deepEqual(cloud.gcs.objects(TARGET), [], permission);
  }
});

test('a target that cannot be asked for permissions is tried, and what cannot be deleted is named', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const silent = { match: { path: 'testPermissions' }, effect: { kind: 'status', status: 501 } } as const;
  for (const [permission, name] of [
    ['storage.objects.create', 'target: writing to copies'],
    ['storage.objects.update', 'target: updating metadata in copies'],
    ['storage.objects.list', 'target: listing copies'],
    ['storage.objects.delete', 'target: deleting from copies'],
  ] as const) {
    cloud.gcs.faults.add(silent);
    cloud.gcs.deny(permission);
    const { failed } = await examine(cloud, settings);
    cloud.gcs.allow('all');
    assert.deepEqual(
      failed.map((one) => [one.name, one.code]),
      [[name, 'access_denied']],
    );
    assert.match(failed[0]?.fix ?? '', new RegExp(permission.replaceAll('.', '\\.')));
  }
  const [left] = cloud.gcs.objects(TARGET);
  assert.match(left?.name ?? '', /^\.replicator-doctor\//);
});

test('a retention policy is told, and nothing is written under it', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  cloud.gcs.createBucket('kept', { retentionSec: 3600 });
  const report = await examine(cloud, { ...settings, GCS_BUCKET: 'kept' });
  assert.deepEqual([report.exitCode, report.check('target: settings').state], [0, 'warning']);
  assert.match(report.check('target: an object').detail, /the retention policy would keep it/);
  assert.deepEqual(cloud.gcs.objects('kept'), []);
});

test('a store that cannot be reached is named once, and nothing else is asked of it', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const source = await examine(cloud, { ...settings, AWS_ENDPOINT_URL_S3: NOBODY });
  assert.deepEqual([source.exitCode, source.failed.map(({ code }) => code)], [75, ['source_unreachable']]);
  assert.match(source.failed[0]?.detail ?? '', /^http:\/\/127\.0\.0\.1:9 cannot be reached/);
  for (const name of ['source: credentials', 'source: its buckets', 'notification: its buckets'])
    assert.deepEqual(
      [source.check(name).state, source.check(name).detail],
      ['skipped', 'Not looked at: the source cannot be reached'],
    );
  assert.equal(source.check('queue: http').state, 'ok');
  const target = await examine(cloud, { ...settings, STORAGE_EMULATOR_HOST: NOBODY });
  assert.deepEqual([target.exitCode, target.failed.map(({ code }) => code)], [75, ['target_unreachable']]);
  assert.match(target.failed[0]?.fix ?? '', /network, DNS and proxy/);
});

test('a clock that is wrong is told by how much', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const dated = (minutes: number): void =>
    cloud.s3.faults.add({
      match: { method: 'HEAD', path: '/' },
      effect: {
        kind: 'edit_answer',
        edit: (answer) => ({
          ...answer,
          headers: { ...answer.headers, date: new Date(Date.now() - minutes * 60_000).toUTCString() },
        }),
      },
    });
  dated(3);
  const early = await examine(cloud, settings);
  assert.deepEqual([early.exitCode, early.check('source: reachable').state], [0, 'warning']);
  assert.match(early.check('source: reachable').detail, /is 1(79|80|81) s ahead of its time/);
  dated(-20);
  const late = await examine(cloud, settings);
  assert.deepEqual(
    late.failed.map(({ code, fix }) => [code, fix]),
    [['clock_skewed', 'Set the clock of this machine (NTP).']],
  );
});

test('a bucket that announces nothing, or not to the queue, is told with the command that helps', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  await cloud.run(['setup', 'notification', '--remove', '--apply'], settings);
  const silent = await examine(cloud, settings);
  assert.deepEqual(
    silent.failed.map(({ name }) => name),
    ['notification: photos for default'],
  );
  assert.match(silent.failed[0]?.fix ?? '', /replicator setup notification/);
  const other = cloud.sqs.createQueue('other');
  await cloud.run(['setup', 'notification', '--queue', other, '--apply'], settings);
  assert.match(
    (await examine(cloud, settings)).check('notification').detail,
    /:other .*does not read: SQS_QUEUE_URL is http.*\/s3-events$/,
  );
  cloud.s3.deny('s3:GetBucketNotification');
  cloud.s3.deny('s3:GetBucketVersioning');
  const blind = await examine(cloud, settings);
  assert.equal(blind.exitCode, 0);
  assert.equal(blind.check('notification').state, 'skipped');
  assert.equal(blind.check('source: versions').state, 'skipped');
});

test('a queue that may not be used, is missing, or was made wrongly is told', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const empty = { ...settings, SQS_QUEUE_URL: cloud.sqs.createQueue('empty') };
  for (const [action, permission] of [
    ['GetQueueAttributes', 'sqs:GetQueueAttributes'],
    ['ReceiveMessage', 'sqs:ReceiveMessage'],
    ['DeleteMessageBatch', 'sqs:DeleteMessage'],
    ['ChangeMessageVisibilityBatch', 'sqs:ChangeMessageVisibility'],
  ] as const) {
    cloud.sqs.deny(action);
    const { failed } = await examine(cloud, empty);
    cloud.sqs.allow(action);
    assert.deepEqual(
      failed.map(({ call, code }) => [call?.split(' ')[0], code]),
      [[permission, 'queue_denied']],
    );
    assert.match(failed[0]?.fix ?? '', /Allow sqs:/);
  }
  const missing = await examine(cloud, { SQS_QUEUE_URL: `${cloud.sqs.url}/${ACCOUNT}/gone` });
  assert.deepEqual(
    missing.failed.map(({ code }) => code),
    ['queue_missing'],
  );
  const fifo = cloud.sqs.createQueue('ordered.fifo', { FifoQueue: 'true' });
  const ordered = await examine(cloud, { SQS_QUEUE_URL: fifo });
  assert.deepEqual(
    ordered.failed.map(({ detail }) => detail),
    ['The queue is first in, first out'],
  );
  assert.match((await examine(cloud, empty)).check('queue: http').detail, /no queue for dead letters/);
});

test('a service that is named and does not answer is a failure with its fix', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const { exitCode, failed } = await examine(cloud, { ...settings, REPLICATOR_URL: NOBODY });
  assert.deepEqual([exitCode, failed.map(({ code }) => code)], [75, ['service_unreachable']]);
  assert.match(failed[0]?.detail ?? '', /The service at http:\/\/127\.0\.0\.1:9 cannot be reached \(/);
  assert.match(failed[0]?.fix ?? '', /^Start it, or set REPLICATOR_URL/);
});

test('a service that answers and is not ready is told so, with what it says of itself', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const isReady = async () => ({ ready: false, checks: [{ name: 'queue', isOk: false, detail: 'full' }] });
  const full = await openTestApi(t, { isReady });
  const told = await examine(cloud, { ...settings, REPLICATOR_URL: full.url });
  assert.deepEqual([told.exitCode, told.failed.map(({ code }) => code)], [1, ['not_ready']]);
  assert.match(told.failed[0]?.detail ?? '', /answers, but is not ready\. queue: full$/);
  assert.match(told.failed[0]?.fix ?? '', /log of the service; check its database/);
  const away = await openTestApi(t, { isReady });
  Object.assign(away.queue, { counts: () => Promise.reject(new QueueUnavailable('no answer')) });
  const waited = await examine(cloud, { ...settings, REPLICATOR_URL: away.url });
  assert.deepEqual([waited.exitCode, waited.failed.map(({ code }) => code)], [75, ['queue_unavailable']]);
  assert.match(waited.failed[0]?.detail ?? '', /is not ready\. .*The queue cannot be used now/);
});

test('a rule for every bucket is examined for the bucket that is named', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const every = { ...settings, S3_BUCKET: '*', S3_EXPECTED_OWNER: ACCOUNT };
  const unnamed = await examine(cloud, every);
  assert.match(unnamed.check('source: its buckets').detail, /name one with --bucket/);
  const named = await examine(cloud, every, ['--bucket', SOURCE]);
  assert.deepEqual([named.exitCode, named.check('source: bucket photos').state], [0, 'ok']);
});

test('an interrupt while the object is on its way leaves nothing behind', async (t) => {
  const { cloud, settings } = await healthyCloud(t);
  const interrupt = new AbortController();
  cloud.s3.watch(({ method, stage }) => {
    if (method === 'PUT' && stage === 'done') interrupt.abort();
  });
  const { exitCode } = await cloud.run(['doctor', '--canary'], settings, { signal: interrupt.signal });
  assert.equal(exitCode, 130);
  assert.deepEqual(cloud.s3.listKeys(SOURCE), ['folder/object.txt']);
  assert.ok(cloud.s3.requests.some((line) => /^DELETE .*replicator-doctor.*versionId=/.test(line)));
});
