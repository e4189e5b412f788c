import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSecretReference, parseSecretReference } from './secret-reference.ts';

const AT_NOWHERE = { region: null, jsonKey: null };

test('every place is read as its documentation writes it', () => {
  const cases: readonly (readonly [text: string, expected: object])[] = [
    ['ssm:/replicator/keys', { place: 'ssm', name: '/replicator/keys' }],
    ['ssm:plain.name-1_x', { place: 'ssm', name: 'plain.name-1_x' }],
    ['ssm:/a/b:7', { place: 'ssm', name: '/a/b:7' }],
    [
      'ssm:arn:aws:ssm:eu-west-1:111122223333:parameter/a/b:prod',
      { place: 'ssm', name: 'arn:aws:ssm:eu-west-1:111122223333:parameter/a/b:prod', region: 'eu-west-1' },
    ],
    ['aws-sm:app/keys', { place: 'aws-sm', name: 'app/keys' }],
    ['aws-sm: app/keys#apiKeys ', { place: 'aws-sm', name: 'app/keys', jsonKey: 'apiKeys' }],
    ['aws-sm:app#a#b', { place: 'aws-sm', name: 'app', jsonKey: 'a#b' }],
    [
      'aws-sm:arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:app-AbCdEf#k',
      {
        place: 'aws-sm',
        name: 'arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:app-AbCdEf',
        region: 'cn-north-1',
        jsonKey: 'k',
      },
    ],
    [
      'gcp-sm:projects/p-1/secrets/S_1',
      { place: 'gcp-sm', name: 'projects/p-1/secrets/S_1/versions/latest' },
    ],
    [
      'gcp-sm:projects/123/secrets/s/versions/4',
      { place: 'gcp-sm', name: 'projects/123/secrets/s/versions/4' },
    ],
    [
      'gcp-sm:projects/example.com:p/locations/europe-west3/secrets/s',
      {
        place: 'gcp-sm',
        name: 'projects/example.com:p/locations/europe-west3/secrets/s/versions/latest',
        region: 'europe-west3',
      },
    ],
    ['file:/run/secrets/key', { place: 'file', name: '/run/secrets/key' }],
    ['file:C:\\keys\\a b.txt', { place: 'file', name: 'C:\\keys\\a b.txt' }],
  ];
  for (const [text, expected] of cases)
    assert.deepEqual(
      parseSecretReference(text),
      { ok: true, reference: { ...AT_NOWHERE, ...expected } },
      text,
    );
});

test('a reference that is malformed is refused with how to write it', () => {
  for (const text of [
    'ssm:',
    'ssm:a b',
    'ssm:arn:aws:s3:::bucket',
    'aws-sm:',
    'aws-sm:#key',
    'aws-sm:name#',
    'aws-sm:na me',
    'gcp-sm:my-secret',
    'gcp-sm:projects/p/secrets/s/versions/',
    'gcp-sm:projects/p/secrets/../../x',
    'gcp-sm:projects/p/secrets/s:access?x',
    'file:',
  ]) {
    const parsed = parseSecretReference(text);
    assert.ok(parsed !== null && !parsed.ok, text);
    assert.match(parsed.fix, /^write /);
    assert.ok(isSecretReference(text));
  }
});

test('a secret that is no reference is left alone', () => {
  for (const text of [
    '',
    'abc',
    'postgres://u:p@h/d',
    'write:ci:0f',
    'SSM:/a',
    ' ssm:/a',
    '{"a": "ssm:/a"}',
    'ssm',
  ])
    assert.equal(parseSecretReference(text), null, text);
});
