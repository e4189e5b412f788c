import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadClientConfig, loadConfig, type LoadedConfig } from './load-config.ts';
import { type ConfigProblem, formatProblems } from './problem.ts';

const GIB = 1024 ** 3;
const basics = { S3_BUCKET: 'from-here', GCS_BUCKET: 'to-there', AWS_REGION: 'eu-central-1' };

interface Machine {
  readonly envFileText?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly memoryBytes?: number;
  readonly maxOpenFiles?: number;
  readonly isTerminal?: boolean;
}

function load(env: Readonly<Record<string, string | undefined>>, machine: Machine = {}): LoadedConfig {
  const { envFileText = null, files = {}, memoryBytes = 2 * GIB } = machine;
  const { maxOpenFiles = null, isTerminal = false } = machine;
  const readFile = (path: string): string => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return text;
  };
  return loadConfig({ env, envFileText, readFile, memoryBytes, maxOpenFiles, isTerminal });
}

function valid(env: Readonly<Record<string, string | undefined>>, machine: Machine = {}) {
  const loaded = load({ ...basics, ...env }, machine);
  assert.ok(loaded.kind === 'ok', loaded.kind === 'invalid' ? formatProblems(loaded.problems) : '');
  return loaded;
}

function problems(
  env: Readonly<Record<string, string | undefined>>,
  machine: Machine = {},
): readonly ConfigProblem[] {
  const loaded = load({ ...basics, ...env }, machine);
  assert.ok(loaded.kind === 'invalid', 'must be refused');
  return loaded.problems;
}

function onlyProblem(
  env: Readonly<Record<string, string | undefined>>,
  machine: Machine = {},
): ConfigProblem {
  const [first, ...others] = problems(env, machine);
  assert.ok(first !== undefined);
  assert.deepEqual(others, []);
  return first;
}

test('three settings are enough, and everything else has its documented default', () => {
  const { config, secrets, warnings } = valid({});
  assert.deepEqual(config, {
    rules: [
      {
        name: 'default',
        source: { bucket: 'from-here', prefix: '', suffix: '', expectedOwner: null },
        target: {
          bucket: 'to-there',
          prefix: '',
          stripPrefix: '',
          prependBucket: false,
          storageClass: null,
          kmsKeyName: null,
        },
        deletes: 'ignore',
        deleteBrake: { count: 1000, sharePercent: 10, windowMs: 3_600_000 },
        adopt: 'checksum',
        verify: 'source',
        metadata: 'all',
      },
    ],
    source: { region: 'eu-central-1', endpoint: null, credentials: 'default', roleArn: null },
    target: { endpoint: null, credentials: 'default' },
    httpClient: 'own',
    http: {
      host: '127.0.0.1',
      port: 8080,
      publicUrl: null,
      auth: { kind: 'loopback' },
      maxConnections: 10_000,
      maxBodyBytes: 128 * 1024 ** 2,
    },
    intake: {
      sqs: null,
      sqsVisibilitySec: 120,
      snsTopicArns: [],
      snsEndpoint: null,
      callerRatePerSec: 5_000,
    },
    retry: { attempts: 8, backoffMs: 1000, backoffCapMs: 300_000 },
    transfer: {
      chunkBytes: 8_388_608,
      maxConcurrency: 256,
      maxMemoryBytes: GIB / 2,
      settleGraceMs: 120_000,
    },
    storage: {
      kind: 'sqlite',
      dataDir: './data',
      minFreeDiskBytes: 256 * 1024 ** 2,
      receiptRetentionMs: 90 * 86_400_000,
    },
    lagObjectiveMs: 900_000,
    reconcileIntervalMs: 86_400_000,
    shutdownGraceMs: 25_000,
    log: { level: 'info', format: 'json' },
  });
  assert.deepEqual(secrets, {
    aws: null,
    google: null,
    encryptionKey: null,
    databaseUrl: null,
    webhookSecrets: [],
    alertWebhook: null,
    proxies: null,
  });
  assert.deepEqual(warnings, []);
});

