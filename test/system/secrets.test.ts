// A service and a command whose secrets are kept elsewhere, over the protocols of those who keep them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startService } from '../../sandbox/service-process.ts';
import { SANDBOX_KEYS, SOURCE_BUCKET, startTwoClouds } from '../../sandbox/two-clouds.ts';
import { startSecretServer } from '../../src/secrets/testing/secret-server.ts';
import { replicator, temporaryFolder } from './command-process.ts';

const API_KEY = 'canary-admin-key';
const ENTRY = `admin:me:${createHash('sha256').update(API_KEY).digest('hex')}`;
const WEBHOOK_SECRET = `whsec_${Buffer.from('canary-webhook-secret-of-32-bytes').toString('base64')}`;

/** A server for the length of a test. */
async function answering(t: TestContext, answer: RequestListener): Promise<AddressInfo> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address;
}

/** Credentials of the platform, as a container gets them. */
async function startContainerRole(t: TestContext): Promise<string> {
  const { port } = await answering(t, (_, res) => {
    const Expiration = new Date(Date.now() + 3_600_000).toISOString();
    res.end(JSON.stringify({ AccessKeyId: 'ASIAROLE', SecretAccessKey: 'role', Token: 'role', Expiration }));
  });
  return `http://127.0.0.1:${port}/role`;
}

test('a service starts with secrets from four places, and its AWS keys are read with the role of the platform', async (t) => {
  await using kept = await startSecretServer({
    'ssm /app/keys': ENTRY,
    'secretsmanager app': JSON.stringify({ awsSecret: SANDBOX_KEYS.secretAccessKey, other: 'canary' }),
    'google projects/p/secrets/webhook/versions/latest': WEBHOOK_SECRET,
  });
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'encryption-key'), `${'ab'.repeat(32)}\n`);
  const clouds = await startTwoClouds({ s3: 0, gcs: 0 });
  t.after(() => clouds.close());
  const service = await startService({
    settings: {
      ...clouds.settings,
      HOST: '127.0.0.1',
      LOG_FORMAT: 'json',
      AWS_CONTAINER_CREDENTIALS_FULL_URI: await startContainerRole(t),
      AWS_ENDPOINT_URL: kept.url,
      SECRET_MANAGER_EMULATOR_HOST: kept.url,
      REPLICATOR_API_KEYS: 'ssm:/app/keys',
      AWS_SECRET_ACCESS_KEY: 'aws-sm:app#awsSecret',
      REPLICATOR_WEBHOOK_SECRETS: 'gcp-sm:projects/p/secrets/webhook',
      REPLICATOR_ENCRYPTION_KEY: 'file:encryption-key',
    },
    port: 0,
    apiKey: API_KEY,
    folder,
    onLog: () => {},
  });
  t.after(() => service.stop());
  await clouds.s3.putObject(SOURCE_BUCKET, 'a.txt', 'bytes');
  const answer = await service.post(
    '/v1/replicate',
    { bucket: SOURCE_BUCKET, key: 'a.txt' },
    { prefer: 'wait=30' },
  );
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.match(JSON.stringify(answer.body), /"outcome":"replicated"/);
  assert.equal((await fetch(`${service.url}/v1/status`)).status, 401);
  const asked = kept.seen.map(({ service: place, name, caller, region }) =>
    [place, name, caller, region].join(' '),
  );
  assert.deepEqual(asked.toSorted(), [
    'google projects/p/secrets/webhook/versions/latest  ',
    'secretsmanager app ASIAROLE us-east-1',
    'ssm /app/keys ASIAROLE us-east-1',
  ]);
  assert.doesNotMatch(service.logLines.join('\n'), /canary|sandbox-secret/);
});

test('every reference that cannot be read is told at once, with its reason and the missing permission, and nothing starts', async (t) => {
  await using kept = await startSecretServer({
    'ssm /denied': { refusal: { status: 400, code: 'AccessDeniedException', message: 'not authorized' } },
    'ssm /encrypted': {
      refusal: { status: 400, code: 'AccessDeniedException', message: 'kms:Decrypt is missing' },
    },
    'secretsmanager app': '{"key": "canary"}',
    'ssm /empty': ' \n',
    'google projects/p/secrets/s/versions/3': { refusal: { status: 403, code: 'PERMISSION_DENIED' } },
  });
  const { exitCode, out, err } = await replicator(temporaryFolder(t), ['serve'], {
    AWS_ACCESS_KEY_ID: 'AKIAPLAINPLAINPLAIN1',
    AWS_SECRET_ACCESS_KEY: 'canary',
    AWS_REGION: 'eu-central-1',
    AWS_ENDPOINT_URL_SSM: kept.url,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: kept.url,
    SECRET_MANAGER_EMULATOR_HOST: kept.url,
    GCS_BUCKET: 'to-there',
    REPLICATOR_API_KEYS: 'ssm:/denied,ssm:/gone',
    DATABASE_URL: 'ssm:/encrypted',
    REPLICATOR_ENCRYPTION_KEY: 'aws-sm:app#encryptionKey',
    ALERT_WEBHOOK_URL: 'ssm:/empty',
    GCP_SA_KEY_B64: 'gcp-sm:projects/p/secrets/s/versions/3',
    REPLICATOR_WEBHOOK_SECRETS: 'file:/no/such/file',
    REPLICATOR_ADMIN_KEY: 'aws-sm:gone',
  });
  assert.equal(exitCode, 2, err);
  assert.equal(out, '');
  assert.match(err, /has 9 problems/);
  const told = [
    /S3_BUCKET: /,
    /REPLICATOR_API_KEYS: names a parameter that these credentials may not read.*\n +found: "ssm:\/denied"\n +fix: +allow ssm:GetParameter on \/denied in eu-central-1/,
    /REPLICATOR_API_KEYS: names a parameter that does not exist in eu-central-1.*\n +found: "ssm:\/gone"/,
    /DATABASE_URL: names a parameter whose encryption key.*\n +found: "ssm:\/encrypted"\n +fix: +allow kms:Decrypt/,
    /REPLICATOR_ENCRYPTION_KEY: names the field "encryptionKey", which the secret does not have/,
    /ALERT_WEBHOOK_URL: names a parameter that is empty/,
    /GCP_SA_KEY_B64: names a secret that these credentials may not read.*\n.*\n +fix: +allow secretmanager\.versions\.access/,
    /REPLICATOR_WEBHOOK_SECRETS: names a file that does not exist\n +found: "file:\/no\/such\/file"/,
    /REPLICATOR_ADMIN_KEY: names a secret that does not exist in eu-central-1/,
  ];
  for (const words of told) assert.match(err, words);
  assert.doesNotMatch(err, /canary/);
  assert.ok(
    kept.seen.every(({ caller, service }) => service === 'google' || caller === 'AKIAPLAINPLAINPLAIN1'),
  );
});

