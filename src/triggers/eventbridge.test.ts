// EventBridge events: keys are literal, kinds have names of their own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChangeDocument } from './s3-notification.ts';
import { eventBridge } from './sample-documents.ts';

test('the keys of EventBridge are taken literally', () => {
  const keys = ['a+b', '100%', 'a%2Bb', '%ff', '../x'];
  const parsed = parseChangeDocument(keys.map((key) => eventBridge('Object Created', { key })));
  assert.deepEqual(
    parsed.changes.map((change) => change.key),
    keys,
  );
});

test('an EventBridge key that no object can have is malformed', () => {
  for (const key of ['', 'k'.repeat(1025), 'a\udfff', 7, undefined]) {
    const parsed = parseChangeDocument(eventBridge('Object Created', { key }));
    assert.equal(parsed.malformed.length, 1, String(key));
  }
});

const DETAIL_TYPES: readonly [detailType: string, expected: string][] = [
  ['Object Created', 'created'],
  ['Object Deleted', 'removed'],
  ['Object Restore Completed', 'restored'],
  ['Object Restore Initiated', 'ignored'],
  ['Object Restore Expired', 'ignored'],
  ['Object Tags Added', 'ignored'],
  ['Object Tags Deleted', 'ignored'],
  ['Object ACL Updated', 'ignored'],
  ['Object Storage Class Changed', 'ignored'],
  ['Object Access Tier Changed', 'ignored'],
  ['AWS API Call via CloudTrail', 'ignored'],
  ['__proto__', 'ignored'],
];

for (const [detailType, expected] of DETAIL_TYPES)
  test(`EventBridge's ${detailType} is ${expected}`, () => {
    const detail = { reason: 'Lifecycle Expiration', 'deletion-type': 'Delete Marker Created' };
    const parsed = parseChangeDocument(eventBridge(detailType, { key: 'k' }, detail));
    assert.equal(parsed.changes[0]?.kind ?? 'ignored', expected);
    if (expected === 'ignored') assert.match(parsed.ignored[0]?.reason ?? '', new RegExp(detailType));
    assert.equal(parsed.malformed.length, 0);
  });
