// Native S3 records: keys decoded once, event kinds, versions of the format, hints that make no sense.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChangeDocument } from './s3-notification.ts';
import { s3Record, keyRecord, EXPECTED } from './sample-documents.ts';

test('the keys of a notification are decoded exactly once', () => {
  const decoded = new Map([
    ['red+flower.jpg', 'red flower.jpg'],
    ['a%2Bb', 'a+b'],
    ['100%25', '100%'],
    ['a%252Fb', 'a%2Fb'],
    ['a%00b', 'a\0b'],
    ['%2E%2E%2Fx', '../x'],
    ['a/../b', 'a/../b'],
    ['//lead', '//lead'],
    ['folder/', 'folder/'],
    ['line%0Abreak', 'line\nbreak'],
    ['%3Cscript%3E%22', '<script>"'],
    ['%F0%9F%98%80', '😀'],
    ['e%CC%81', 'e\u0301'],
    ['%C3%A9', '\u00e9'],
    ['__proto__', '__proto__'],
    ['%E2%98%83'.repeat(341) + 'x', `${'☃'.repeat(341)}x`],
  ]);
  const parsed = parseChangeDocument({ Records: [...decoded.keys()].map(keyRecord) });
  assert.deepEqual(
    parsed.changes.map((change) => change.key),
    [...decoded.values()],
  );
});

const BAD_KEYS: readonly [name: string, key: unknown, reason: RegExp][] = [
  ['a percent sign without digits', '100%', /percent-encoded/],
  ['bytes that are not UTF-8', '%ff', /percent-encoded/],
  ['an encoded surrogate', '%ED%A0%80', /percent-encoded/],
  ['half a surrogate pair', 'a\ud800', /percent-encoded|Unicode/],
  ['an empty key', '', /empty/],
  ['1,025 bytes', 'k'.repeat(1025), /1025 bytes/],
  ['1,026 bytes in 513 characters', 'é'.repeat(513), /1026 bytes/],
  ['a million characters', '%41'.repeat(350_000), /1050000 characters/],
  ['a number', 7, /a number, not text/],
  ['nothing', undefined, /nothing, not text/],
];

for (const [name, key, reason] of BAD_KEYS)
  test(`a key of ${name} is kept word by word, its neighbours are accepted`, () => {
    const bad = keyRecord(key);
    const parsed = parseChangeDocument({ Records: [keyRecord('before'), bad, keyRecord('after')] });
    assert.deepEqual(
      parsed.changes.map((change) => change.key),
      ['before', 'after'],
    );
    assert.equal(parsed.malformed.length, 1);
    assert.match(parsed.malformed[0]?.reason ?? '', reason);
    assert.equal(parsed.malformed[0]?.raw, JSON.stringify(bad));
  });

const EVENT_NAMES: readonly [eventName: string, expected: string][] = [
  ['ObjectCreated:Put', 'created'],
  ['ObjectCreated:Post', 'created'],
  ['ObjectCreated:Copy', 'created'],
  ['ObjectCreated:CompleteMultipartUpload', 'created'],
  ['s3:ObjectCreated:PutTagging', 'created'],
  ['ObjectRemoved:Delete', 'removed'],
  ['ObjectRemoved:DeleteMarkerCreated', 'removed'],
  ['s3:ObjectRemoved:DeleteObjects', 'removed'],
  ['LifecycleExpiration:Delete', 'removed'],
  ['LifecycleExpiration:DeleteMarkerCreated', 'removed'],
  ['ObjectRestore:Completed', 'restored'],
  ['ObjectRestore:Post', 'ignored'],
  ['ObjectRestore:Delete', 'ignored'],
  ['ObjectTagging:Put', 'ignored'],
  ['ObjectTagging:Delete', 'ignored'],
  ['ObjectAcl:Put', 'ignored'],
  ['ObjectAnnotation:Put', 'ignored'],
  ['LifecycleTransition', 'ignored'],
  ['IntelligentTiering', 'ignored'],
  ['Replication:OperationFailedReplication', 'ignored'],
  ['ReducedRedundancyLostObject', 'ignored'],
  ['ObjectTeleported:Now', 'ignored'],
  ['constructor', 'ignored'],
];

for (const [eventName, expected] of EVENT_NAMES)
  test(`${eventName} is ${expected}`, () => {
    const parsed = parseChangeDocument({ Records: [s3Record({ key: 'k' }, { eventName })] });
    const [change] = parsed.changes;
    assert.equal(change?.kind ?? 'ignored', expected);
    if (expected === 'ignored') assert.match(parsed.ignored[0]?.reason ?? '', new RegExp(eventName));
  });

test('an eventVersion of another major is malformed, one without a version or with new fields is not', () => {
  const long = '2.'.repeat(1_000_000);
  const bad = ['3.0', '1.0', '20.1', '2x', '2', long, 2.1, null, {}].map((eventVersion) =>
    s3Record({ key: 'k' }, { eventVersion }),
  );
  const parsed = parseChangeDocument({ Records: bad });
  assert.equal(parsed.malformed.length, bad.length - 2);
  assert.equal(parsed.changes.length, 2);
  const good = s3Record({ key: 'k', novelty: [1] }, { eventVersion: '2.9', novelty: {} });
  const { eventVersion: _, ...versionless } = good as Record<string, unknown>;
  assert.equal(parseChangeDocument({ Records: [good, versionless] }).changes.length, 2);
});

test('hints that make no sense become null and the change is kept', () => {
  const text = `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","eventTime":"soon",
    "s3":{"bucket":{"name":"photos"},"object":{"key":"k","size":1e999,"versionId":{},"sequencer":12}}}]}`;
  const hostile: unknown[] = [JSON.parse(text)];
  for (const size of [-1, 1.5, Number.NaN, '3', null, 2 ** 60, [], {}])
    hostile.push({ Records: [s3Record({ key: 'k', size })] });
  const parsed = parseChangeDocument(hostile);
  assert.equal(parsed.changes.length, hostile.length);
  for (const change of parsed.changes) assert.equal(change.sizeBytes, null);
  assert.deepEqual(parsed.changes[0], {
    ...EXPECTED,
    key: 'k',
    occurredAtMs: null,
    sizeBytes: null,
    versionId: null,
    sequencer: null,
  });
});
