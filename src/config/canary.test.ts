// Secrets in every place that holds one: nothing that is printed, inspected or thrown may carry any of them.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { loadClientConfig, loadConfig } from './load-config.ts';
import { type ConfigProblem, formatProblems, formatWarnings } from './problem.ts';
import { Secret } from './secrets.ts';
import type { Setting } from './setting.ts';
import { settingNames, SETTINGS } from './settings.ts';

const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
});
const keyLine = pem.split('\n')[1] ?? '';
const json = JSON.stringify({ client_email: 'a@b.c', private_key: pem });
const encryptionKey = createHash('sha256').update('canary').digest('base64');

const webhookSecret = Buffer.from('canary-webhook-secret-of-32-bytes').toString('base64');

const CANARIES: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: 'canary-access-key-id',
  AWS_SECRET_ACCESS_KEY: 'canary/secret+access+key',
  AWS_SESSION_TOKEN: 'canary-session-token',
  DATABASE_URL: 'postgres://canary-user:canary-database-password@db.example.com/replicator',
  HTTPS_PROXY: 'http://canary-user:canary-proxy-password@proxy.example.com:3128',
  HTTP_PROXY: 'http://canary-user:canary-proxy-password@proxy.example.com:3128',
  REPLICATOR_WEBHOOK_SECRETS: `whsec_${webhookSecret}`,
  REPLICATOR_WEBHOOK_SECRET: `whsec_${webhookSecret}`,
  GCP_SA_KEY_B64: Buffer.from(json).toString('base64'),
  GCP_SA_KEY: json,
  REPLICATOR_API_KEYS: 'canary-plain-api-key',
  REPLICATOR_ADMIN_KEY: 'canary-admin-key-of-more-than-32-characters',
  REPLICATOR_ENCRYPTION_KEY: encryptionKey,
  REPLICATOR_API_KEY: 'canary-client-key',
  ALERT_WEBHOOK_URL: 'https://hooks.example.com/services/canary-webhook-path?token=canary-webhook-token',
};

/** Every text that must not appear, also in its other encodings. */
const FORBIDDEN = [
  ...Object.values(CANARIES),
  keyLine,
  'canary-webhook-path',
  'canary-database-password',
  'canary-proxy-password',
  webhookSecret,
  'canary-webhook-token',
  Buffer.from(encryptionKey, 'base64').toString('hex'),
  Buffer.from(encryptionKey, 'base64').join(', '),
];

const machine = { envFileText: null, readFile: () => json, memoryBytes: 2 ** 31, isTerminal: false };
const basics = { S3_BUCKET: 'aaa', GCS_BUCKET: 'bbb', AWS_REGION: 'eu-central-1' };

function assertClean(shown: string): void {
  for (const secret of FORBIDDEN)
    assert.ok(!shown.includes(secret), `a secret is shown: ${secret.slice(0, 12)}`);
}

function printed(value: unknown): string {
  return `${inspect(value, { depth: 12, showHidden: true, maxArrayLength: null })}\n${JSON.stringify(value)}\n${String(value)}`;
}

test('the canaries cover every secret setting', () => {
  const secret = settingNames().filter((name) => {
    const setting: Setting<unknown> = SETTINGS[name];
    return setting.isSecret === true;
  });
  assert.deepEqual([...secret].sort(), Object.keys(CANARIES).sort());
});

test('a valid configuration with every secret shows none of them', () => {
  const env = { ...CANARIES, GCP_SA_KEY: '' };
  const loaded = loadConfig({ env: { ...basics, ...env }, ...machine });
  assert.ok(loaded.kind === 'ok', loaded.kind === 'invalid' ? formatProblems(loaded.problems) : '');
  assert.equal(loaded.secrets.aws?.secretAccessKey.reveal(), CANARIES['AWS_SECRET_ACCESS_KEY']);
  assertClean(printed(loaded));
  assertClean(formatWarnings(loaded.warnings));
  assertClean(printed(loadClientConfig({ env, envFileText: null })));
});