test('the configuration cannot be changed', () => {
  const { http, rules } = valid({}).config;
  for (const part of [http, rules[0] ?? {}]) assert.throws(() => Object.assign(part, { x: 1 }), TypeError);
});

test('every problem is reported at once, each with its setting and its fix', () => {
  const loaded = load({
    GCS_BUCKET: 'gs://to-there',
    CHUNK_SIZE_BYTES: '8MB',
    RETRY_ATTEMPTS: 'many',
    HOST: '0.0.0.0',
    AWS_SECRET_ACCESS_KEY: 'x',
    SQS_QUEUE_URL: 'https://sqs',
    DELETES: 'sometimes',
  });
  assert.ok(loaded.kind === 'invalid');
  assert.deepEqual(loaded.problems.map(({ setting }) => setting).sort(), [
    'AWS_ACCESS_KEY_ID',
    'AWS_REGION',
    'CHUNK_SIZE_BYTES',
    'DELETES',
    'GCS_BUCKET',
    'HOST',
    'RETRY_ATTEMPTS',
    'S3_BUCKET',
    'SQS_QUEUE_URL',
  ]);
  const text = formatProblems(loaded.problems);
  assert.match(text, /has 9 problems/);
  assert.equal(text.match(/fix: {3}\S/g)?.length, 9);
});

test('the real environment wins over .env, whatever alias either uses', () => {
  const { config, settings } = valid(
    { GCS_BUCKET: undefined, GCP_BUCKET_NAME: 'from-env', PORT: '' },
    { envFileText: 'GCS_BUCKET=from-file\nPORT=9090\n' },
  );
  assert.equal(config.rules[0]?.target.bucket, 'from-env');
  assert.equal(config.http.port, 9090);
  const row = (name: string) => settings.find((setting) => setting.name === name);
  assert.deepEqual(row('GCS_BUCKET'), {
    name: 'GCS_BUCKET',
    shown: 'from-env',
    origin: 'environment',
    usedName: 'GCP_BUCKET_NAME',
  });
  assert.equal(row('PORT')?.origin, '.env');
});

test('two names of one setting must agree, except that AWS_REGION wins over AWS_DEFAULT_REGION', () => {
  const { setting, reason } = onlyProblem({ GCP_BUCKET_NAME: 'elsewhere' });
  assert.equal(setting, 'GCS_BUCKET');
  assert.match(reason, /differ/);
  valid({ GCP_BUCKET_NAME: 'to-there' });
  assert.equal(valid({ AWS_DEFAULT_REGION: 'us-west-2' }).config.source.region, 'eu-central-1');
  assert.equal(
    valid({ AWS_REGION: undefined, AWS_DEFAULT_REGION: 'us-west-2' }).config.source.region,
    'us-west-2',
  );
});

test('the region may be left out only with an endpoint of another provider', () => {
  assert.equal(onlyProblem({ AWS_REGION: undefined }).setting, 'AWS_REGION');
  const { source } = valid({ AWS_REGION: undefined, AWS_ENDPOINT_URL: 'http://localhost:9000' }).config;
  assert.deepEqual(source, {
    region: 'us-east-1',
    endpoint: 'http://localhost:9000',
    credentials: 'default',
    roleArn: null,
  });
  assert.match(onlyProblem({ AWS_REGION: 'Europe (Frankfurt)' }).fix, /eu-central-1/);
});

test('keys of AWS come in pairs, and temporary ones with their token', () => {
  const id = 'AKIAABCDEFGHIJKLMNOP';
  assert.equal(onlyProblem({ AWS_ACCESS_KEY_ID: id }).setting, 'AWS_SECRET_ACCESS_KEY');
  assert.equal(onlyProblem({ AWS_SECRET_ACCESS_KEY: 'x' }).setting, 'AWS_ACCESS_KEY_ID');
  assert.equal(onlyProblem({ AWS_SESSION_TOKEN: 'x' }).setting, 'AWS_SESSION_TOKEN');
  const temporary = { AWS_ACCESS_KEY_ID: 'ASIAABCDEFGHIJKLMNOP', AWS_SECRET_ACCESS_KEY: 'x' };
  assert.equal(onlyProblem(temporary).setting, 'AWS_SESSION_TOKEN');
  const { secrets, config, settings } = valid({ ...temporary, AWS_SESSION_TOKEN: ' token\n' });
  assert.equal(secrets.aws?.sessionToken?.reveal(), 'token');
  assert.equal(config.source.credentials, 'static');
  assert.equal(settings.find(({ name }) => name === 'AWS_ACCESS_KEY_ID')?.shown, 'ASIA...MNOP');
});

