import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import type { SourceState, TargetObject, TargetToken } from '../../core/object.ts';
import { openTestApi } from '../testing/open-test-api.ts';

const METADATA = {
  contentType: 'text/plain',
  cacheControl: null,
  contentDisposition: null,
  contentLanguage: null,
  contentEncoding: 'gzip',
};

const SOURCE: SourceState = {
  etag: 'e1',
  versionId: 'v1',
  sizeBytes: 12,
  lastModifiedMs: Date.UTC(2026, 10, 1),
  md5: null,
  checksum: { algorithm: 'crc32c', value: 'yZRlqg==', kind: 'full_object' },
  metadata: { ...METADATA, expires: null, websiteRedirectLocation: null, user: { owner: '<b>me</b>' } },
  storageClass: 'STANDARD',
};

const TARGET: TargetObject = {
  token: 'opaque' as TargetToken,
  generation: '17',
  sizeBytes: 12,
  crc32c: 'yZRlqg==',
  md5: null,
  metadata: { ...METADATA, custom: { 'replicator-source-etag': 'e1' } },
};

const EXPLAIN = '/v1/objects/explain?bucket=photos&key=a%2Fb%20%2B';

test('the story of an object shows both sides, the verdict and what was remembered', async (t) => {
  const api = await openTestApi(t, {
    explain: async (source) => ({
      source,
      reason: null,
      rules: [
        {
          ruleName: 'default',
          target: { bucket: 'photos-copy', key: source.key },
          sourceNow: { kind: 'present', state: SOURCE },
          targetNow: { kind: 'present', state: TARGET },
          verdict: 'nothing: the target agrees',
          outcomeNow: 'already_current',
          transfers: [],
        },
      ],
    }),
  });
  const answer = await api.call('GET', EXPLAIN);
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.json, {
    source: { bucket: 'photos', key: 'a/b +' },
    rules: [
      {
        rule: 'default',
        target: { bucket: 'photos-copy', key: 'a/b +' },
        sourceNow: {
          kind: 'present',
          state: {
            etag: 'e1',
            versionId: 'v1',
            sizeBytes: 12,
            lastModified: '2026-11-01T00:00:00.000Z',
            checksum: { algorithm: 'crc32c', value: 'yZRlqg==', kind: 'full_object' },
            storageClass: 'STANDARD',
            headers: { contentType: 'text/plain', contentEncoding: 'gzip' },
            userMetadata: { owner: '<b>me</b>' },
          },
        },
        targetNow: {
          kind: 'present',
          state: {
            generation: '17',
            sizeBytes: 12,
            crc32c: 'yZRlqg==',
            headers: { contentType: 'text/plain', contentEncoding: 'gzip' },
            customMetadata: { 'replicator-source-etag': 'e1' },
          },
        },
        verdict: 'nothing: the target agrees',
        outcomeNow: 'already_current',
        transfers: [],
      },
    ],
  });
});

test('a side that could not be looked at shows why, the other one is still shown', async (t) => {
  const fault = { code: 'source_unreachable', message: 'no route to S3', details: {}, atMs: 0 } as const;
  const api = await openTestApi(t, {
    explain: async (source) => ({
      source,
      reason: null,
      rules: [
        {
          ruleName: 'default',
          target: source,
          sourceNow: { kind: 'unknown', fault },
          targetNow: { kind: 'absent' },
          verdict: null,
          outcomeNow: null,
          transfers: [],
        },
      ],
    }),
  });
  const { json } = await api.call('GET', EXPLAIN);
  assert.ok(json !== null);
  const [rule] = json['rules'] as { sourceNow: { fault: { title: string } }; targetNow: object }[];
  assert.equal(rule?.sourceNow.fault.title, 'The source cannot be reached');
  assert.deepEqual(rule.targetNow, { kind: 'absent' });
});

test('stores that do not answer end the look with 504', async (t) => {
  const api = await openTestApi(t, {
    limits: { explainTimeoutMs: 20 },
    explain: async (_source, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('given up')));
      }),
  });
  const answer = await api.call('GET', EXPLAIN);
  assert.equal(answer.status, 504);
  assert.equal(answer.json?.['code'], 'look_timed_out');
});

test('a fault that a look throws is answered by its own status, title and remedy', async (t) => {
  const api = await openTestApi(t, {
    explain: async () => {
      throw new Fault('source_throttled', 'SlowDown from photos', { retryAfterMs: 1500 });
    },
  });
  const answer = await api.call('GET', EXPLAIN);
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get('retry-after'), '2');
  assert.equal(answer.json?.['code'], 'source_throttled');
  assert.equal(answer.json['title'], 'The source asks for fewer requests');
  assert.equal(answer.json['detail'], 'SlowDown from photos');
});

test('bucket and key are needed', async (t) => {
  const api = await openTestApi(t);
  const answer = await api.call('GET', '/v1/objects/explain?bucket=photos');
  assert.equal(answer.status, 400);
  assert.equal(answer.json?.['detail'], 'key: is missing');
});
