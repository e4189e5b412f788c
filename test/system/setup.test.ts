// `replicator setup notification` as a process: the settings of `.env`, and a person's own credentials beside them.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SANDBOX_KEYS, startTwoClouds } from '../../sandbox/two-clouds.ts';
import { replicator, temporaryFolder } from './command-process.ts';

const TOPIC_ARN = 'arn:aws:sns:us-east-1:123456789012:changes';

test('the credentials of a profile set up what those of the settings may not', async (t) => {
  const clouds = await startTwoClouds({ s3: 0, gcs: 0 });
  t.after(async () => clouds.close());
  clouds.s3.connect({ defect: () => null, deliver: async () => null, putEvent: () => {} });
  const folder = temporaryFolder(t);
  const settings = {
    ...clouds.settings,
    AWS_ACCESS_KEY_ID: 'AKSERVICE',
    AWS_SECRET_ACCESS_KEY: 'of-the-service',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, '.env'), lines.join(''));
  const { accessKeyId, secretAccessKey } = SANDBOX_KEYS;
  const AWS_SHARED_CREDENTIALS_FILE = join(folder, 'credentials');
  const profile = `[admin]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`;
  writeFileSync(AWS_SHARED_CREDENTIALS_FILE, profile);
  const env = { AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE: join(folder, 'none') };
  const apply = ['setup', 'notification', '--topic', TOPIC_ARN, '--apply'];

  const refused = await replicator(folder, apply, env);
  assert.equal(refused.exitCode, 1, refused.err);
  assert.match(refused.out, /AWS knows no such AWS_ACCESS_KEY_ID/);
  const written = await replicator(folder, [...apply, '--profile', 'admin'], env);
  assert.equal(written.exitCode, 0, written.out + written.err);
  assert.match(
    written.out,
    /\+ add +cross-cloud-replicator-default +arn:aws:sns:\S+:changes +s3:ObjectCreated:\* /,
  );
  assert.ok(!`${refused.out}${written.out}${written.err}`.includes(secretAccessKey));

  const unknown = await replicator(folder, [...apply, '--profile', 'nobody', '--json'], env);
  const { buckets } = JSON.parse(unknown.out) as { buckets: { fault: { code: string; message: string } }[] };
  assert.deepEqual([unknown.exitCode, buckets[0]?.fault.code], [75, 'credentials_unavailable']);
  assert.match(buckets[0]?.fault.message ?? '', /^No AWS credentials could be obtained: /);
});