test('a secret that a reference led to is shown nowhere, and the reference is', () => {
  const texts = new Map(Object.entries(CANARIES).map(([name, value]) => [`ssm:/canary/${name}`, value]));
  const secretAnswers = new Map(
    [...texts].map(([text, value]) => [text, { ok: true as const, value: new Secret(value) }]),
  );
  const env = Object.fromEntries(Object.keys(CANARIES).map((name) => [name, `ssm:/canary/${name}`]));
  const loaded = loadConfig({ env: { ...basics, ...env, GCP_SA_KEY: '' }, ...machine, secretAnswers });
  assert.ok(loaded.kind === 'ok', loaded.kind === 'invalid' ? formatProblems(loaded.problems) : '');
  assert.equal(loaded.secrets.aws?.secretAccessKey.reveal(), CANARIES['AWS_SECRET_ACCESS_KEY']);
  assertClean(printed(loaded));
  assertClean(printed(secretAnswers));
  const shown = loaded.settings.find(({ name }) => name === 'AWS_ACCESS_KEY_ID')?.shown;
  assert.equal(shown, 'ssm:/canary/AWS_ACCESS_KEY_ID');
  // And where what was read is not what the setting wants.
  const wrong = new Map(
    [...texts].map(([text, value]) => [text, { ok: true as const, value: new Secret(`${value}:\u0000`) }]),
  );
  const refused = loadConfig({ env: { ...basics, ...env }, ...machine, secretAnswers: wrong });
  assert.ok(refused.kind === 'invalid');
  assertClean(printed(refused));
  assertClean(formatProblems(refused.problems));
});

test('a secret that is refused is not shown in the problem', () => {
  for (const [name, value] of Object.entries(CANARIES)) {
    const damaged = { [name]: `${value.slice(0, -4)}:\u0000${value}` };
    const loaded = loadConfig({ env: { ...basics, ...damaged }, ...machine });
    assertClean(printed(loaded));
    if (loaded.kind === 'invalid') assertClean(formatProblems(loaded.problems));
  }
});

test('a key file pasted into the setting for its path, or a password in a URL, is not shown', () => {
  for (const env of [
    { GCP_CREDENTIALS_PATH: json },
    { GCP_CREDENTIALS_PATH: pem },
    { AWS_ENDPOINT_URL: 'https://me:canary-session-token@host' },
    { DATABASE_URL: 'mysql://me:canary-session-token@host/db' },
    { PORT: CANARIES['GCP_SA_KEY_B64'] ?? '' },
    { AWS_REGION: CANARIES['AWS_SECRET_ACCESS_KEY']?.padEnd(40, 'x') ?? '' },
  ]) {
    const readFile = (): string => {
      throw Object.assign(new Error(`no file ${json}`), { code: 'ENOENT' });
    };
    const loaded = loadConfig({ env: { ...basics, ...env }, ...machine, readFile });
    assert.ok(loaded.kind === 'invalid', Object.keys(env).join());
    assertClean(printed(loaded));
    assertClean(formatProblems(loaded.problems));
  }
});

test('a broken key file shows nothing of its content', () => {
  for (const text of [json.slice(0, 120), `${json}x`, pem, Buffer.from(json).toString('base64')]) {
    const loaded = loadConfig({
      env: { ...basics, GCP_CREDENTIALS_PATH: 'key.json' },
      ...machine,
      readFile: () => text,
    });
    assert.ok(loaded.kind === 'invalid');
    assertClean(printed(loaded));
  }
});

