// Settings that say where their secret is kept, and the key that a host makes by itself.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { SecretAnswer } from './given-value.ts';
import { loadClientConfig, loadConfig, type LoadedConfig } from './load-config.ts';
import { type ConfigProblem, formatProblems } from './problem.ts';
import { findReferences } from './secret-access.ts';
import { Secret } from './secrets.ts';

const basics = { S3_BUCKET: 'from-here', GCS_BUCKET: 'to-there', AWS_REGION: 'eu-central-1' };
const machine = { envFileText: null, readFile: () => '', memoryBytes: 2 ** 31, isTerminal: false };
const entry = `admin:me:${'ab'.repeat(32)}`;
const randomKey = 'Zm9yIHRlc3RzOiBhIGtleSBvZiAyNTYgYml0cy4uLi4=';

function load(
  env: Readonly<Record<string, string>>,
  answers: Readonly<Record<string, string | SecretAnswer>> = {},
): LoadedConfig {
  const secretAnswers = new Map(
    Object.entries(answers).map(([text, answer]): [string, SecretAnswer] => [
      text,
      typeof answer === 'string' ? { ok: true, value: new Secret(answer) } : answer,
    ]),
  );
  return loadConfig({ ...machine, env: { ...basics, ...env }, secretAnswers });
}

function valid(...given: Parameters<typeof load>) {
  const loaded = load(...given);
  assert.ok(loaded.kind === 'ok', loaded.kind === 'invalid' ? formatProblems(loaded.problems) : '');
  return loaded;
}

function onlyProblem(...given: Parameters<typeof load>): ConfigProblem {
  const loaded = load(...given);
  assert.ok(loaded.kind === 'invalid', 'must be refused');
  const [problem, ...others] = loaded.problems;
  assert.deepEqual(others, []);
  assert.ok(problem !== undefined);
  return problem;
}

function keysOf({ config }: ReturnType<typeof valid>): string[] {
  const { auth } = config.http;
  return auth.kind === 'keys' ? auth.keys.map(({ scope, id }) => `${scope} ${id}`) : [];
}

test('a secret setting takes the value that its reference led to, without spaces at its ends', () => {
  const { secrets } = valid(
    { DATABASE_URL: 'aws-sm:app#db', AWS_ACCESS_KEY_ID: 'ssm:/id', AWS_SECRET_ACCESS_KEY: 'file:/k' },
    { 'aws-sm:app#db': 'postgres://u:p@h/d', 'ssm:/id': ' AKIAABCDEFGHIJKLMNOP\n', 'file:/k': 'x' },
  );
  assert.equal(secrets.databaseUrl?.reveal(), 'postgres://u:p@h/d');
  assert.equal(secrets.aws?.accessKeyId.reveal(), 'AKIAABCDEFGHIJKLMNOP');
});

test('in a list every entry may be a reference, and one reference may be a whole list', () => {
  const other = `write:ci:${'cd'.repeat(32)}`;
  const mixed = valid({ REPLICATOR_API_KEYS: `${other}, ssm:/admin` }, { 'ssm:/admin': entry });
  assert.deepEqual(keysOf(mixed), ['write ci', 'admin me']);
  const whole = valid({ REPLICATOR_API_KEYS: 'ssm:/all' }, { 'ssm:/all': `${entry},\n${other}\n` });
  assert.deepEqual(keysOf(whole), ['admin me', 'write ci']);
  const shown = mixed.settings.find(({ name }) => name === 'REPLICATOR_API_KEYS')?.shown;
  assert.equal(shown, '[secret],ssm:/admin');
});

test('a reference that could not be read is told with setting, reference, reason and fix', () => {
  const words = { reason: 'names a parameter that does not exist', fix: 'create it' };
  const answer = { ok: false, ...words } as const;
  assert.deepEqual(onlyProblem({ REPLICATOR_API_KEYS: `${entry},ssm:/gone` }, { 'ssm:/gone': answer }), {
    setting: 'REPLICATOR_API_KEYS',
    found: '"ssm:/gone"',
    ...words,
  });
});

test('an unread key opens no door and brings no second problem', () => {
  const answer = { ok: false, reason: 'cannot be read', fix: 'x' } as const;
  for (const name of ['REPLICATOR_API_KEYS', 'REPLICATOR_ADMIN_KEY'])
    assert.equal(onlyProblem({ HOST: '0.0.0.0', [name]: 'ssm:/k' }, { 'ssm:/k': answer }).setting, name);
});

test('a malformed reference is told with how to write it, and so is one in a setting that is no secret', () => {
  assert.match(onlyProblem({ DATABASE_URL: 'gcp-sm:my-secret' }).fix, /projects\/PROJECT\/secrets\/SECRET/);
  assert.match(onlyProblem({ PORT: 'ssm:/port' }).reason, /only secret settings/);
  assert.match(onlyProblem({ GCP_CREDENTIALS_PATH: 'aws-sm:key' }).reason, /only secret settings/);
  valid({ GCS_PREFIX: 'ssm:/looks/like/one/' });
});

test('a value that is not what the setting wants is told as what its reference led to', () => {
  const { found, reason } = onlyProblem({ REPLICATOR_ENCRYPTION_KEY: 'ssm:/k' }, { 'ssm:/k': 'short' });
  assert.equal(found, '"ssm:/k", which holds [secret], 5 characters');
  assert.match(reason, /bytes instead of 32/);
});

