// The command as a real process.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { replicator, temporaryFolder } from './command-process.ts';

test('config print shows every setting with its origin, from the environment and .env, and no secret', async (t) => {
  const folder = temporaryFolder(t);
  const encryptionKey = createHash('sha256').update('canary').digest('hex');
  writeFileSync(
    join(folder, '.env'),
    `S3_BUCKET=from-file\nGCS_BUCKET=ignored\nAWS_SECRET_ACCESS_KEY=canary-in-file\nREPLICATOR_ENCRYPTION_KEY=${encryptionKey}\n`,
  );
  const env = {
    GCP_BUCKET_NAME: 'from-env',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'canary-id',
    REPLICATOR_API_KEYS: 'canary-key',
    REPLICATOR_PORT: '1',
  };
  const { exitCode, out, err } = await replicator(folder, ['config', 'print'], env);
  assert.equal(exitCode, 0, err);
  assert.match(out, /S3_BUCKET +from-file +\.env\n/);
  assert.match(out, /GCS_BUCKET +from-env +environment \(GCP_BUCKET_NAME\)\n/);
  assert.match(out, /AWS_SECRET_ACCESS_KEY +\[secret\] +\.env\n/);
  assert.match(out, /PORT +8080 +default\n/);
  assert.match(out, /rule default: from-file\/\* -> from-env\/\{key\}/);
  assert.match(out, /listens: 0\.0\.0\.0:8080, authentication keys/);
  assert.match(err, /warning: REPLICATOR_PORT: is not a setting/);
  for (const canary of ['canary-in-file', 'canary-id', 'canary-key', encryptionKey])
    assert.ok(!`${out}${err}`.includes(canary));
  const json = await replicator(folder, ['config', 'print', '--json'], env);
  assert.equal(json.exitCode, 0);
  const parsed: unknown = JSON.parse(json.out);
  assert.ok(typeof parsed === 'object' && parsed !== null && 'kind' in parsed && parsed.kind === 'ok');
  assert.ok(!json.out.includes('canary'));
});

test('config print of a wrong configuration tells every problem and ends with 2', async (t) => {
  const { exitCode, err } = await replicator(temporaryFolder(t), ['config', 'print'], {
    S3_BUCKET: 's3://photos',
    PORT: 'http',
    HOST: '0.0.0.0',
  });
  assert.equal(exitCode, 2);
  for (const name of ['S3_BUCKET', 'GCS_BUCKET', 'PORT', 'HOST', 'AWS_REGION'])
    assert.match(err, new RegExp(`^ {2}${name}: .*\\n(?: {4}found: .*\\n)? {4}fix: {3}\\S`, 'm'));
});

test('serve refuses a wrong configuration with the same text and ends with 2', async (t) => {
  const { exitCode, err } = await replicator(temporaryFolder(t), ['serve'], { PORT: 'http' });
  assert.equal(exitCode, 2, err);
  assert.match(err, /PORT: is not a whole number in range/);
});

test('two created keys are never the same', async (t) => {
  const folder = temporaryFolder(t);
  const args = ['keys', 'create', '--scope', 'write', '--id', 'ci'];
  const [first, second] = await Promise.all([replicator(folder, args, {}), replicator(folder, args, {})]);
  assert.match(first.out, /^rpl_ci_[\w-]{43}\nwrite:ci:[0-9a-f]{64}\n$/);
  assert.notEqual(first.out, second.out);
});
