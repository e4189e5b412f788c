// Alerts from a queue on disk to a receiver over real HTTP, over failures of the receiver and restarts of the service.
// Hours pass on a clock that the test moves.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../src/http/testing/manual-clock.ts';
import { ALWAYS_LEADER } from '../../src/core/leadership.ts';
import type { QueueStorage } from '../../src/core/queue-storage.ts';
import { openSqliteQueue } from '../../src/queues/sqlite/sqlite-queue.ts';
import type { StoreSeen } from '../../src/replication/alert-conditions.ts';
import { type Alerts, startAlerts } from '../../src/replication/alerts.ts';
import { LagTally } from '../../src/replication/lag-tally.ts';
import { createAlertHappenings } from '../../src/telemetry/alert-happenings.ts';
import { openAlertWebhook } from '../../src/telemetry/alert-webhook.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { acceptOne, faultOf, roomFor } from '../contract/transfer-queue-samples.ts';
import { startReceiver, type WebhookReceiver } from './webhook-receiver.ts';

const SECRET_PATH = '/services/T0/canary-secret-path?key=canary-secret-query';
const ROUND_MS = 10_000;
const DAY_MS = 24 * 60 * 60 * 1000;

/** One life of the service: what it opened ends with `stop`, or at the latest with the test. */
interface Service {
  readonly queue: QueueStorage;
  readonly alerts: Alerts;
  stop(): Promise<void>;
}

async function openWorld(t: TestContext, timeoutMs = 10_000) {
  const folder = await mkdtemp(join(tmpdir(), 'replicator-alerts-'));
  const receiver: WebhookReceiver = await startReceiver(SECRET_PATH);
  const clock = new ManualClock();
  const lines: string[] = [];
  const logger = createLogger({
    level: 'trace',
    format: 'json',
    isColored: false,
    write: (text) => void lines.push(text),
  });
  const metrics = createMetrics({ version: '1.2.3', clock });
  let stores: readonly StoreSeen[] = [];
  const stops: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const stop of stops) await stop();
    await receiver[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (): Promise<Service> => {
    const queue = await openSqliteQueue({
      path: join(folder, 'queue.sqlite'),
      clock,
      leaseMs: 30_000,
      settleGraceMs: 1_000,
      smallMaxBytes: 1_000,
      maxRetryDelayMs: 300_000,
      sealer: null,
    });
    const sink = openAlertWebhook({ address: receiver.address, version: '1.2.3', clock, timeoutMs });
    const alerts = startAlerts({
      queue,
      notes: queue.notes,
      clock,
      random: { next: () => 0.5 },
      happenings: createAlertHappenings({ logger, metrics }),
      tally: new LagTally({ clock, objectiveMs: 900_000 }),
      leadership: ALWAYS_LEADER,
      processId: 'only',
      objectiveMs: 900_000,
      stores: () => stores,
      brakes: async () => [],
      messageQueue: () => null,
      diskProblem: () => null,
      sink,
      service: { version: '1.2.3', url: null },
    });
    metrics.alerts.watch(() => alerts.active().map(({ alert }) => alert.kind));
    await clock.untilSomebodySleeps();
    let isStopped = false;
    const stop = async () => {
      if (isStopped) return;
      isStopped = true;
      await alerts.stop();
      await sink.close();
      await queue.close();
    };
    stops.push(stop);
    return { queue, alerts, stop };
  };
  return {
    receiver,
    lines,
    metrics,
    start,
    setStores: (seen: readonly StoreSeen[]) => {
      stores = seen;
    },
    /** Lets so much time pass and the looks of that time happen. */
    pass: async (ms: number) => {
      for (let passed = 0; passed < ms; passed += ROUND_MS) {
        clock.advance(ROUND_MS);
        await clock.untilSomebodySleeps();
      }
    },
    /** As `pass`, with one look at its end. */
    skip: async (ms: number) => {
      clock.advance(ms);
      await clock.untilSomebodySleeps();
    },
    told: () => receiver.received.map(({ body }) => `${String(body['status'])} ${String(body['key'])}`),
  };
}

async function park(queue: QueueStorage, key: string): Promise<string> {
  const { transferId } = await acceptOne(queue, key);
  const [claimed] = await queue.claim(roomFor(1));
  assert.equal(claimed?.lease.transferId, transferId);
  await queue.park(claimed.lease, { fault: faultOf('access_denied'), owed: false, delayMsIfDirty: 0 });
  return transferId;
}

async function finish(queue: QueueStorage): Promise<void> {
  const [claimed] = await queue.claim(roomFor(1));
  assert.ok(claimed);
  await queue.finish(claimed.lease, { outcome: 'source_gone', receipt: null, owed: false });
}

