import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RULES_EXAMPLE } from '../../docs/configuration-page.ts';
import type { Rule } from '../core/rule.ts';
import { loadConfig } from './load-config.ts';
import type { ConfigProblem } from './problem.ts';

type Env = Readonly<Record<string, string>>;

function load(env: Env, yaml: string | null) {
  return loadConfig({
    env: {
      AWS_REGION: 'eu-central-1',
      ...(yaml === null ? {} : { REPLICATOR_CONFIG: 'rules.yaml' }),
      ...env,
    },
    envFileText: null,
    readFile: () => yaml ?? '',
    memoryBytes: 2 ** 31,
    isTerminal: false,
  });
}

function rulesOf(env: Env, yaml: string | null): readonly Rule[] {
  const loaded = load(env, yaml);
  assert.ok(loaded.kind === 'ok', loaded.kind === 'invalid' ? JSON.stringify(loaded.problems) : '');
  return loaded.config.rules;
}

function problemsOf(env: Env, yaml: string | null): readonly ConfigProblem[] {
  const loaded = load(env, yaml);
  assert.ok(loaded.kind === 'invalid', 'must be refused');
  return loaded.problems;
}

function onlyProblem(yaml: string, env: Env = {}): ConfigProblem {
  const [first, ...others] = problemsOf(env, yaml);
  assert.ok(first !== undefined);
  assert.deepEqual(others, []);
  return first;
}

const rule = (name: string, source: string, target: string, more = ''): string =>
  `  - name: ${name}\n    source: { bucket: ${source} }\n    target: { bucket: ${target} }\n${more}`;

test('the example of the documentation is valid and means what it says', () => {
  const [photos, reports] = rulesOf({}, RULES_EXAMPLE);
  assert.deepEqual(photos, {
    name: 'photos',
    source: { bucket: 'my-source-bucket', prefix: 'photos/', suffix: '.jpg', expectedOwner: '111122223333' },
    target: {
      bucket: 'my-target-bucket',
      prefix: 'from-aws/',
      stripPrefix: 'photos/',
      prependBucket: false,
      storageClass: 'NEARLINE',
      kmsKeyName: null,
    },
    deletes: 'ignore',
    deleteBrake: { count: 1000, sharePercent: 10, windowMs: 3_600_000 },
    adopt: 'checksum',
    verify: 'strict',
    metadata: 'all',
  });
  assert.equal(reports?.adopt, 'size');
  assert.equal(reports.metadata, 'headers');
});

test('the policies of the environment are the defaults of rules in the file', () => {
  const yaml = `rules:\n${rule('one', 'aaa', 'bbb')}${rule('two', 'aaa', 'ccc', '    verify: transfer\n')}`;
  const rules = rulesOf({ VERIFY: 'strict', ADOPT: 'never', S3_EXPECTED_OWNER: '111122223333' }, yaml);
  assert.deepEqual(
    rules.map(({ name, verify, adopt, source }) => [name, verify, adopt, source.expectedOwner]),
    [
      ['one', 'strict', 'never', '111122223333'],
      ['two', 'transfer', 'never', '111122223333'],
    ],
  );
});

test('several buckets become one rule each, with the bucket before the key', () => {
  const rules = rulesOf({ S3_BUCKET: 'one-a, two-b', GCS_BUCKET: 'target', GCS_PREFIX: 'x/' }, null);
  assert.deepEqual(
    rules.map(({ name, source, target }) => [name, source.bucket, target.prependBucket, target.prefix]),
    [
      ['default-one-a', 'one-a', true, 'x/'],
      ['default-two-b', 'two-b', true, 'x/'],
    ],
  );
});

test('every bucket of an account needs the account', () => {
  const env = { S3_BUCKET: '*', GCS_BUCKET: 'target' };
  assert.match(problemsOf(env, null)[0]?.fix ?? '', /S3_EXPECTED_OWNER/);
  const [all] = rulesOf({ ...env, S3_EXPECTED_OWNER: '111122223333' }, null);
  assert.deepEqual([all?.name, all?.source.bucket, all?.target.prependBucket], ['default', '*', true]);
  assert.match(onlyProblem(`rules:\n${rule('all', "'*'", 'target')}`).reason, /needs the account/);
  const wrong = problemsOf({ ...env, S3_EXPECTED_OWNER: '1111-2222-3333' }, null);
  assert.deepEqual(
    wrong.map(({ setting }) => setting),
    ['S3_EXPECTED_OWNER'],
  );
});

