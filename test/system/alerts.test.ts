// The real service tells a real receiver, and shows nothing of the address anywhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startReceiver } from '../alerts/webhook-receiver.ts';
import { SystemUnderTest } from './service-under-test.ts';

test('a test message reaches ALERT_WEBHOOK_URL, and neither the log nor the API shows more of it than its origin', async () => {
  await using receiver = await startReceiver('/services/canary-secret-path?key=canary-secret-query');
  await using system = await SystemUnderTest.start({
    ALERT_WEBHOOK_URL: receiver.address,
    LOG_LEVEL: 'trace',
  });
  const { service } = system;
  const shown: unknown[] = [];
  const delivered = await service.post('/v1/alerts/test', {});
  assert.deepEqual(delivered, { status: 200, body: { delivered: true, origin: receiver.origin } });
  assert.equal(receiver.received[0]?.body['status'], 'test');

  for (const answer of [302, 500, 'cut'] as const) {
    receiver.answerWith(answer, { location: receiver.address });
    const failed = await service.post('/v1/alerts/test', {});
    assert.equal(failed.status, 502);
    shown.push(failed.body);
  }
  for (const path of ['/v1/alerts', '/v1/status']) shown.push((await service.get(path)).body);
  shown.push(await (await fetch(`${service.url}/metrics`)).text());
  assert.match(JSON.stringify(shown), /replicator_alert_deliveries_total\{result=\\"failed\\"\} 3/);
  assert.ok(JSON.stringify(shown).includes(receiver.origin));
  await service.stop();
  assert.ok(!JSON.stringify(shown).includes('canary-secret'));
  assert.ok(!service.logLines.join('\n').includes('canary-secret'), 'the log');
  assert.ok(service.logLines.some((line) => line.includes('alerts cannot be delivered')));
});
