// The function that replicates as it is deployed, alone in its folder, inside of a Lambda runtime.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildReplicator } from '../../deploy/lambda/build.ts';
import type { BuiltFunction } from '../../deploy/lambda/bundle-function.ts';
import { SANDBOX_KEYS } from '../../sandbox/two-clouds.ts';
import { startSecretServer } from '../../src/secrets/testing/secret-server.ts';
import { notification } from '../system/service-under-test.ts';
import { startForgetfulProxy } from './forgetful-proxy.ts';
import { OWN_RUNTIME } from './function-process.ts';
import { testReplicateFunction } from './replicate-function.contract.ts';
import { ReplicateWorld } from './replicate-world.ts';

let outDir: string;
let built: BuiltFunction;

before(async () => {
  outDir = await mkdtemp(join(tmpdir(), 'replicator-'));
  built = await buildReplicator(outDir);
});

after(async () => {
  await rm(outDir, { recursive: true, force: true });
});

test('the archive is far below 5 MB, the same each time, and holds no path of this machine', async () => {
  assert.ok(built.zipBytes < 1024 * 1024, `${built.zipBytes} bytes`);
  const again = await buildReplicator(join(outDir, 'again'));
  assert.deepEqual(await readFile(again.zipFile), await readFile(built.zipFile));
  for (const file of await readdir(built.folder)) {
    const text = await readFile(join(built.folder, file), 'utf8');
    assert.ok(!text.includes(process.cwd()), file);
    assert.doesNotMatch(text, /sourceMappingURL|\.node["'`]/, file);
  }
});

testReplicateFunction(() => built.folder, OWN_RUNTIME);

test('after a freeze no connection from before it is used: nothing is retried, no write is left without an answer', async (t) => {
  const world = await ReplicateWorld.start(t);
  const ways = await Promise.all([
    startForgetfulProxy(world.clouds.s3.url),
    startForgetfulProxy(world.clouds.gcs.url),
  ]);
  t.after(async () => Promise.all(ways.map(async (way) => way.close())));
  const [source, target] = ways;
  const keys = Array.from({ length: 8 }, (_, n) => `k/${n}`);
  await world.put(Object.fromEntries(keys.map((key) => [key, key])));
  const settings = { SQS_QUEUE_URL: '', AWS_ENDPOINT_URL_S3: source.url, STORAGE_EMULATOR_HOST: target.url };
  const running = await world.function({ folder: built.folder, runtime: OWN_RUNTIME }, { settings });
  assert.equal((await running.invoke(notification(keys.slice(0, 4)))).kind, 'response');
  const forgotten = ways.map((way) => way.forget());
  assert.ok(
    forgotten.every((count) => count > 0),
    'nothing was open',
  );
  // The pause itself: shorter ones keep their connections.
  await sleep(3_200);
  const end = await running.invoke(notification(keys.slice(4)));
  assert.equal(end.kind, 'response', JSON.stringify(end));
  assert.doesNotMatch(running.output(), /retrying/);
  world.assertArrived(keys);
});

test('what is loaded late is in the bundle: the role of the platform, Parameter Store, Secrets Manager', async (t) => {
  await using kept = await startSecretServer({
    'ssm /app/key-id': SANDBOX_KEYS.accessKeyId,
    'secretsmanager app': SANDBOX_KEYS.secretAccessKey,
  });
  const role = createServer((_, res) => {
    const Expiration = new Date(Date.now() + 3_600_000).toISOString();
    res.end(JSON.stringify({ AccessKeyId: 'ASIAROLE', SecretAccessKey: 'r', Token: 't', Expiration }));
  });
  role.listen(0, '127.0.0.1');
  await once(role, 'listening');
  t.after(() => role.close());
  const world = await ReplicateWorld.start(t);
  await world.put({ a: '1' });
  const running = await world.function(
    { folder: built.folder, runtime: OWN_RUNTIME },
    {
      settings: {
        SQS_QUEUE_URL: '',
        AWS_ENDPOINT_URL: kept.url,
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${(role.address() as AddressInfo).port}/`,
        AWS_ACCESS_KEY_ID: 'ssm:/app/key-id',
        AWS_SECRET_ACCESS_KEY: 'aws-sm:app',
      },
    },
  );
  const end = await running.invoke(notification(['a']));
  assert.equal(end.kind, 'response', JSON.stringify(end));
  world.assertArrived(['a']);
});

test('what is loaded late is in the bundle: the tokens of Google, also through a proxy', async (t) => {
  const world = await ReplicateWorld.start(t);
  await world.put({ a: '1' });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = {
    type: 'service_account',
    client_email: 'replicator@project.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
  const running = await world.function(
    { folder: built.folder, runtime: OWN_RUNTIME },
    {
      settings: {
        SQS_QUEUE_URL: '',
        STORAGE_EMULATOR_HOST: '',
        GCP_SA_KEY: JSON.stringify(key),
        // Nothing leaves this machine: nobody listens there.
        HTTPS_PROXY: 'http://127.0.0.1:1',
      },
    },
  );
  const failed = await running.invoke(notification(['a']), { timeoutMs: 4_000 });
  assert.ok(failed.kind === 'error', JSON.stringify(failed));
  assert.match(running.output(), /No access token from Google: .*ECONNREFUSED 127\.0\.0\.1:1/);
});