test('the file and the bucket variables exclude each other', () => {
  const { setting, found } = onlyProblem(RULES_EXAMPLE, { S3_BUCKET: 'aaa', GCP_BUCKET_NAME: 'bbb' });
  assert.equal(setting, 'REPLICATOR_CONFIG');
  assert.match(found ?? '', /S3_BUCKET, GCS_BUCKET/);
});

test('a problem of the file names its line and column', () => {
  const yaml =
    'rules:\n  - name: one\n    source: { bucket: aaa }\n    target: { bucket: bbb }\n    verfy: strict\n';
  const { setting, reason } = onlyProblem(yaml);
  assert.equal(setting, 'rules.yaml:5:5');
  assert.match(reason, /did you mean verify\?/);
  const syntax = onlyProblem('rules:\n  - name: [one\n');
  assert.match(syntax.setting, /^rules\.yaml:\d+:\d+$/);
  assert.match(syntax.reason, /is not YAML/);
});

test('every wrong field of every rule is reported in one go', () => {
  const yaml = `rules:
  - name: bad name
    source: { bucket: s3://aaa, prefx: x, expectedOwner: 111122223333 }
    target: { bucket: bbb, storageClass: cheap, kmsKeyName: my-key }
    deletes: sometimes
    deleteBrake: { count: -1, sharePercent: many, windowSek: 60 }
    adopt: sometimes
    verify:
      - strict
    metadata: none
  - target: { bucket: bbb }
  - hello
`;
  const reasons = problemsOf({}, yaml).map(({ reason }) => reason);
  const expected = [
    /prefx|did you mean prefix/,
    /name is not a rule name/,
    /deletes is none/,
    /count is not a whole number/,
    /sharePercent is not a whole number/,
    /deleteBrake has no field of this name; did you mean windowSec/,
    /adopt is none/,
    /verify is not a text/,
    /metadata is none/,
    /bucket is not a bare bucket name/,
    /expectedOwner is not a text/,
    /storageClass is none/,
    /kmsKeyName is not the name/,
    /source is missing/,
    /name is missing/,
    /a rule is not a mapping of fields/,
  ];
  for (const pattern of expected)
    assert.ok(
      reasons.some((reason) => pattern.test(reason)),
      String(pattern),
    );
  assert.equal(reasons.length, expected.length);
});

test('a file without rules is refused', () => {
  for (const yaml of ['', 'rules:\n', 'rules: []\n', 'rules: yes\n', '- name: x\n']) onlyProblem(yaml);
  assert.match(
    onlyProblem(`ruls:\n${rule('one', 'aaa', 'bbb')}rules:\n${rule('two', 'aaa', 'bbb')}`).reason,
    /rules\?/,
  );
});

test('rules that could write the same names are refused, and rules that cannot are not', () => {
  const yaml = (prefixes: readonly string[]): string =>
    `rules:\n${prefixes
      .map(
        (prefix, index) =>
          `  - name: r${index}\n    source: { bucket: source-${index} }\n    target: { bucket: tgt, prefix: '${prefix}' }\n`,
      )
      .join('')}`;
  assert.match(onlyProblem(yaml(['', 'a/'])).reason, /overwrite each other/);
  assert.match(onlyProblem(yaml(['a/', 'a/b/'])).reason, /overwrite each other/);
  assert.equal(rulesOf({}, yaml(['a/', 'b/'])).length, 2);
});

test('two rules of one name are refused', () => {
  const { reason } = onlyProblem(`rules:\n${rule('same', 'aaa', 'bbb')}${rule('same', 'aaa', 'ccc')}`);
  assert.match(reason, /two rules have this name/);
});