test('a class of parked transfers: one message, one a day, none for a restart, one when it is over', async (t) => {
  const { start, pass, skip, receiver, told, lines, metrics } = await openWorld(t);
  let service = await start();
  const transferId = await park(service.queue, 'secret/name.jpg');
  await pass(60_000);
  const key = 'parked:access_denied:default';
  assert.deepEqual(told(), [`firing ${key}`]);
  const { path, headers, body } = receiver.received[0] ?? assert.fail('Nothing arrived');
  assert.equal(path, SECRET_PATH);
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['idempotency-key'], body['id']);
  assert.match(String(body['text']), /^Replicator: Parked in the rule "default"/);
  const { kind, rule, fault, count, version, since, url } = body;
  assert.deepEqual(
    { kind, rule, fault, count, version, url },
    { kind: 'parked', rule: 'default', fault: 'access_denied', count: 1, version: '1.2.3', url: null },
  );
  assert.ok(!Number.isNaN(Date.parse(String(since))));
  assert.match((await metrics.render()).text, /replicator_alerts_active\{kind="parked"\} 1/);
  assert.equal(service.alerts.active()[0]?.sentCount, 1);

  await service.stop();
  service = await start();
  await skip(DAY_MS - 120_000);
  await pass(60_000);
  assert.deepEqual(told(), [`firing ${key}`], 'Neither the restart nor the rest of the day');
  await pass(120_000);
  assert.deepEqual(told(), [`firing ${key}`, `firing ${key}`]);
  assert.match(String(receiver.received[1]?.body['text']), /^Replicator, still: /);

  await service.queue.redrive(transferId);
  await finish(service.queue);
  await pass(180_000);
  assert.deepEqual(told().slice(2), [`resolved ${key}`]);
  assert.equal((await service.queue.notes.read('alerts/memory'))?.value, '[]');
  await skip(2 * DAY_MS);
  assert.equal(told().length, 3);
  const begins = lines.filter((line) => line.includes('"alert begins"'));
  const ends = lines.filter((line) => line.includes('"alert ends"'));
  assert.deepEqual([begins.length, ends.length], [1, 1], lines.join(''));
  assertNothingSecret([
    ...lines,
    (await metrics.render()).text,
    JSON.stringify(receiver.received.map(({ body: b }) => b)),
  ]);
});

function assertNothingSecret(texts: readonly string[]): void {
  for (const text of texts) {
    assert.ok(!text.includes('canary-secret'), text);
    assert.ok(!text.includes('secret/name.jpg'), 'A message names no object');
  }
}

for (const failure of [500, 302, 'cut', 'hang'] as const) {
  test(`a receiver that fails (${failure}) is tried again, over a restart, until the message has arrived once`, async (t) => {
    const timeoutMs = failure === 'hang' ? 700 : 10_000;
    const { start, pass, receiver, told, lines, metrics } = await openWorld(t, timeoutMs);
    receiver.answerWith(failure, { location: `${receiver.origin}/canary-secret-elsewhere` });
    let service = await start();
    await park(service.queue, 'a');
    await pass(40_000);
    const tries = told().length;
    assert.ok(tries >= 1);
    assert.equal(service.alerts.receiver()?.origin, receiver.origin);
    assert.match(service.alerts.receiver()?.failure ?? '', /^http:\/\/127\.0\.0\.1:\d+( answered \d+|: .+)$/);
    await pass(20_000);
    await service.stop();
    service = await start();
    await pass(60_000);
    receiver.answerWith(200);
    const before = told().length;
    await pass(1_000_000);
    assert.ok(told().length > before);
    assert.equal(service.alerts.receiver()?.failure, null);
    const ids = new Set(receiver.received.map(({ body }) => body['id']));
    assert.equal(ids.size, 1, 'The same message each time');
    const failed = lines.filter((line) => line.includes('alerts cannot be delivered'));
    assert.equal(failed.length, 2, 'One line for each process');
    assert.equal(lines.filter((line) => line.includes('alerts are delivered again')).length, 1);
    const { text } = await metrics.render();
    assert.match(text, /replicator_alert_deliveries_total\{result="delivered"\} 1/);
    assertNothingSecret([...lines, text, JSON.stringify(service.alerts.receiver())]);
  });
}

test('tries of a failing receiver become rare, and its Retry-After is kept', async (t) => {
  const { start, pass, receiver, told } = await openWorld(t);
  receiver.answerWith(503);
  const { queue } = await start();
  await park(queue, 'a');
  await pass(3_600_000);
  // Half of 30 s, 60 s, 120 s, 240 s, 480 s, then of 900 s.
  assert.ok(told().length >= 8 && told().length <= 15, `${told().length} tries in an hour`);
  receiver.answerWith(429, { 'retry-after': '800' });
  await pass(900_000);
  const asked = told().length;
  await pass(780_000);
  assert.equal(told().length, asked);
});

test('several troubles are told one by one; a store that is down and late replication have their own messages', async (t) => {
  const { start, pass, skip, setStores, told } = await openWorld(t);
  const { queue } = await start();
  await acceptOne(queue, 'late');
  const fault = faultOf('target_unreachable');
  setStores([{ store: 'target', down: { sinceMs: Date.UTC(2026, 10, 23, 9, 30), fault } }]);
  await pass(60_000);
  assert.deepEqual(told(), ['firing store_down:target']);
  await skip(900_000);
  await pass(60_000);
  assert.deepEqual(told(), ['firing store_down:target', 'firing lag']);
  setStores([{ store: 'target', down: null }]);
  await finish(queue);
  await pass(180_000);
  assert.deepEqual(told().slice(2).toSorted(), ['resolved lag', 'resolved store_down:target']);
});

test('a test message arrives at once, and a failing one says why without the address', async (t) => {
  const { start, receiver } = await openWorld(t);
  const { alerts } = await start();
  const never = new AbortController().signal;
  assert.deepEqual(await alerts.sendTest(never), { kind: 'delivered' });
  assert.equal(receiver.received[0]?.body['status'], 'test');
  receiver.answerWith(404);
  assert.deepEqual(await alerts.sendTest(never), {
    kind: 'failed',
    reason: `${receiver.origin} answered 404`,
    retryAfterMs: null,
  });
});
