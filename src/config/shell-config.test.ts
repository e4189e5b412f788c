import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadShellConfig } from './shell-config.ts';

const QUEUE = 'https://sqs.eu-central-1.amazonaws.com/111122223333/s3-events';
const GOOD = { S3_BUCKET: 'photos', GCS_BUCKET: 'copy', AWS_REGION: 'eu-central-1', SQS_QUEUE_URL: QUEUE };
const MIRROR = { DELETES: 'mirror', S3_EXPECTED_OWNER: '111122223333' };
const DATABASE = { DATABASE_URL: 'postgres://a:b@127.0.0.1/replicator' };

function load(env: Readonly<Record<string, string>>, rulesFile = '') {
  return loadShellConfig({
    env: { ...GOOD, ...env },
    envFileText: null,
    readFile: () => rulesFile,
    memoryBytes: 2 ** 30,
    isTerminal: false,
  });
}

function problemsOf(env: Readonly<Record<string, string>>, rulesFile?: string): readonly string[] {
  const loaded = load(env, rulesFile);
  assert.equal(loaded.kind, 'invalid');
  return loaded.kind === 'invalid'
    ? loaded.problems.map(({ setting, reason, fix }) => `${setting}: ${reason}; ${fix}`)
    : [];
}

test('a service that is named takes over, with its key; without a name there is none', () => {
  const without = load({ REPLICATOR_API_KEY: 'rpl_x_1' });
  assert.ok(without.kind === 'ok');
  assert.equal(without.service, null);
  const named = load({ REPLICATOR_URL: 'https://replicator.example.com', REPLICATOR_API_KEY: 'rpl_x_1' });
  assert.ok(named.kind === 'ok');
  assert.equal(named.service?.url, 'https://replicator.example.com');
  assert.equal(named.service?.apiKey?.reveal(), 'rpl_x_1');
  assert.equal(named.service?.webhookSecret, null);
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const signing = load({ REPLICATOR_URL: 'https://a.example', REPLICATOR_WEBHOOK_SECRET: secret });
  assert.ok(signing.kind === 'ok');
  assert.deepEqual(signing.service?.webhookSecret?.reveal(), new Uint8Array(32).fill(7));
});

test('plain http to a service on another machine is refused', () => {
  const [problem = '', ...more] = problemsOf({ REPLICATOR_URL: 'http://10.0.0.7:8080' });
  assert.match(problem, /^REPLICATOR_URL: is plain http to another machine/);
  assert.deepEqual(more, []);
});

test('a FIFO queue is refused, because it takes no delay for a single message', () => {
  assert.match(problemsOf({ SQS_QUEUE_URL: `${QUEUE}.fifo` })[0] ?? '', /^SQS_QUEUE_URL: is a FIFO queue/);
});

test('mirrored deletes are refused without a database, whichever way the rule was given', () => {
  assert.match(problemsOf(MIRROR)[0] ?? '', /^DELETES: mirrored deletes need a database here.*DATABASE_URL/);
  assert.equal(load({ ...MIRROR, ...DATABASE }).kind, 'ok');
  const rules = `rules:
  - name: holidays
    source: { bucket: photos, expectedOwner: "111122223333" }
    target: { bucket: copy }
    deletes: mirror
`;
  const byFile = { S3_BUCKET: '', GCS_BUCKET: '', REPLICATOR_CONFIG: 'rules.yaml' };
  assert.match(problemsOf(byFile, rules)[0] ?? '', /^REPLICATOR_CONFIG: mirrored deletes need a database/);
  assert.equal(load({ ...byFile, ...DATABASE }, rules).kind, 'ok');
});

test('what is wrong with these shells is told together with everything else', () => {
  const problems = problemsOf({ ...MIRROR, SQS_QUEUE_URL: `${QUEUE}.fifo`, PORT: 'x' });
  assert.deepEqual(
    problems.map((problem) => problem.split(':')[0]),
    ['PORT', 'SQS_QUEUE_URL', 'DELETES'],
  );
});