test('two rules that name different owners of one bucket are refused', () => {
  const yaml = (owner: string): string =>
    `rules:\n  - name: one\n    source: { bucket: aaa, prefix: a/, expectedOwner: '111122223333' }\n    target: { bucket: bbb }\n` +
    `  - name: two\n    source: { bucket: aaa, prefix: b/, expectedOwner: '${owner}' }\n    target: { bucket: ccc }\n`;
  assert.match(onlyProblem(yaml('444455556666')).reason, /different owners of the bucket aaa/);
  assert.equal(rulesOf({}, yaml('111122223333')).length, 2);
});

test('what would be stripped must be the beginning of every covered key', () => {
  const yaml = (prefix: string): string =>
    `rules:\n  - name: one\n    source: { bucket: aaa, prefix: '${prefix}' }\n    target: { bucket: bbb, stripPrefix: a/b/ }\n`;
  assert.match(onlyProblem(yaml('a/')).reason, /stripPrefix is not the beginning/);
  assert.equal(rulesOf({}, yaml('a/b/c')).length, 1);
});

test('no rule may put its objects where temporary parts live', () => {
  const variables = { S3_BUCKET: 'aaa', GCS_BUCKET: 'bbb' };
  for (const prefix of ['.replicator-parts/', '.replicator-parts/x/'])
    assert.match(problemsOf({ ...variables, GCS_PREFIX: prefix }, null)[0]?.reason ?? '', /temporary parts/);
  assert.match(
    problemsOf({ ...variables, S3_PREFIX: '.replicator-parts/x' }, null)[0]?.reason ?? '',
    /temporary parts/,
  );
  assert.equal(rulesOf({ ...variables, GCS_PREFIX: 'x/.replicator-parts/' }, null).length, 1);
});

test('an anchor may share a part between rules', () => {
  const yaml = `rules:
  - name: one
    source: &from { bucket: aaa, prefix: x/ }
    target: { bucket: bbb }
  - name: two
    source: *from
    target: { bucket: ccc }
`;
  assert.deepEqual(
    rulesOf({}, yaml).map(({ source }) => source.prefix),
    ['x/', 'x/'],
  );
});

test('a file that is empty or no mapping says so, and not that it is missing', () => {
  const cases: readonly [yaml: string, reason: RegExp][] = [
    ['', /^the file is empty$/],
    ['\n  \n# rules: later\n', /^the file is empty$/],
    ['---\n', /^the file is empty$/],
    ['null\n', /^the file is empty$/],
    ['- name: one\n  source: { bucket: aaa }\n', /^the file is not a mapping: it holds a list$/],
    ['[]\n', /^the file is not a mapping: it holds a list$/],
    ['rules\n', /^the file is not a mapping: it holds a single value$/],
  ];
  for (const [yaml, reason] of cases) {
    const problem = onlyProblem(yaml);
    assert.match(problem.reason, reason, JSON.stringify(yaml));
    assert.match(problem.setting, /^rules\.yaml:\d+:\d+$/);
    assert.match(problem.fix, /write rules:/);
  }
});

test('a rule that mirrors deletes names the owner of its source, and may set its own brake', () => {
  const mirrored = rule('one', 'from-here', 'to-there', '    deletes: mirror\n');
  assert.match(onlyProblem(`rules:\n${mirrored}`).reason, /mirrored deletes need the account/);
  const [fromVariable] = rulesOf({ S3_EXPECTED_OWNER: '111122223333' }, `rules:\n${mirrored}`);
  assert.equal(fromVariable?.deletes, 'mirror');
  const limits = "    deletes: mirror\n    deleteBrake: { count: 50, sharePercent: '100', windowSec: 600 }\n";
  const [own] = rulesOf(
    { S3_EXPECTED_OWNER: '111122223333' },
    `rules:\n${rule('one', 'from-here', 'to-there', limits)}`,
  );
  assert.deepEqual(own?.deleteBrake, { count: 50, sharePercent: 100, windowMs: 600_000 });
  const part = '    deletes: mirror\n    deleteBrake: { count: 50 }\n';
  const [partly] = rulesOf(
    { S3_EXPECTED_OWNER: '111122223333', DELETE_BRAKE_SHARE: '5' },
    `rules:\n${rule('one', 'from-here', 'to-there', part)}`,
  );
  assert.deepEqual(partly?.deleteBrake, { count: 50, sharePercent: 5, windowMs: 3_600_000 });
});