test('the rules may be kept elsewhere, and their problems carry the reference, line and column', () => {
  const env = { REPLICATOR_CONFIG: 'ssm:/rules', S3_BUCKET: '', GCS_BUCKET: '' };
  const rules = 'rules:\n  - name: photos\n    source: {bucket: aaa}\n    target: {bucket: bbb}\n';
  assert.equal(valid(env, { 'ssm:/rules': rules }).config.rules[0]?.name, 'photos');
  const { setting } = onlyProblem(env, { 'ssm:/rules': rules.replace('photos', 'a b') });
  assert.match(setting, /^ssm:\/rules:2:/);
  const answer = { ok: false, reason: 'cannot be read', fix: 'x' } as const;
  assert.equal(onlyProblem(env, { 'ssm:/rules': answer }).setting, 'REPLICATOR_CONFIG');
});

test('references are found where they count, and nowhere else', () => {
  const env = { DATABASE_URL: 'ssm:/db', REPLICATOR_API_KEYS: 'ssm:/a ssm:/b', PORT: 'ssm:/port' };
  const envFileText =
    'DATABASE_URL=aws-sm:overridden\nGCP_SA_KEY=gcp-sm:malformed\nALERT_WEBHOOK_URL=file:/hook\n';
  const texts = (only: ReadonlySet<string> | null) =>
    findReferences({ env, envFileText }, only).map(({ setting, text }) => `${setting} ${text}`);
  assert.deepEqual(texts(null).toSorted(), [
    'ALERT_WEBHOOK_URL file:/hook',
    'DATABASE_URL ssm:/db',
    'REPLICATOR_API_KEYS ssm:/a',
    'REPLICATOR_API_KEYS ssm:/b',
  ]);
  assert.deepEqual(texts(new Set(['DATABASE_URL'])), ['DATABASE_URL ssm:/db']);
});

test('the address of a place that keeps secrets must not be plain http to another machine', () => {
  for (const name of [
    'AWS_ENDPOINT_URL_SSM',
    'AWS_ENDPOINT_URL_SECRETS_MANAGER',
    'SECRET_MANAGER_EMULATOR_HOST',
  ]) {
    assert.equal(onlyProblem({ [name]: 'http://secrets.internal' }).setting, name);
    valid({ [name]: 'http://127.0.0.1:4566' });
  }
});

test('a key that a host made by itself has the scope admin and is kept as its digest', () => {
  const loaded = valid({ REPLICATOR_ADMIN_KEY: randomKey });
  assert.deepEqual(keysOf(loaded), ['admin admin-key']);
  assert.deepEqual(loaded.warnings, []);
  assert.equal(loaded.config.http.host, '0.0.0.0');
  const { auth } = loaded.config.http;
  const sha256 = createHash('sha256').update(randomKey).digest('hex');
  assert.equal(auth.kind === 'keys' && auth.keys[0]?.sha256, sha256);
  assert.deepEqual(keysOf(valid({ REPLICATOR_ADMIN_KEY: randomKey, REPLICATOR_API_KEYS: entry })), [
    'admin me',
    'admin admin-key',
  ]);
});

test('a key of its own that could be guessed, is an entry or cannot stand in a header is refused', () => {
  assert.match(onlyProblem({ REPLICATOR_ADMIN_KEY: 'admin' }).reason, /fewer than 32/);
  assert.match(onlyProblem({ REPLICATOR_ADMIN_KEY: entry }).fix, /REPLICATOR_API_KEYS/);
  assert.match(onlyProblem({ REPLICATOR_ADMIN_KEY: `${randomKey} x` }).reason, /HTTP header/);
  const { setting } = onlyProblem({ REPLICATOR_ADMIN_KEY: randomKey, REPLICATOR_AUTH: 'none' });
  assert.equal(setting, 'REPLICATOR_AUTH');
});

test('commands call the service on this machine at its port, with its own key, and another one with neither', () => {
  const client = (env: Record<string, string>) => {
    const loaded = loadClientConfig({ env, envFileText: null });
    return loaded.kind === 'ok'
      ? [loaded.url, loaded.apiKey?.reveal() ?? null]
      : loaded.problems.map(({ setting }) => setting);
  };
  assert.deepEqual(client({ PORT: '10000' }), ['http://127.0.0.1:10000', null]);
  assert.deepEqual(client({ REPLICATOR_ADMIN_KEY: randomKey }), ['http://127.0.0.1:8080', randomKey]);
  assert.deepEqual(client({ REPLICATOR_ADMIN_KEY: randomKey, REPLICATOR_API_KEY: 'mine' }), [
    'http://127.0.0.1:8080',
    'mine',
  ]);
  const elsewhere = {
    REPLICATOR_URL: 'https://replicator.example.com',
    PORT: '1',
    REPLICATOR_ADMIN_KEY: randomKey,
  };
  assert.deepEqual(client(elsewhere), ['https://replicator.example.com', null]);
  assert.deepEqual(client({ PORT: '0' }), ['REPLICATOR_URL']);
  assert.deepEqual(client({ PORT: 'http' }), ['PORT']);
  assert.deepEqual(client({ ...elsewhere, PORT: 'http' }), ['https://replicator.example.com', null]);
});
