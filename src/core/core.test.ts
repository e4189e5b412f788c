import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoffMs } from './backoff.ts';
import { Fault, FAULTS, isFaultCode, toFault } from './faults.ts';
import { customMetadataBytes, digestMetadata, mapMetadata } from './metadata-map.ts';
import type { SourceMetadata } from './object.ts';
import { expectedOwnerOf, mapTarget, type Rule, ruleMatches, targetSpacesOverlap } from './rule.ts';
import { readStamp, type Stamp, stampSource, writeStamp } from './stamp.ts';
import { nextStatus, TRANSITIONS, type TransferEvent, type TransferStatus } from './transfer.ts';

function rule(source: Partial<Rule['source']> = {}, target: Partial<Rule['target']> = {}): Rule {
  return {
    name: 'r',
    source: { bucket: 'from', prefix: '', suffix: '', expectedOwner: null, ...source },
    target: {
      bucket: 'to',
      prefix: '',
      stripPrefix: '',
      prependBucket: false,
      storageClass: null,
      kmsKeyName: null,
      ...target,
    },
    deletes: 'ignore',
    deleteBrake: { count: 1000, sharePercent: 10, windowMs: 3_600_000 },
    adopt: 'checksum',
    verify: 'source',
    metadata: 'all',
  };
}

test('a rule matches bucket, prefix and suffix, and not by their overlap', () => {
  const covering = rule({ prefix: 'logs/', suffix: '.gz' });
  assert.ok(ruleMatches(covering, { bucket: 'from', key: 'logs/a.gz' }));
  assert.ok(!ruleMatches(covering, { bucket: 'other', key: 'logs/a.gz' }));
  assert.ok(!ruleMatches(covering, { bucket: 'from', key: 'log/a.gz' }));
  assert.ok(!ruleMatches(covering, { bucket: 'from', key: 'logs/a.gzip' }));
  assert.ok(ruleMatches(rule({ bucket: '*' }), { bucket: 'any', key: 'k' }));
  assert.ok(!ruleMatches(rule({ prefix: 'ab', suffix: 'b' }), { bucket: 'from', key: 'ab' }));
});

test('an owner that one rule asks for holds for the bucket, whatever other rules of it leave open', () => {
  const open = rule({ prefix: 'a/' });
  const strict = rule({ prefix: 'b/', expectedOwner: '111122223333' });
  const general = rule({ bucket: '*', expectedOwner: '444455556666' });
  assert.equal(expectedOwnerOf([open, strict], 'from'), '111122223333');
  assert.equal(expectedOwnerOf([strict, open], 'from'), '111122223333');
  assert.equal(expectedOwnerOf([open, general], 'from'), '444455556666');
  assert.equal(expectedOwnerOf([general, strict], 'from'), '111122223333');
  assert.equal(expectedOwnerOf([open, strict], 'other'), null);
});

test('the target key is prefix, bucket, and the key without what is stripped, byte for byte', () => {
  const key = 'logs//../é+%2F.gz';
  assert.deepEqual(mapTarget(rule(), { bucket: 'from', key }), { bucket: 'to', key });
  const mapped = rule({ prefix: 'logs/' }, { prefix: 'in/', stripPrefix: 'logs/', prependBucket: true });
  assert.equal(mapTarget(mapped, { bucket: 'from', key }).key, 'in/from//../é+%2F.gz');
});

