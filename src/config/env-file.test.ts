import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEnvFile } from './env-file.ts';
import { loadConfig } from './load-config.ts';
import { formatWarnings } from './problem.ts';

function messages(text: string): string[] {
  return readEnvFile(text).warnings.map(({ setting, message }) => {
    assert.equal(setting, '.env');
    return message;
  });
}

test('a file as it should be has no warnings', () => {
  const text = [
    '# comment = with a sign',
    '',
    'A=1',
    'export B="two words" # and a comment',
    "  C = 'x'",
    'D=',
    'E="first',
    'second=line',
    'last"',
    'F=a"b',
    'lower_case=1',
    'K=abc==',
  ].join('\n');
  assert.deepEqual(messages(text), []);
  assert.deepEqual(messages(text.replaceAll('\n', '\r\n')), []);
  assert.deepEqual(readEnvFile(null), { variables: {}, warnings: [] });
});

test('a line that is no assignment is told by its number, and by nothing that stands in it', () => {
  const text = 'A=1\nsk-canary\nPORT: 8080\nS3 BUCKET=canary\n=canary\nB=2\nMIIEvcanary+/canary==';
  assert.deepEqual(messages(text), [
    'line 2 is not NAME=value, and nothing reads it',
    'line 3 is not NAME=value, and nothing reads it',
    'line 4 is not NAME=value, and nothing reads it',
    'line 5 is not NAME=value, and nothing reads it',
    'line 7 is not NAME=value, and nothing reads it',
  ]);
});

test('a line of a key that was pasted without quotes is shown nowhere', () => {
  const line = 'canary'.repeat(11);
  for (const envFileText of [
    `${line}=`,
    `${line.slice(0, 63)}=\n${line}`,
    `rpl_ci_${'canary0'.repeat(7)}=x`,
  ]) {
    const machine = { env: {}, readFile: () => '', memoryBytes: 2 ** 31, isTerminal: false };
    const { warnings } = loadConfig({ ...machine, envFileText });
    assert.match(formatWarnings(warnings), /\.env: line 1 is not NAME=value/);
    assert.doesNotMatch(formatWarnings(warnings), /canary/);
  }
});

test('a name that is set twice is told with both lines, and the last one counts', () => {
  const text = 'PORT=1\nHOST=canary\n\nexport PORT=2\nPORT=canary\n';
  assert.deepEqual(messages(text), [
    'line 4 sets PORT again, after line 1; the last one counts',
    'line 5 sets PORT again, after line 1; the last one counts',
  ]);
  assert.equal(readEnvFile(text).variables['PORT'], 'canary');
});

test('a quote that does not end is told, and one that ends behind other settings', () => {
  assert.deepEqual(messages('A="canary\nB=1'), ['line 1 begins with a quote that has no end']);
  const text = 'A="canary\nB=1\nC="2"\nD=3';
  assert.deepEqual(messages(text), [
    'line 1 begins with a quote that ends in line 3; all between is the value of A',
  ]);
  assert.deepEqual(Object.keys(readEnvFile(text).variables), ['A', 'D'], 'and Node reads it so');
});

test('a value that is cut off at its # is told', () => {
  const text = 'A=aws-sm:app#key\nB="aws-sm:app#key"\nC=x # comment\nD=#nothing\nE=p#canary # comment';
  assert.deepEqual(messages(text), [
    'line 1: the value of A ends before its #; put it in quotes',
    'line 5: the value of E ends before its #; put it in quotes',
  ]);
  const { A, B, E } = readEnvFile(text).variables;
  assert.deepEqual([A, B, E], ['aws-sm:app', 'aws-sm:app#key', 'p'], 'and Node reads it so');
});

test('the mark that some editors put before the first name is not part of it', () => {
  const { variables, warnings } = readEnvFile('\uFEFFPORT=9090\n');
  assert.deepEqual({ ...variables }, { PORT: '9090' });
  assert.deepEqual(warnings, []);
});

test('the warnings of the file stand before the others', () => {
  const machine = { env: {}, readFile: () => '', memoryBytes: 2 ** 31, isTerminal: false };
  const { warnings } = loadConfig({ ...machine, envFileText: 'S3_BUKET=x\nnonsense\n' });
  assert.deepEqual(
    warnings.map(({ setting }) => setting),
    ['.env', 'S3_BUKET'],
  );
});
