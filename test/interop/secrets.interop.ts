// Secrets in another maker's Parameter Store and Secrets Manager, put there by the vendor's client and read by ours.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { loadConfig } from '../../src/config/load-config.ts';
import { formatProblems } from '../../src/config/problem.ts';
import { resolveSecrets } from '../../src/composition/resolve-secrets.ts';
import { serverAddress } from './addresses.ts';
import type { ServerAddress } from './servers.ts';

const address = serverAddress('localstack');
const skip = 'reason' in address ? address.reason : false;

const ENTRY = `admin:me:${'ab'.repeat(32)}`;

/** Reads a configuration with these settings, its references at the server. */
async function load(env: Readonly<Record<string, string>>) {
  const { url, keys } = address as ServerAddress;
  assert.ok(keys);
  const settings = {
    S3_BUCKET: 'from-here',
    GCS_BUCKET: 'to-there',
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    AWS_REGION: keys.region,
    AWS_ENDPOINT_URL: url,
    ...env,
  };
  const machine = { envFileText: null, readFile: () => '', memoryBytes: 2 ** 31, isTerminal: false };
  return loadConfig(await resolveSecrets({ env: settings, ...machine }));
}

function clientOptions() {
  const { url, keys } = address as ServerAddress;
  assert.ok(keys);
  return { endpoint: url, region: keys.region, credentials: keys };
}

test('parameters are decrypted, by name, version and ARN', { skip }, async () => {
  const client = new SSMClient(clientOptions());
  const put = async (Name: string, Value: string, Overwrite = false): Promise<unknown> =>
    client.send(new PutParameterCommand({ Name, Value, Type: 'SecureString', Overwrite }));
  await put('/replicator/keys', 'write:old:'.padEnd(74, 'c'));
  await put('/replicator/keys', ENTRY, true);
  await put('plain', 'postgres://u:p@h/d');
  client.destroy();
  const loaded = await load({
    REPLICATOR_API_KEYS: 'ssm:/replicator/keys ssm:/replicator/keys:1',
    DATABASE_URL: 'ssm:plain',
  });
  assert.ok(loaded.kind === 'ok', loaded.kind === 'invalid' ? formatProblems(loaded.problems) : '');
  const { auth } = loaded.config.http;
  assert.deepEqual(auth.kind === 'keys' && auth.keys.map(({ id }) => id), ['me', 'old']);
  assert.equal(loaded.secrets.databaseUrl?.reveal(), 'postgres://u:p@h/d');
});

test(
  'secrets are read whole and by field, by name and ARN, from the region of the ARN',
  { skip },
  async () => {
    const client = new SecretsManagerClient(clientOptions());
    const SecretString = JSON.stringify({ db: 'postgres://u:p@h/d', key: 'ab'.repeat(32) });
    const { ARN } = await client.send(new CreateSecretCommand({ Name: 'replicator/app', SecretString }));
    assert.ok(ARN !== undefined);
    await client.send(new CreateSecretCommand({ Name: 'keys', SecretString: ENTRY }));
    const SecretBinary = Buffer.from([0xff, 0]);
    await client.send(new CreateSecretCommand({ Name: 'bytes', SecretBinary }));
    await client.send(new CreateSecretCommand({ Name: 'gone', SecretString: 'x' }));
    await client.send(new DeleteSecretCommand({ SecretId: 'gone', RecoveryWindowInDays: 7 }));
    client.destroy();
    const good = {
      AWS_REGION: 'us-east-1',
      DATABASE_URL: `aws-sm:${ARN}#db`,
      REPLICATOR_ENCRYPTION_KEY: 'aws-sm:replicator/app#key',
      REPLICATOR_API_KEYS: 'aws-sm:keys',
    };
    const loaded = await load(good);
    assert.ok(loaded.kind === 'ok', loaded.kind === 'invalid' ? formatProblems(loaded.problems) : '');
    assert.equal(loaded.secrets.databaseUrl?.reveal(), 'postgres://u:p@h/d');
    const bad = await load({
      ...good,
      ALERT_WEBHOOK_URL: 'aws-sm:bytes',
      REPLICATOR_ADMIN_KEY: 'aws-sm:gone',
    });
    assert.ok(bad.kind === 'invalid');
    assert.match(
      formatProblems(bad.problems),
      /ALERT_WEBHOOK_URL: names a secret that holds bytes instead of text/,
    );
    assert.match(
      formatProblems(bad.problems),
      /REPLICATOR_ADMIN_KEY: names a secret that cannot be used \(.*marked for deletion/,
    );
  },
);

test('what is not there is told as missing, in both', { skip }, async () => {
  const loaded = await load({
    DATABASE_URL: 'ssm:/nowhere',
    REPLICATOR_ENCRYPTION_KEY: 'aws-sm:nowhere',
    REPLICATOR_ADMIN_KEY: 'ssm:plain:99',
  });
  assert.ok(loaded.kind === 'invalid');
  const reasons = loaded.problems.map(({ setting, reason }) => `${setting} ${reason}`);
  assert.match(
    reasons.find((reason) => reason.startsWith('DATABASE_URL')) ?? '',
    /a parameter that does not exist in us-east-1/,
  );
  assert.match(
    reasons.find((reason) => reason.startsWith('REPLICATOR_ENCRYPTION_KEY')) ?? '',
    /a secret that does not exist in us-east-1/,
  );
  assert.match(
    reasons.find((reason) => reason.startsWith('REPLICATOR_ADMIN_KEY')) ?? '',
    /a parameter that does not exist/,
  );
});
