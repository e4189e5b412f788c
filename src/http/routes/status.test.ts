import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueueUnavailable } from '../../core/queue-unavailable.ts';
import { openTestApi } from '../testing/open-test-api.ts';

test('the status shows counts, the oldest waiting change, version, uptime and who may call', async (t) => {
  const api = await openTestApi(t);
  await api.call('POST', '/v1/replicate', { json: { bucket: 'photos', key: 'a' } });
  await api.call('POST', '/v1/events', { json: { nonsense: true } });
  api.clock.advance(5000);
  const { json } = await api.call('GET', '/v1/status');
  assert.deepEqual(json, {
    version: '0.1.0',
    startedAt: '2026-11-23T09:30:00.000Z',
    uptimeMs: 5000,
    auth: 'loopback',
    counts: { queued: 1, copying: 0, settling: 0, parked: 0, quarantined: 1 },
    oldestPending: { changeAt: '2026-11-23T09:30:00.000Z', ageMs: 5000 },
    load: {
      requests: 0,
      bodyBytes: 0,
      waitingChanges: 0,
      eventLoopLagMs: 0,
      freeDiskBytes: 1_000_000_000,
    },
    refusing: [],
    stores: [],
    sqs: null,
    ready: true,
    checks: [{ name: 'queue', isOk: true, detail: null }],
  });
});

test('the status names a store that is down, since when and why; the service stays ready', async (t) => {
  const fault = {
    code: 'target_unavailable',
    message: 'Google Cloud Storage answered 503',
    details: { status: 503 },
    atMs: Date.UTC(2026, 10, 23, 9, 29, 50),
  } as const;
  const api = await openTestApi(t, {
    storeStates: () => [
      { store: 'source', down: null, concurrencyLimit: 32 },
      { store: 'target', down: { sinceMs: Date.UTC(2026, 10, 23, 9, 25), fault }, concurrencyLimit: 16 },
    ],
  });
  const { json } = await api.call('GET', '/v1/status');
  assert.deepEqual(json?.['stores'], [
    { store: 'source', down: null, concurrencyLimit: 32 },
    {
      store: 'target',
      down: {
        since: '2026-11-23T09:25:00.000Z',
        fault: {
          code: 'target_unavailable',
          title: 'The target is not available for the moment',
          remedy:
            "Nothing to do: transfers wait and use up no attempts. If it lasts, look at the provider's status page.",
          message: 'Google Cloud Storage answered 503',
          details: { status: 503 },
          at: '2026-11-23T09:29:50.000Z',
        },
      },
      concurrencyLimit: 16,
    },
  ]);
  assert.equal((await api.call('GET', '/readyz')).status, 200);
});

test('the status tells of the queue that changes are received from: its trouble, its pause, its messages', async (t) => {
  const atMs = Date.UTC(2026, 10, 23, 9, 29);
  const fault = { code: 'queue_denied', message: 'sqs:ReceiveMessage is denied', details: {}, atMs } as const;
  const api = await openTestApi(t, {
    messageIntake: () => ({
      queueUrl: 'https://sqs.eu-central-1.amazonaws.com/111122223333/changes',
      trouble: { sinceMs: atMs, fault },
      pause: { sinceMs: atMs, reason: 'disk_reserve', detail: '5 bytes free' },
      inHand: 7,
      receivedAtMs: atMs,
      waiting: 12,
    }),
  });
  const { json } = await api.call('GET', '/v1/status');
  const since = '2026-11-23T09:29:00.000Z';
  assert.deepEqual(json?.['sqs'], {
    queueUrl: 'https://sqs.eu-central-1.amazonaws.com/111122223333/changes',
    trouble: {
      since,
      fault: {
        code: 'queue_denied',
        title: 'The service may not use the message queue',
        remedy:
          'Allow sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility, GetQueueAttributes and SendMessage on it.',
        message: 'sqs:ReceiveMessage is denied',
        details: {},
        at: since,
      },
    },
    pause: { since, reason: 'disk_reserve', detail: '5 bytes free' },
    inHand: 7,
    lastMessageAt: since,
    waiting: 12,
  });
  assert.equal((await api.call('GET', '/readyz')).status, 200);
});

test('readiness says no with 503 and tells no details, also when a check itself fails', async (t) => {
  const checks = [{ name: 'queue', isOk: false, detail: 'disk of /data is full' }];
  const unready = await openTestApi(t, { isReady: async () => ({ ready: false, checks }) });
  const answer = await unready.call('GET', '/readyz');
  assert.equal(answer.status, 503);
  assert.deepEqual(answer.json, { status: 'not_ready' });
  assert.deepEqual((await unready.call('GET', '/v1/status')).json?.['checks'], checks);

  const broken = await openTestApi(t, {
    isReady: async () => {
      throw new Error('no such table');
    },
  });
  assert.equal((await broken.call('GET', '/readyz')).status, 503);
  assert.equal(broken.log[0]?.message, 'the readiness check itself failed');
});

test('being alive does not depend on being ready', async (t) => {
  const api = await openTestApi(t, { isReady: async () => ({ ready: false, checks: [] }) });
  const answer = await api.call('GET', '/healthz');
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.json, { status: 'ok' });
});

test('metrics come as the text and type that telemetry gives', async (t) => {
  const api = await openTestApi(t);
  const answer = await api.call('GET', '/metrics');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(answer.text, 'replicator_backlog_transfers 0\n');
});

test('rules are listed with their mapping and policy', async (t) => {
  const api = await openTestApi(t);
  const { json } = await api.call('GET', '/v1/rules');
  const rules = json?.['rules'] as object[];
  assert.equal(rules.length, 2);
  assert.deepEqual(rules[0], {
    name: 'default',
    source: { bucket: 'photos', prefix: '', suffix: '' },
    target: { bucket: 'photos-copy', prefix: 'from-s3/', stripPrefix: '', prependBucket: false },
    deletes: 'ignore',
    adopt: 'checksum',
    verify: 'source',
    metadata: 'all',
  });
});

test('while the queue cannot be reached, what asks it answers 503 with Retry-After, and the log tells it once', async (t) => {
  const away = async (): Promise<never> => {
    throw new QueueUnavailable('The queue database db.internal:5432 cannot be used: refused');
  };
  const api = await openTestApi(t);
  Object.assign(api.queue, { counts: away, list: away, get: away, parkedClasses: away });
  for (const path of ['/v1/status', '/v1/transfers', '/v1/transfers/transfer-1', '/v1/parked']) {
    const answer = await api.call('GET', path);
    assert.deepEqual([answer.status, answer.json?.['code']], [503, 'queue_unavailable'], path);
    assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/);
    assert.doesNotMatch(answer.text, /db\.internal/);
  }
  const [line, ...others] = api.log;
  assert.match(String(line?.facts['err']), /db\.internal/);
  assert.deepEqual(others, [], 'It is told once, however many ask');
});
