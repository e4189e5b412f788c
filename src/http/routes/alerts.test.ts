import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlertDelivery } from '../../core/alert.ts';
import type { HttpServerDeps } from '../http-deps.ts';
import { openTestApi } from '../testing/open-test-api.ts';

const SENT_MS = Date.UTC(2026, 10, 23, 10);

function alertsThat(delivery: AlertDelivery): HttpServerDeps['alerts'] {
  return {
    active: () => [
      {
        alert: {
          key: 'parked:access_denied:photos',
          kind: 'parked',
          ruleName: 'photos',
          faultCode: 'access_denied',
          store: null,
          title: 'Parked',
          detail: '3 transfers are parked.',
          remedy: 'Grant it.',
          count: 3,
          sinceMs: SENT_MS - 60_000,
        },
        sentAtMs: SENT_MS,
        sentCount: 2,
      },
    ],
    receiver: () => ({ origin: 'https://hooks.example.com', failure: null }),
    sendTest: async () => delivery,
  };
}

test('alerts are listed with what to do, since when, and when somebody was told', async (t) => {
  const api = await openTestApi(t, { alerts: alertsThat({ kind: 'delivered' }) });
  const answer = await api.call('GET', '/v1/alerts');
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.json, {
    alerts: [
      {
        key: 'parked:access_denied:photos',
        kind: 'parked',
        rule: 'photos',
        fault: 'access_denied',
        store: null,
        title: 'Parked',
        detail: '3 transfers are parked.',
        remedy: 'Grant it.',
        count: 3,
        since: '2026-11-23T09:59:00.000Z',
        lastSentAt: '2026-11-23T10:00:00.000Z',
        sentCount: 2,
      },
    ],
    receiver: { origin: 'https://hooks.example.com', failure: null },
  });
});

test('a test message says whether it arrived, and why not', async (t) => {
  const works = await openTestApi(t, { alerts: alertsThat({ kind: 'delivered' }) });
  const delivered = await works.call('POST', '/v1/alerts/test');
  assert.equal(delivered.status, 200);
  assert.deepEqual(delivered.json, { delivered: true, origin: 'https://hooks.example.com' });

  const reason = 'https://hooks.example.com answered 404';
  const fails = await openTestApi(t, { alerts: alertsThat({ kind: 'failed', reason, retryAfterMs: null }) });
  const failed = await fails.call('POST', '/v1/alerts/test');
  assert.equal(failed.status, 502);
  assert.equal(failed.json?.['code'], 'alert_not_delivered');
  assert.equal(failed.json?.['detail'], `${reason}.`);

  const none = await openTestApi(t);
  const answer = await none.call('POST', '/v1/alerts/test');
  assert.equal(answer.status, 409);
  assert.equal(answer.json?.['code'], 'no_alert_receiver');
  assert.deepEqual((await none.call('GET', '/v1/alerts')).json, { alerts: [], receiver: null });
});