test('plain http leaves this machine only where that is said', () => {
  for (const name of ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'STORAGE_EMULATOR_HOST']) {
    const { setting, fix } = onlyProblem({ [name]: 'http://minio.internal:9000' });
    assert.equal(setting, name);
    assert.match(fix, /REPLICATOR_ALLOW_INSECURE_ENDPOINTS/);
    valid({ [name]: 'http://127.0.0.1:9000' });
    valid({ [name]: 'https://minio.internal' });
    const { warnings } = valid({
      [name]: 'http://minio.internal:9000',
      REPLICATOR_ALLOW_INSECURE_ENDPOINTS: '1',
    });
    assert.deepEqual(
      warnings.map((warning) => warning.setting),
      [name],
    );
  }
});

test('the endpoint of S3 alone wins over the one for all of AWS', () => {
  const { config } = valid({
    AWS_ENDPOINT_URL: 'http://localhost:1',
    AWS_ENDPOINT_URL_S3: 'http://localhost:2',
  });
  assert.equal(config.source.endpoint, 'http://localhost:2');
});

test('an emulator takes no Google credentials', () => {
  const { config } = valid({ STORAGE_EMULATOR_HOST: 'localhost:4443' });
  assert.deepEqual(config.target, { endpoint: 'http://localhost:4443', credentials: 'none' });
});

test('who may call follows from keys, REPLICATOR_AUTH and HOST together', () => {
  const entry = `write:ci:${'ab'.repeat(32)}`;
  const http = (env: Record<string, string>) => {
    const { host, auth } = valid(env).config.http;
    return `${host} ${auth.kind}`;
  };
  assert.equal(http({}), '127.0.0.1 loopback');
  assert.equal(http({ HOST: 'localhost' }), 'localhost loopback');
  assert.equal(http({ HOST: '::1' }), '::1 loopback');
  assert.equal(http({ REPLICATOR_API_KEYS: entry }), '0.0.0.0 keys');
  assert.equal(http({ REPLICATOR_API_KEYS: entry, HOST: '10.1.2.3' }), '10.1.2.3 keys');
  assert.equal(http({ REPLICATOR_AUTH: 'none' }), '127.0.0.1 none');
  assert.equal(http({ REPLICATOR_AUTH: 'none', HOST: '0.0.0.0' }), '0.0.0.0 none');
  for (const host of ['0.0.0.0', '::', '10.1.2.3', 'example.com']) {
    const { setting, fix } = onlyProblem({ HOST: host });
    assert.equal(setting, 'HOST');
    assert.match(fix, /REPLICATOR_API_KEYS/);
  }
  assert.equal(
    onlyProblem({ REPLICATOR_AUTH: 'none', REPLICATOR_API_KEYS: entry }).setting,
    'REPLICATOR_AUTH',
  );
  assert.equal(onlyProblem({ REPLICATOR_AUTH: 'off' }).setting, 'REPLICATOR_AUTH');
});

test('open doors and keys in clear are said as warnings', () => {
  const warned = (env: Record<string, string>) => valid(env).warnings.map(({ setting }) => setting);
  assert.deepEqual(warned({ REPLICATOR_AUTH: 'none' }), ['REPLICATOR_AUTH']);
  assert.deepEqual(warned({ REPLICATOR_API_KEYS: 'plain-and-simple' }), ['REPLICATOR_API_KEYS']);
  assert.deepEqual(warned({ SETTLE_GRACE_SEC: '59' }), ['SETTLE_GRACE_SEC']);
  assert.deepEqual(warned({ SETTLE_GRACE_SEC: '60' }), []);
  assert.deepEqual(warned({ GCS_PREFIX: 'backup' }), ['GCS_PREFIX']);
  assert.equal(onlyProblem({ SETTLE_GRACE_SEC: '0' }).setting, 'SETTLE_GRACE_SEC');
});

