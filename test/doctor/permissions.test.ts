// The table of permissions has every permission that the code names, and no other; the page has every one of them.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  AWS_PERMISSIONS,
  GOOGLE_PERMISSIONS,
  RESOURCES,
  type Shell,
  SHELLS,
} from '../../src/doctor/permissions.ts';

const ROOT = join(import.meta.dirname, '../..');

/** In the name of whoever owns the role, by AWS itself. */
const BY_LAMBDA = /^logs:|^kms:/;

/** Permissions that requests of the drivers name, for their faults. */
function namedInCode(): Set<string> {
  const files = globSync(['src/{aws,stores,messages}/**/*.ts'], { cwd: ROOT });
  const texts = files
    .filter((path) => !path.endsWith('.test.ts') && !path.includes('testing'))
    .map((path) => readFileSync(join(ROOT, path), 'utf8'));
  return new Set(
    texts.flatMap((text) => [...text.matchAll(/'((?:s3|sqs):[A-Z]\w+)'/g)].map(([, name]) => name ?? '')),
  );
}

test('the table and the code name the same permissions at AWS', () => {
  const inTable = new Set(
    AWS_PERMISSIONS.map(({ action }) => action).filter((action) => !BY_LAMBDA.test(action)),
  );
  assert.deepEqual([...inTable].toSorted(), [...namedInCode()].toSorted());
});

test('the page has a statement for everyone, whose actions are those of the table', () => {
  const page = readFileSync(join(ROOT, 'docs/iam.md'), 'utf8');
  const ofAws = page.slice(page.indexOf('## AWS'), page.indexOf('## What S3 needs'));
  const policies = [...ofAws.matchAll(/```json\n(\{\n {2}"Version"[^]*?)```/g)].map(
    ([, text]) => JSON.parse(text ?? '') as { Statement: { Action: string | string[]; Resource: string }[] },
  );
  const shells = Object.keys(SHELLS) as Shell[];
  assert.equal(policies.length, shells.length);
  for (const [index, shell] of shells.entries()) {
    const granted = (policies[index]?.Statement ?? []).flatMap(({ Action, Resource }) =>
      [Action].flat().map((action) => `${action} ${Resource}`),
    );
    const needed = AWS_PERMISSIONS.filter(({ shells: all }) => all.includes(shell)).map(
      ({ action, resource }) => `${action} ${RESOURCES[resource]}`,
    );
    assert.deepEqual(granted.toSorted(), needed.toSorted(), shell);
  }
  for (const { permission } of GOOGLE_PERMISSIONS) assert.ok(page.includes(`\`${permission}\``), permission);
});

test('the role that the page about Lambda makes has what the replicating function needs, and no more', () => {
  const page = readFileSync(join(ROOT, 'docs/deploy/lambda.md'), 'utf8');
  const begin = page.indexOf('--role-name replicator-replicate --policy-name');
  const policy = page.slice(begin, page.indexOf('\nEOF', begin));
  const granted = new Set(
    [...policy.matchAll(/"((?:s3|sqs|logs|kms):\w+)"/g)].map(([, action = '']) => action),
  );
  const ofShell = AWS_PERMISSIONS.filter(({ shells }) => shells.includes('lambda_replicate'));
  // What is encrypted, and what is called without a queue, is said beside it.
  const needed = ofShell.filter(({ resource }) => resource !== 'source_key' && resource !== 'failure_queue');
  assert.deepEqual([...granted].toSorted(), [...new Set(needed.map(({ action }) => action))].toSorted());
});
