import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SecretPlace } from '../core/secret-reference.ts';
import { readingOrder } from './reading-order.ts';

/** Setting=place, in words. */
function order(text: string, wanted: string | null = null) {
  const all = text.split(' ').map((part) => {
    const [setting = '', place = ''] = part.split('=');
    return { setting, text: `${place}:${setting}`, reference: { place: place as SecretPlace } };
  });
  const found = readingOrder(all, ({ setting }) => wanted === null || setting === wanted);
  const names = (references: readonly { readonly setting: string }[]) =>
    references.map(({ setting }) => setting);
  return {
    waves: found.waves.map(names),
    circular: names(found.circular),
    platformOnly: [...found.platformOnly],
    keysOf: { aws: names(found.keysOf.aws), google: names(found.keysOf.google) },
  };
}

test('files come first, then both clouds side by side', () => {
  const { waves, circular, platformOnly } = order('A=ssm B=gcp-sm C=file D=aws-sm');
  assert.deepEqual(waves, [['C'], ['A', 'D', 'B']]);
  assert.deepEqual(circular, []);
  assert.deepEqual(platformOnly, []);
});

test('credentials that are kept in the other cloud are read before it is asked with them', () => {
  const aws = order('REPLICATOR_API_KEYS=ssm AWS_ACCESS_KEY_ID=gcp-sm AWS_SECRET_ACCESS_KEY=gcp-sm X=gcp-sm');
  assert.deepEqual(aws.waves, [
    [],
    ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'X'],
    ['REPLICATOR_API_KEYS'],
  ]);
  assert.deepEqual(aws.keysOf.aws, ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']);
  assert.deepEqual(order('GCP_SA_KEY=aws-sm X=gcp-sm').waves, [[], ['GCP_SA_KEY'], ['X']]);
});

test('credentials that are kept in their own cloud need those of the platform', () => {
  const { waves, platformOnly, keysOf } = order(
    'AWS_SECRET_ACCESS_KEY=ssm AWS_ACCESS_KEY_ID=gcp-sm X=aws-sm',
  );
  assert.deepEqual(platformOnly, ['aws']);
  assert.deepEqual(keysOf.aws, []);
  assert.equal(waves.length, 2);
});

test('credentials of each cloud in the other one are a circle, and files are read all the same', () => {
  const { waves, circular } = order('AWS_SECRET_ACCESS_KEY=gcp-sm GCP_SA_KEY_B64=ssm X=aws-sm Y=file');
  assert.deepEqual(waves, [['Y']]);
  assert.deepEqual(circular.toSorted(), ['AWS_SECRET_ACCESS_KEY', 'GCP_SA_KEY_B64', 'X']);
});

test('where one setting is wanted, only what it needs is read', () => {
  const text = 'REPLICATOR_API_KEY=ssm AWS_SECRET_ACCESS_KEY=gcp-sm GCP_SA_KEY=file DATABASE_URL=gcp-sm';
  assert.deepEqual(order(text, 'REPLICATOR_API_KEY').waves, [
    ['GCP_SA_KEY'],
    ['AWS_SECRET_ACCESS_KEY'],
    ['REPLICATOR_API_KEY'],
  ]);
});
