// The start of the worker without a database where it cannot work: what it says, and how it ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSandboxSqs } from '../../sandbox/sqs/sandbox-sqs.ts';
import { SANDBOX_KEYS, startTwoClouds } from '../../sandbox/two-clouds.ts';
import { replicator, temporaryFolder } from './command-process.ts';

test('a worker whose queue does not exist ends and says what to check', async (t) => {
  const clouds = await startTwoClouds({ s3: 0, gcs: 0 });
  t.after(() => clouds.close());
  const sqs = await startSandboxSqs({ ...SANDBOX_KEYS });
  t.after(() => sqs.close());
  const { exitCode, err } = await replicator(temporaryFolder(t), ['worker', '--from', 'sqs'], {
    ...clouds.settings,
    AWS_ENDPOINT_URL_SQS: sqs.url,
    SQS_QUEUE_URL: `${sqs.url}/${sqs.accountId}/gone`,
  });
  assert.equal(exitCode, 1, err);
  assert.match(err, /The worker cannot run: The queue .* does not exist/);
  assert.match(err, /fix: Check SQS_QUEUE_URL: its account, its region and its name\./);
});