test('rules whose target names can meet are recognised, others are not', () => {
  const pairs: readonly [Rule, Rule, boolean][] = [
    [rule(), rule({ bucket: 'second' }), true],
    [rule(), rule({ bucket: 'second' }, { bucket: 'elsewhere' }), false],
    [rule({}, { prefix: 'a/' }), rule({}, { prefix: 'b/' }), false],
    [rule({ prefix: 'x/' }, { prefix: 'a/' }), rule({}, { prefix: 'a/x' }), true],
    [rule({ suffix: '.csv' }), rule({ suffix: '.json' }), false],
    [rule({ suffix: '.gz' }), rule({ suffix: '.csv.gz' }), true],
    [rule({}, { prependBucket: true }), rule({ bucket: 'second' }, { prependBucket: true }), false],
    [
      rule({ bucket: '*' }, { prependBucket: true }),
      rule({ bucket: 'second' }, { prependBucket: true }),
      true,
    ],
    [rule({ prefix: 'a/' }, { stripPrefix: 'a/' }), rule({ prefix: 'b/' }, { stripPrefix: 'b/' }), true],
  ];
  for (const [a, b, expected] of pairs) {
    assert.equal(targetSpacesOverlap(a, b), expected);
    assert.equal(targetSpacesOverlap(b, a), expected);
  }
});

test('an overlap that is denied can never be seen: no two different objects map to one name', () => {
  const word = fc.constantFrom('', 'a', 'a/', 'b/', 'a/b');
  const anyRule = fc.record({
    bucket: fc.constantFrom('p', 'q'),
    prefix: word,
    targetPrefix: word,
    prepend: fc.boolean(),
  });
  fc.assert(
    fc.property(anyRule, anyRule, word, word, (one, two, restOne, restTwo) => {
      const [a, b] = [one, two].map((r) =>
        rule({ bucket: r.bucket, prefix: r.prefix }, { prefix: r.targetPrefix, prependBucket: r.prepend }),
      );
      if (a === undefined || b === undefined || targetSpacesOverlap(a, b)) return;
      const keyA = mapTarget(a, { bucket: one.bucket, key: one.prefix + restOne }).key;
      const keyB = mapTarget(b, { bucket: two.bucket, key: two.prefix + restTwo }).key;
      assert.notEqual(keyA, keyB);
    }),
  );
});

const METADATA: SourceMetadata = {
  contentType: 'text/csv',
  cacheControl: 'no-cache',
  contentDisposition: null,
  contentLanguage: 'de',
  contentEncoding: 'gzip',
  expires: 'Thu, 01 Jan 2032 00:00:00 GMT',
  websiteRedirectLocation: null,
  user: Object.fromEntries([
    ['owner', 'Ännchen'],
    ['replicator-source', 'forged'],
    ['source-expires', 'mine'],
    ['__proto__', 'kept'],
  ]),
};

test('metadata is carried over; reserved names are dropped and named', () => {
  const mapped = mapMetadata(METADATA, 'all');
  assert.deepEqual(
    Object.entries(mapped.metadata.custom).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    [
      ['__proto__', 'kept'],
      ['owner', 'Ännchen'],
      ['source-expires', METADATA.expires],
    ],
  );
  assert.deepEqual(mapped.dropped, ['replicator-source', 'source-expires']);
  assert.equal(mapped.metadata.contentEncoding, 'gzip');
  const headersOnly = mapMetadata(METADATA, 'headers');
  assert.deepEqual(headersOnly.metadata.custom, { 'source-expires': METADATA.expires });
  assert.deepEqual(headersOnly.dropped, ['__proto__', 'owner', 'replicator-source', 'source-expires']);
});

test('the digest sees every field, no order, and not our stamp', () => {
  const { metadata, digest } = mapMetadata(METADATA, 'all');
  const reordered = Object.fromEntries(Object.entries(metadata.custom).toReversed());
  assert.equal(digestMetadata({ ...metadata, custom: { ...reordered, 'replicator-version': '1' } }), digest);
  for (const field of [
    'contentType',
    'cacheControl',
    'contentDisposition',
    'contentLanguage',
    'contentEncoding',
  ]) {
    assert.notEqual(digestMetadata({ ...metadata, [field]: 'other' }), digest, field);
  }
  assert.notEqual(digestMetadata({ ...metadata, custom: { ...metadata.custom, extra: '' } }), digest);
  assert.equal(customMetadataBytes({ ...metadata, custom: { é: 'é' } }), 4);
});

