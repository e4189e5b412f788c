import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../core/clock.ts';
import { type SecretReading, unreadable } from '../core/secret-reader.ts';
import { parseSecretReference, type SecretReference } from '../core/secret-reference.ts';
import { type ResolvedReference, resolveReferences } from './resolve-references.ts';

type Read = (name: string, tried: number) => SecretReading | Promise<SecretReading>;

/** Waits are over at once; how long they would have been is kept. */
function quickClock(): Clock & { readonly waits: number[] } {
  const waits: number[] = [];
  return { waits, nowMs: () => 0, monotonicMs: () => 0, sleep: async (ms) => void waits.push(ms) };
}

async function resolve(
  texts: readonly string[],
  read: Read,
  limits: { readonly parallel?: number; readonly timeoutMs?: number } = {},
): Promise<{ answers: ReadonlyMap<string, ResolvedReference>; asked: string[]; waits: number[] }> {
  const references = new Map<string, SecretReference>();
  for (const text of texts) {
    const parsed = parseSecretReference(text);
    assert.ok(parsed?.ok === true, text);
    references.set(text, parsed.reference);
  }
  const asked: string[] = [];
  const clock = quickClock();
  const reader = {
    read: async (name: string) => {
      asked.push(name);
      return read(name, asked.filter((other) => other === name).length);
    },
  };
  const readerOf = async () => ({ reader, region: 'eu-central-1' });
  return {
    answers: await resolveReferences(references, { readerOf, clock, limits }),
    asked,
    waits: clock.waits,
  };
}

const text = (value: string): SecretReading => ({ ok: true, text: value });

test('a secret that many settings name is asked for once, and each gets its own field', async () => {
  const { answers, asked } = await resolve(
    ['aws-sm:app#a', 'aws-sm:app#b', 'aws-sm:app', 'ssm:app'],
    (name) => text(name === 'app' ? '{"a": "1", "b": "2"}' : ''),
  );
  assert.deepEqual(asked, ['app', 'app'], 'once in each place');
  assert.deepEqual(answers.get('aws-sm:app#a'), { ok: true, text: '1' });
  assert.deepEqual(answers.get('aws-sm:app#b'), { ok: true, text: '2' });
  assert.deepEqual(answers.get('aws-sm:app'), { ok: true, text: '{"a": "1", "b": "2"}' });
});

test('what is wrong with a field is told without anything of the secret', async () => {
  const read: Read = (name) =>
    text({ 'no-json': 'hunter2', list: '["hunter2"]' }[name] ?? '{"key": "hunter2", "n": 7, "e": " "}');
  const { answers } = await resolve(
    ['aws-sm:no-json#key', 'aws-sm:list#key', 'aws-sm:app#Key', 'aws-sm:app#n', 'aws-sm:app#e'],
    read,
  );
  const reasons = [...answers.values()].map((answer) => (answer.ok ? 'ok' : answer.reason));
  assert.deepEqual(reasons, [
    'names the field "key" of a secret that is not a JSON object',
    'names the field "key" of a secret that is not a JSON object',
    'names the field "Key", which the secret does not have',
    'names the field "n", which holds no text',
    'names a secret that is empty',
  ]);
  assert.doesNotMatch(JSON.stringify([...answers]), /hunter2/);
});

test('a trouble that may pass is asked again twice, with growing waits; another one is not', async () => {
  const flaky = await resolve(['ssm:/a'], (_, tried) =>
    tried < 3 ? unreadable('unreachable', 'ThrottlingException', true) : text('x'),
  );
  assert.deepEqual(flaky.answers.get('ssm:/a'), { ok: true, text: 'x' });
  assert.deepEqual(flaky.waits, [300, 600]);
  const down = await resolve(['ssm:/a'], () => unreadable('unreachable', 'ECONNREFUSED', true));
  assert.equal(down.asked.length, 3);
  const denied = await resolve(['ssm:/a'], () => unreadable('denied', ''));
  assert.equal(denied.asked.length, 1);
});