test('a place that cannot be reached is told with where it was looked for', async (t) => {
  const { exitCode, err } = await replicator(temporaryFolder(t), ['config', 'print'], {
    S3_BUCKET: 'from-here',
    GCS_BUCKET: 'to-there',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIAPLAINPLAINPLAIN1',
    AWS_SECRET_ACCESS_KEY: 'x',
    // Nobody listens on it.
    AWS_ENDPOINT_URL_SSM: 'http://127.0.0.1:9',
    DATABASE_URL: 'ssm:/db',
  });
  assert.equal(exitCode, 2);
  assert.match(
    err,
    /DATABASE_URL: cannot be read: AWS Systems Manager cannot be reached in eu-central-1 \(.*ECONNREFUSED/,
  );
});

test('without credentials, without a region, over plain http, and in a circle nothing is asked, and each is told', async (t) => {
  await using kept = await startSecretServer();
  const basics = { S3_BUCKET: 'from-here', GCS_BUCKET: 'to-there', AWS_ENDPOINT_URL_SSM: kept.url };
  const nowhere = { AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nonexistent' };
  const run = async (env: Record<string, string>) => {
    const { exitCode, err } = await replicator(temporaryFolder(t), ['config', 'print'], {
      ...basics,
      ...nowhere,
      ...env,
    });
    assert.equal(exitCode, 2, err);
    return err;
  };
  const region = { AWS_REGION: 'eu-central-1' };
  assert.match(
    await run({ ...region, DATABASE_URL: 'ssm:/db' }),
    /no credentials for AWS Systems Manager[\s\S]*give the process a role/,
  );
  assert.match(
    await run({ DATABASE_URL: 'ssm:/db' }),
    /DATABASE_URL: cannot be read: nothing says in which region/,
  );
  const plain = await run({
    ...region,
    DATABASE_URL: 'ssm:/db',
    AWS_ENDPOINT_URL_SSM: 'http://secrets.internal',
  });
  assert.match(plain, /DATABASE_URL: [\s\S]*AWS_ENDPOINT_URL_SSM is plain http to another machine/);
  const circle = await run({
    ...region,
    AWS_ACCESS_KEY_ID: 'AKIAPLAINPLAINPLAIN1',
    AWS_SECRET_ACCESS_KEY: 'gcp-sm:projects/p/secrets/s',
    GCP_SA_KEY_B64: 'ssm:/google',
  });
  assert.match(
    circle,
    /AWS_SECRET_ACCESS_KEY: cannot be read: the credentials of each cloud are kept in the other one/,
  );
  assert.match(circle, /GCP_SA_KEY_B64: cannot be read: the credentials of each cloud/);
  assert.deepEqual(kept.seen, []);
});

test('keys of the environment that are references are never used as they stand', async (t) => {
  await using kept = await startSecretServer({ 'ssm /secret': 'canary' });
  const { exitCode, out, err } = await replicator(temporaryFolder(t), ['config', 'print'], {
    S3_BUCKET: 'from-here',
    GCS_BUCKET: 'to-there',
    AWS_REGION: 'eu-central-1',
    AWS_ENDPOINT_URL_SSM: kept.url,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: await startContainerRole(t),
    AWS_ACCESS_KEY_ID: 'AKIAPLAINPLAINPLAIN1',
    AWS_SECRET_ACCESS_KEY: 'ssm:/secret',
  });
  assert.equal(exitCode, 0, err);
  assert.equal(err, '');
  assert.match(out, /AWS_SECRET_ACCESS_KEY +ssm:\/secret +environment\n/);
  assert.doesNotMatch(out, /canary/);
  assert.deepEqual(
    kept.seen.map(({ caller }) => caller),
    ['ASIAROLE'],
  );
});

test('a command that calls the service reads its own key and no other secret', async (t) => {
  await using kept = await startSecretServer({ 'ssm /my-key': API_KEY });
  const seen: (string | undefined)[] = [];
  const { port } = await answering(t, (req, res) => {
    seen.push(req.headers.authorization);
    res.end(JSON.stringify({ alerts: [] }));
  });
  const env = {
    PORT: String(port),
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIAPLAINPLAINPLAIN1',
    AWS_SECRET_ACCESS_KEY: 'x',
    AWS_ENDPOINT_URL_SSM: kept.url,
    REPLICATOR_API_KEY: 'ssm:/my-key',
    DATABASE_URL: 'ssm:/not-for-commands',
  };
  await replicator(temporaryFolder(t), ['alerts'], env);
  assert.deepEqual(seen, [`Bearer ${API_KEY}`]);
  assert.deepEqual(
    kept.seen.map(({ name }) => name),
    ['/my-key'],
  );
});