test('what stands behind ? or # in an address is not shown, with a scheme or without', () => {
  const rest = 'h:4443/?token=canary-token#canary-part';
  const urls = [
    'STORAGE_EMULATOR_HOST',
    'PUBLIC_URL',
    'AWS_ENDPOINT_URL',
    'AWS_ENDPOINT_URL_S3',
    'REPLICATOR_URL',
  ];
  const tries = [
    ...urls.flatMap((name) =>
      [`https://${rest}`, `HTTPS://${rest}`, rest].map((value) => ({ [name]: value })),
    ),
    { STORAGE_EMULATOR_HOST: 'h#canary' },
    { STORAGE_EMULATOR_HOST: 'me:canary@h:4443' },
    { PUBLIC_URL: 'HTTPS://me:can?canary@h' },
    { S3_BUCKET: `https://${rest}` },
    { REPLICATOR_CONFIG: `https://${rest}`, S3_BUCKET: '', GCS_BUCKET: '' },
  ];
  const readFile = (): string => {
    throw Object.assign(new Error(`no file ${rest}`), { code: 'ENOENT' });
  };
  for (const env of tries) {
    const loaded = loadConfig({ env: { ...basics, ...env }, ...machine, readFile });
    assert.ok(loaded.kind === 'invalid', JSON.stringify(env));
    const shown = formatProblems(loaded.problems) + JSON.stringify(loaded);
    assert.ok(!shown.includes('canary'), shown);
  }
  const [problem] = problemsOf({ PUBLIC_URL: `https://${rest}` });
  assert.equal(problem?.found, '"https://h:4443/?..."');
});

test('every address of the table is marked as one', () => {
  const marked = settingNames().filter((name) => {
    const setting: Setting<unknown> = SETTINGS[name];
    return setting.isUrl === true;
  });
  const accepting = settingNames().filter((name) => {
    const setting: Setting<unknown> = SETTINGS[name];
    const parsed = setting.parse('http://127.0.0.1:4443');
    return parsed.ok && parsed.value === 'http://127.0.0.1:4443' && !setting.parse('http://h/path').ok;
  });
  assert.ok(accepting.length >= 5);
  assert.deepEqual(marked, accepting);
});

test('a secret of a known shape under a name that holds none is masked', () => {
  const secrets = [
    'ya29.canary-token',
    'AKIACANARYCANARYCANA',
    `rpl_ci_${'canary0'.repeat(7).slice(0, 43)}`,
    'eyJhbGciOiJIUzI1NiJ9.canary.canary',
    '-----BEGIN EC PRIVATE KEY-----\ncanary',
  ];
  for (const secret of secrets)
    for (const name of ['HOST', 'PORT', 'S3_PREFIX', 'GCS_PREFIX', 'AWS_REGION', 'S3_BUCKET', 'PUBLIC_URL']) {
      const loaded = loadConfig({ env: { ...basics, LOG_LEVEL: 'loud', [name]: `x/${secret}` }, ...machine });
      assert.ok(loaded.kind === 'invalid');
      const shown =
        formatProblems(loaded.problems) + formatWarnings(loaded.warnings) + JSON.stringify(loaded);
      assert.ok(!shown.toLowerCase().includes('canary'), shown);
    }
});

test('a secret in the rules file is not repeated by the problem of its line', () => {
  const env = { S3_BUCKET: '', GCS_BUCKET: '', REPLICATOR_CONFIG: 'rules.yaml' };
  for (const yaml of [
    'rules: [{ name: "x ya29.canary" }]',
    'AKIACANARYCANARYCANA: 1',
    '"https://h/?canary": 1',
  ]) {
    const loaded = loadConfig({ env: { ...basics, ...env }, ...machine, readFile: () => yaml });
    assert.ok(loaded.kind === 'invalid');
    assert.ok(!formatProblems(loaded.problems).toLowerCase().includes('canary'));
  }
});

function problemsOf(env: Readonly<Record<string, string>>): readonly ConfigProblem[] {
  const loaded = loadConfig({ env: { ...basics, ...env }, ...machine });
  assert.ok(loaded.kind === 'invalid');
  return loaded.problems;
}