test('a place that never answers holds up nothing beyond the time limit', async () => {
  const { answers } = await resolve(
    ['ssm:/a', 'ssm:/b'],
    (name) => (name === '/a' ? new Promise(() => {}) : text('x')),
    {
      timeoutMs: 30,
    },
  );
  const silent = answers.get('ssm:/a');
  assert.ok(silent !== undefined && !silent.ok);
  assert.match(
    silent.reason,
    /AWS Systems Manager cannot be reached in eu-central-1 \(no answer within 0\.03 seconds\)/,
  );
  assert.deepEqual(answers.get('ssm:/b'), { ok: true, text: 'x' });
});

test('no more secrets are asked for at once than the bound', async () => {
  let open = 0;
  let most = 0;
  const texts = Array.from({ length: 20 }, (_, index) => `ssm:/p${index}`);
  const { answers } = await resolve(
    texts,
    async () => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((done) => setImmediate(done));
      open -= 1;
      return text('x');
    },
    { parallel: 3 },
  );
  assert.equal(most, 3);
  assert.equal(answers.size, 20);
});

test('each trouble says which permission or step is missing', async () => {
  const cases: readonly (readonly [string, SecretReading, RegExp, RegExp])[] = [
    [
      'ssm:/a',
      unreadable('denied', 'AccessDeniedException'),
      /may not read \(AccessDeniedException\)/,
      /allow ssm:GetParameter on \/a in eu-central-1/,
    ],
    [
      'aws-sm:a',
      unreadable('denied', ''),
      /may not read$/,
      /allow secretsmanager:GetSecretValue on a in eu-central-1/,
    ],
    [
      'gcp-sm:projects/p/secrets/s',
      unreadable('denied', ''),
      /may not read/,
      /allow secretmanager\.versions\.access/,
    ],
    [
      'file:/a',
      unreadable('denied', 'EACCES'),
      /this process may not read \(EACCES\)/,
      /user of the process/,
    ],
    ['ssm:/a', unreadable('key_denied', ''), /encryption key/, /allow kms:Decrypt/],
    [
      'ssm:/a',
      unreadable('missing', ''),
      /does not exist in eu-central-1/,
      /create it in eu-central-1, or correct the name or the region/,
    ],
    ['file:/a', unreadable('missing', ''), /a file that does not exist/, /correct the path/],
    [
      'gcp-sm:projects/p/secrets/s',
      unreadable('disabled', 'DISABLED'),
      /cannot be used \(DISABLED\)/,
      /enable/,
    ],
    [
      'gcp-sm:projects/p/secrets/s',
      unreadable('service_off', ''),
      /not switched on/,
      /gcloud services enable secretmanager/,
    ],
    ['ssm:/a', unreadable('no_credentials', ''), /no credentials for AWS Systems Manager/, /role/],
    ['ssm:/a', unreadable('credentials_refused', ''), /refuses the credentials/, /AWS_ACCESS_KEY_ID/],
    ['ssm:/a', unreadable('no_region', ''), /which region/, /AWS_REGION/],
    ['ssm:/a', unreadable('not_text', ''), /bytes instead of text/, /store it as text/],
  ];
  for (const [reference, reading, reason, fix] of cases) {
    const answer = (await resolve([reference], () => reading)).answers.get(reference);
    assert.ok(answer !== undefined && !answer.ok);
    assert.match(answer.reason, reason);
    assert.match(answer.fix, fix);
  }
});

test('words of a provider that hold something secret by its shape are masked, and long ones are cut', async () => {
  const detail = `token ya29.abcdef ${'x'.repeat(1000)}\n  end`;
  const answer = (await resolve(['ssm:/a'], () => unreadable('refused', detail))).answers.get('ssm:/a');
  assert.ok(answer !== undefined && !answer.ok);
  assert.doesNotMatch(answer.reason, /ya29|\n/);
  assert.ok(answer.reason.length < 450);
});
