import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestApi } from '../testing/open-test-api.ts';

function s3Record(bucket: string, encodedKey: string, fields: object = {}): object {
  return {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    eventName: 'ObjectCreated:Put',
    eventTime: '2026-11-23T09:00:00.000Z',
    s3: { bucket: { name: bucket }, object: { key: encodedKey, size: 12, ...fields } },
  };
}

test('a notification is stored and answered with the ids of its transfers', async (t) => {
  const api = await openTestApi(t);
  const answer = await api.call('POST', '/v1/events', {
    json: { Records: [s3Record('photos', 'a+b%2Bc.jpg'), s3Record('photos', 'a+b%2Bc.jpg')] },
  });
  assert.equal(answer.status, 202);
  assert.deepEqual(answer.json, {
    accepted: 2,
    ignored: 0,
    quarantined: 0,
    transfers: [
      { id: 'transfer-1', joined: false },
      { id: 'transfer-1', joined: true },
    ],
  });
  assert.equal((await api.queue.get('transfer-1'))?.source.key, 'a b+c.jpg');
});

test('good records are taken beside bad, foreign and meaningless ones, never refused for them', async (t) => {
  const api = await openTestApi(t);
  const answer = await api.call('POST', '/v1/events', {
    json: {
      Records: [
        s3Record('photos', 'good.jpg'),
        s3Record('photos', '100%'),
        s3Record('strange', 'elsewhere.jpg'),
        { nonsense: true },
        7,
      ],
    },
  });
  assert.equal(answer.status, 202);
  assert.deepEqual(answer.json, {
    accepted: 1,
    ignored: 1,
    quarantined: 3,
    transfers: [{ id: 'transfer-1', joined: false }],
  });
  const kept = await api.call('GET', '/v1/quarantine');
  const records = kept.json?.['records'] as { raw: string; reason: string; receivedAt: string }[];
  assert.equal(records.length, 3);
  assert.ok(records.some(({ raw }) => raw === '{"nonsense":true}'));
  assert.ok(records.every(({ receivedAt }) => receivedAt === '2026-11-23T09:30:00.000Z'));
});

test('any JSON document is answered 202: even nonsense is kept, not refused', async (t) => {
  const api = await openTestApi(t);
  for (const json of [{}, [], null, 'text', 7, { Records: [] }, { Records: 'none' }, { hello: 'world' }]) {
    const answer = await api.call('POST', '/v1/events', { json });
    assert.equal(answer.status, 202, JSON.stringify(json));
    assert.deepEqual(answer.json?.['transfers'], []);
  }
  const testEvent = { Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'photos' };
  const answer = await api.call('POST', '/v1/events', { json: testEvent });
  assert.deepEqual(answer.json, { accepted: 0, ignored: 1, quarantined: 0, transfers: [] });
});

test('a document of more records than the limit is 413 and nothing of it is taken', async (t) => {
  const api = await openTestApi(t, { limits: { eventRecords: 3 } });
  const record = s3Record('photos', 'a');
  const wrapped = { eventSource: 'aws:sqs', body: JSON.stringify({ Records: [record, record] }) };
  const documents = [
    { Records: [record, record, record, record] },
    [record, record, record, record],
    { Records: [wrapped, wrapped] },
  ];
  for (const json of documents) {
    const answer = await api.call('POST', '/v1/events', { json });
    assert.equal(answer.status, 413);
    assert.equal(answer.json?.['code'], 'too_many_records');
  }
  assert.equal((await api.queue.counts()).byStatus.queued, 0);
  assert.equal((await api.call('POST', '/v1/events', { json: { Records: [record, record] } })).status, 202);
});

test('50,001 tiny records are refused without being read one by one', async (t) => {
  let isRead = false;
  const api = await openTestApi(t, {
    parseChangeDocument: () => {
      isRead = true;
      return { changes: [], ignored: [], malformed: [] };
    },
  });
  const answer = await api.call('POST', '/v1/events', {
    body: `{"Records":[${'0,'.repeat(50_000)}0]}`,
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(answer.status, 413);
  assert.equal(isRead, false);
});

test('a queue that cannot store answers 503 with Retry-After', async (t) => {
  const api = await openTestApi(t, {
    acceptChanges: async () => {
      throw new Error('disk full');
    },
  });
  const answer = await api.call('POST', '/v1/events', { json: { Records: [s3Record('photos', 'a')] } });
  assert.equal(answer.status, 503);
  assert.notEqual(answer.headers.get('retry-after'), null);
});

test('a direct delivery of SNS is refused with the reason, also before any key is asked for', async (t) => {
  const headers = { 'content-type': 'text/plain; charset=UTF-8', 'x-amz-sns-message-type': 'Notification' };
  const apiKeys = [{ scope: 'write', id: 'a', sha256: '0'.repeat(64) }] as const;
  for (const auth of ['loopback', 'keys'] as const) {
    const api = await openTestApi(t, { auth, apiKeys });
    const answer = await api.call('POST', '/v1/events', { body: '{"Type":"Notification"}', headers });
    assert.equal(answer.status, 403);
    assert.equal(answer.json?.['code'], 'sns_not_accepted');
    assert.match(String(answer.json['remedy']), /SNS_TOPIC_ARNS/);
  }
});