test('a broken list of keys does not open the door and is told once', () => {
  assert.equal(
    onlyProblem({ HOST: '0.0.0.0', REPLICATOR_API_KEYS: 'write:ci' }).setting,
    'REPLICATOR_API_KEYS',
  );
});

test('mirrored deletes need the owner of the source, with a custom endpoint as well', () => {
  for (const settings of [
    { DELETES: 'mirror' },
    { DELETES: 'mirror', S3_BUCKET: 'one-bucket, another-bucket' },
    { DELETES: 'mirror', AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9000' },
  ]) {
    const problem = onlyProblem(settings);
    assert.equal(problem.setting, 'S3_EXPECTED_OWNER');
    assert.match(problem.reason, /mirrored deletes need the account/);
  }
  const { config } = valid({ DELETES: 'mirror', S3_EXPECTED_OWNER: '111122223333' });
  assert.equal(config.rules[0]?.deletes, 'mirror');
  assert.deepEqual(config.rules[0]?.deleteBrake, { count: 1000, sharePercent: 10, windowMs: 3_600_000 });
});

test('the delete brake is set by count, share and window', () => {
  const { config } = valid({
    DELETE_BRAKE_COUNT: '0',
    DELETE_BRAKE_SHARE: '100',
    DELETE_BRAKE_WINDOW_SEC: '86400',
  });
  assert.deepEqual(config.rules[0]?.deleteBrake, { count: 0, sharePercent: 100, windowMs: 86_400_000 });
  assert.equal(onlyProblem({ DELETE_BRAKE_COUNT: '-1' }).setting, 'DELETE_BRAKE_COUNT');
  assert.equal(onlyProblem({ DELETE_BRAKE_SHARE: '101' }).setting, 'DELETE_BRAKE_SHARE');
  assert.equal(onlyProblem({ DELETE_BRAKE_WINDOW_SEC: '1' }).setting, 'DELETE_BRAKE_WINDOW_SEC');
});

test('the switch that turns certificate checks off is refused, also in .env', () => {
  assert.equal(onlyProblem({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }).setting, 'NODE_TLS_REJECT_UNAUTHORIZED');
  onlyProblem({}, { envFileText: 'NODE_TLS_REJECT_UNAUTHORIZED=0' });
  valid({ NODE_TLS_REJECT_UNAUTHORIZED: '1' });
});

test('unknown names are warnings with the name that was probably meant', () => {
  const { warnings } = valid(
    { REPLICATOR_DATADIR: '/x', FASTAPI_URL: 'for the forwarder', S3_BUKET: 'other programs' },
    { envFileText: 'S3_SUFIX=.jpg\nAWS_PROFILE=me\n' },
  );
  const messages = warnings.map(({ setting, message }) => `${setting} ${message}`);
  assert.equal(messages.length, 3);
  assert.match(messages[0] ?? '', /^REPLICATOR_DATADIR .*did you mean REPLICATOR_DATA_DIR\?/);
  assert.match(messages[1] ?? '', /^AWS_PROFILE .*nothing else reads it$/);
  assert.match(messages[2] ?? '', /^S3_SUFIX .*did you mean S3_SUFFIX\?/);
});

test('the memory budget is a quarter of the machine, at least 64 MiB, and holds two chunks', () => {
  const budget = (memoryBytes: number) => valid({}, { memoryBytes }).config.transfer.maxMemoryBytes;
  assert.equal(budget(4 * GIB), GIB);
  assert.equal(budget(128 * 1024 ** 2), 64 * 1024 ** 2);
  assert.equal(valid({ MAX_MEMORY_BYTES: '1GiB' }).config.transfer.maxMemoryBytes, GIB);
  assert.equal(onlyProblem({ MAX_MEMORY_BYTES: '63MiB' }).setting, 'MAX_MEMORY_BYTES');
  const chunky = { CHUNK_SIZE_BYTES: '64MiB' };
  assert.equal(onlyProblem(chunky, { memoryBytes: 128 * 1024 ** 2 }).setting, 'CHUNK_SIZE_BYTES');
  assert.equal(onlyProblem({ ...chunky, MAX_MEMORY_BYTES: '100MiB' }).setting, 'MAX_MEMORY_BYTES');
});

test('the log is pretty on a terminal unless a format is given', () => {
  assert.equal(valid({}, { isTerminal: true }).config.log.format, 'pretty');
  assert.equal(valid({ LOG_FORMAT: 'json' }, { isTerminal: true }).config.log.format, 'json');
  assert.equal(valid({ LOG_FORMAT: 'pretty' }).config.log.format, 'pretty');
});

test('only one Google credential may be given, and a file that cannot be read is named', () => {
  const both = problems({ GCP_SA_KEY: '{}', GCP_CREDENTIALS_PATH: 'missing.json' });
  assert.ok(both.some(({ reason }) => reason.includes('more than one Google credential')));
  assert.match(onlyProblem({ GCP_CREDENTIALS_PATH: 'missing.json' }).reason, /does not exist/);
  const wrong = onlyProblem({ GCP_CREDENTIALS_PATH: 'key.json' }, { files: { 'key.json': '{"type":"x"}' } });
  assert.match(wrong.reason, /the file has no client_email/);
});

test('a client needs only its own settings', () => {
  const client = loadClientConfig({
    env: { REPLICATOR_URL: 'https://replicator.example.com/', PORT: 'wrong' },
    envFileText: 'REPLICATOR_API_KEY=abc',
  });
  assert.ok(client.kind === 'ok');
  assert.equal(client.url, 'https://replicator.example.com');
  assert.equal(client.apiKey?.reveal(), 'abc');
  const fallback = loadClientConfig({ env: {}, envFileText: null });
  assert.ok(fallback.kind === 'ok' && fallback.url === 'http://127.0.0.1:8080' && fallback.apiKey === null);
  const plain = loadClientConfig({ env: { REPLICATOR_URL: 'http://example.com' }, envFileText: null });
  assert.ok(plain.kind === 'invalid' && plain.problems[0]?.setting === 'REPLICATOR_URL');
});

test('a .env that cannot be read is the problem, and not what may be missing because of it', () => {
  const machine = { readFile: () => '', memoryBytes: 2 ** 31, isTerminal: false };
  const sources = { env: { PORT: 'http' }, envFileText: null, envFileFault: 'EACCES' };
  const loaded = loadConfig({ ...sources, ...machine });
  assert.ok(loaded.kind === 'invalid');
  assert.deepEqual(
    loaded.problems.map(({ setting }) => setting),
    ['.env', 'PORT'],
  );
  const text = formatProblems(loaded.problems);
  assert.match(
    text,
    /\.env: is in the working folder and cannot be read \(EACCES\)\n +fix: +make \.env a file/,
  );
  const client = loadClientConfig(sources);
  // Where nothing says where the service is, its port does.
  assert.deepEqual(client.kind === 'invalid' && client.problems.map(({ setting }) => setting), [
    '.env',
    'PORT',
  ]);
});

test('callers get the connections and the memory that the transfers leave', () => {
  const bounds = (env: Record<string, string>, machine: Machine) => {
    const { maxConnections, maxBodyBytes } = valid(env, machine).config.http;
    return { maxConnections, maxBodyBytes };
  };
  const small = bounds({ MAX_CONCURRENCY: '100', MAX_MEMORY_BYTES: '64MiB' }, { maxOpenFiles: 1024 });
  assert.deepEqual(small, { maxConnections: 1024 - 300, maxBodyBytes: 16 * 1024 ** 2 });
  assert.deepEqual(bounds({}, { maxOpenFiles: 64 }).maxConnections, 32);
  assert.deepEqual(bounds({ MAX_MEMORY_BYTES: '8GiB' }, { maxOpenFiles: 1_000_000 }), {
    maxConnections: 10_000,
    maxBodyBytes: 128 * 1024 ** 2,
  });
});
