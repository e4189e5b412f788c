// The settings of the ways in beside HTTP calls, through the whole configuration.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './load-config.ts';
import { formatProblems } from './problem.ts';

const basics = { S3_BUCKET: 'from-here', GCS_BUCKET: 'to-there', AWS_REGION: 'eu-central-1' };

function load(env: Readonly<Record<string, string>>, hasWebIdentity = false) {
  return loadConfig({
    env: { ...basics, ...env },
    envFileText: null,
    memoryBytes: 2 ** 32,
    isTerminal: false,
    hasWebIdentity,
    readFile: () => {
      throw new Error('No file is read here');
    },
  });
}

function valid(env: Readonly<Record<string, string>>, hasWebIdentity = false) {
  const loaded = load(env, hasWebIdentity);
  assert.ok(loaded.kind === 'ok', loaded.kind === 'invalid' ? formatProblems(loaded.problems) : '');
  return loaded;
}

function onlyProblem(env: Readonly<Record<string, string>>) {
  const loaded = load(env);
  assert.ok(loaded.kind === 'invalid', 'must be refused');
  assert.equal(loaded.problems.length, 1, formatProblems(loaded.problems));
  return loaded.problems[0];
}

test('wrong values of the ways in are refused, each once, and not shown where they are secret', () => {
  for (const [name, value] of [
    ['DATABASE_URL', 'mysql://user:hunter2@db/x'],
    ['SQS_QUEUE_URL', 'https://sqs.eu-west-1.amazonaws.com/'],
    ['SQS_QUEUE_URL', 'https://sqs.us-east-1.amazonaws.com/123456789012'],
    ['SQS_QUEUE_URL', 'http://sqs.eu-west-1.amazonaws.com/111122223333/changes'],
    ['SQS_QUEUE_URL', 'http://10.0.0.1/111122223333/changes'],
    ['SNS_TOPIC_ARNS', 'arn:aws:sns:eu-west-1:111122223333:changes.fifo'],
    ['SNS_TOPIC_ARNS', ','],
    ['SNS_TOPIC_ARNS', 'arn:aws-iso:sns:us-iso-east-1:111122223333:changes'],
    ['REPLICATOR_WEBHOOK_SECRETS', 'hunter2'],
    ['REPLICATOR_WEBHOOK_SECRETS', 'whsec_aHVudGVyMg=='],
    ['AWS_ROLE_ARN', 'arn:aws:iam::111122223333:user/x'],
  ] as const) {
    const problem = onlyProblem({ [name]: value });
    assert.equal(problem?.setting, name, value);
    assert.ok(!JSON.stringify(problem).includes('hunter2'));
  }
});

test('the ways in are understood', () => {
  const { config, secrets, settings } = valid({
    DATABASE_URL: 'postgres://user:hunter2@db:5432/replicator?sslmode=require',
    SQS_QUEUE_URL: 'https://sqs.eu-west-1.amazonaws.com/111122223333/changes',
    SNS_TOPIC_ARNS: 'arn:aws:sns:eu-west-1:111122223333:a, arn:aws:sns:us-east-1:111122223333:b',
    REPLICATOR_WEBHOOK_SECRETS: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
    AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/source',
  });
  assert.deepEqual(config.intake.sqs, {
    queueUrl: 'https://sqs.eu-west-1.amazonaws.com/111122223333/changes',
    region: 'eu-west-1',
    endpoint: null,
  });
  assert.equal(config.intake.snsTopicArns.length, 2);
  assert.equal(config.storage.kind, 'postgres');
  assert.equal(config.source.roleArn, 'arn:aws:iam::111122223333:role/source');
  assert.equal(secrets.databaseUrl?.reveal(), 'postgres://user:hunter2@db:5432/replicator?sslmode=require');
  assert.deepEqual(secrets.webhookSecrets[0]?.reveal(), new Uint8Array(32).fill(7));
  assert.ok(!JSON.stringify(settings).includes('hunter2'));
  assert.match(settings.find(({ name }) => name === 'DATABASE_URL')?.shown ?? '', /db:5432\/replicator$/);
});

test('a role of the web identity is left to the platform', () => {
  const role = { AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/x' };
  assert.equal(valid(role, true).config.source.roleArn, null);
});

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const TOPIC = 'arn:aws:sns:eu-west-1:111122223333:changes';

test('with secrets of signed calls alone the service listens as with keys, and knows no key', () => {
  const { http } = valid({ REPLICATOR_WEBHOOK_SECRETS: SECRET }).config;
  assert.deepEqual([http.host, http.auth], ['0.0.0.0', { kind: 'keys', keys: [] }]);
  const problem = onlyProblem({ REPLICATOR_WEBHOOK_SECRETS: SECRET, REPLICATOR_AUTH: 'none' });
  assert.match(problem?.reason ?? '', /REPLICATOR_WEBHOOK_SECRETS is set/);
  const wrong = onlyProblem({ REPLICATOR_WEBHOOK_SECRETS: 'whsec_x', HOST: '0.0.0.0' });
  assert.equal(wrong?.setting, 'REPLICATOR_WEBHOOK_SECRETS', 'the missing key is not told beside it');
});

test('topics of SNS without any key are warned about: nobody could deliver', () => {
  const warned = ({ warnings }: ReturnType<typeof valid>): boolean =>
    warnings.some(({ setting }) => setting === 'SNS_TOPIC_ARNS');
  assert.equal(warned(valid({ SNS_TOPIC_ARNS: TOPIC })), true);
  assert.equal(warned(valid({ SNS_TOPIC_ARNS: TOPIC, REPLICATOR_WEBHOOK_SECRETS: SECRET })), false);
});

test('what speaks for SNS may have an address of its own, and plain http leaves the machine only where allowed', () => {
  const given = { SNS_TOPIC_ARNS: TOPIC, REPLICATOR_WEBHOOK_SECRETS: SECRET };
  const own = { ...given, AWS_ENDPOINT_URL_SNS: 'http://127.0.0.1:9004' };
  assert.equal(valid(own).config.intake.snsEndpoint, 'http://127.0.0.1:9004');
  const shared = { ...given, AWS_ENDPOINT_URL: 'http://127.0.0.1:4566' };
  assert.equal(valid(shared).config.intake.snsEndpoint, 'http://127.0.0.1:4566');
  assert.equal(valid(given).config.intake.snsEndpoint, null);
  const far = 'http://10.0.0.1:9004';
  assert.equal(onlyProblem({ ...given, AWS_ENDPOINT_URL_SNS: far })?.setting, 'AWS_ENDPOINT_URL_SNS');
  assert.equal(onlyProblem({ ...given, AWS_ENDPOINT_URL: far })?.setting, 'AWS_ENDPOINT_URL');
  const own3 = { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9000' };
  assert.equal(onlyProblem({ ...given, ...own3, AWS_ENDPOINT_URL: far })?.setting, 'AWS_ENDPOINT_URL');
});

test('one caller has a quota, unless that is switched off', () => {
  assert.equal(valid({}).config.intake.callerRatePerSec, 5_000);
  assert.equal(valid({ CALLER_RATE_LIMIT: '5' }).config.intake.callerRatePerSec, 5);
  assert.equal(valid({ CALLER_RATE_LIMIT: '0' }).config.intake.callerRatePerSec, null);
});