test('a stamp comes back as it was written, for any key and rule name', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      fc.boolean(),
      fc.boolean(),
      (key, ruleName, adopted, rejected) => {
        const stamp: Stamp = {
          source: stampSource({ bucket: 'b', key }),
          ruleName,
          etag: 'e',
          versionId: adopted ? 'v' : null,
          lastModifiedMs: 1_700_000_000_000,
          sizeBytes: 2 ** 45,
          metadataDigest: 'd',
          checksum: adopted ? null : 'sha256:x',
          crc32c: adopted ? null : 'AAAAAA==',
          verified: adopted ? 'size' : 'source',
          adopted,
          isKept: adopted && rejected,
        };
        const custom = writeStamp(stamp);
        const empty = {
          contentType: null,
          cacheControl: null,
          contentDisposition: null,
          contentLanguage: null,
          contentEncoding: null,
        };
        assert.deepEqual(readStamp({ ...empty, custom }), stamp);
        for (const value of Object.values(custom)) assert.match(value, /^[\x20-\x7e]*$/);
        // A field that is missing or unreadable makes the whole stamp worthless, never half believed.
        for (const name of [
          'version',
          'source',
          'source-etag',
          'source-size',
          'source-last-modified',
          'source-metadata',
        ]) {
          const { [`replicator-${name}`]: _, ...rest } = custom;
          assert.equal(readStamp({ ...empty, custom: rest }), null);
        }
      },
    ),
  );
});

test('the wait doubles up to its cap, has full jitter, and obeys the store', () => {
  const policy = { baseMs: 1000, capMs: 300_000 };
  assert.deepEqual(
    [1, 2, 3, 10, 50].map((attempt) => backoffMs(policy, attempt, 0.999999, null)),
    [999, 1999, 3999, 299_999, 299_999],
  );
  assert.equal(backoffMs(policy, 5, 0, null), 0);
  assert.equal(backoffMs(policy, 1, 0, 7000), 7000);
  assert.equal(backoffMs(policy, 1, 0, 9_000_000), 300_000);
});

test('every status answers every event, and what runs nowhere is refused', () => {
  const running: readonly TransferEvent[] = [
    'finished',
    'finished_owed',
    'finished_dirty',
    'retry_scheduled',
    'parked',
    'parked_dirty',
    'released',
    'lease_expired',
  ];
  for (const status of Object.keys(TRANSITIONS) as TransferStatus[]) {
    for (const event of running) {
      assert.equal(TRANSITIONS[status][event] === 'refuse', status !== 'copying', `${status} ${event}`);
    }
    // A change is taken in every status: nothing accepted is ever dropped.
    assert.notEqual(TRANSITIONS[status].change_arrived, 'refuse');
    assert.notEqual(TRANSITIONS[status].redriven, 'refuse');
  }
  assert.equal(nextStatus('copying', 'parked_dirty'), 'queued');
  assert.throws(() => nextStatus('done', 'claimed'), /done cannot take the event claimed/);
});

test('every fault tells people what to do, in whole sentences', () => {
  for (const [code, { title, remedy }] of Object.entries(FAULTS)) {
    assert.match(code, /^[a-z_]+$/);
    assert.match(title, /^[A-Z].*[^.]$/, code);
    assert.match(remedy, /^[A-Z].*\.$/, code);
  }
  assert.ok(isFaultCode('bug'));
  assert.ok(!isFaultCode('toString'));
});

test('an unknown error becomes an unexpected fault that keeps its cause; a fault stays itself', () => {
  const cause = new Error('socket on fire');
  const fault = toFault(cause);
  assert.equal(fault.code, 'unexpected');
  assert.equal(fault.cause, cause);
  assert.match(fault.message, /socket on fire/);
  const own = new Fault('too_large', 'big');
  assert.equal(toFault(own), own);
});
