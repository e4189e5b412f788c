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
    ['SQS_QUEUE_URL', 'http://sqs.eu-west-1.amazonaws.com/111122223333/changes'],
    ['SQS_QUEUE_URL', 'http://10.0.0.1/111122223333/changes'],
    ['SNS_TOPIC_ARNS', 'arn:aws:sns:eu-west-1:111122223333:changes.fifo'],
    ['SNS_TOPIC_ARNS', ','],
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
