// A receiver that refuses single messages, whatever for, still gets all others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlertHappenings } from '../../src/core/alert.ts';
import { ManualClock } from '../../src/http/testing/manual-clock.ts';
import { openMemoryNotes } from '../../src/queues/memory/memory-notes.ts';
import { startAlerts } from '../../src/replication/alerts.ts';
import { ALWAYS_LEADER } from '../../src/core/leadership.ts';
import { LagTally } from '../../src/replication/lag-tally.ts';

const ROUND_MS = 10_000;
const SILENT = new Proxy({} as AlertHappenings, { get: () => () => {} });

test('messages that the receiver refuses again and again keep no other from arriving', async () => {
  const clock = new ManualClock();
  const arrived: string[] = [];
  const parked = (['access_denied', 'bug', 'object_archived'] as const).map((faultCode) => ({
    ruleName: 'default',
    faultCode,
    count: 1,
    firstAtMs: clock.nowMs(),
    lastAtMs: clock.nowMs(),
    exampleTransferId: faultCode,
  }));
  const alerts = startAlerts({
    queue: {
      counts: async () => ({
        byStatus: { queued: 0, copying: 0, settling: 0, parked: 3 },
        quarantined: 0,
        oldestPendingChangeAtMs: null,
      }),
      parkedClasses: async () => parked,
    },
    notes: openMemoryNotes(),
    clock,
    random: { next: () => 0.5 },
    happenings: SILENT,
    tally: new LagTally({ clock, objectiveMs: 900_000 }),
    leadership: ALWAYS_LEADER,
    processId: 'only',
    objectiveMs: 900_000,
    stores: () => [],
    brakes: async () => [],
    messageQueue: () => null,
    diskProblem: () => null,
    sink: {
      origin: 'https://alerts.example.com',
      send: async (message) => {
        const key = String(message['key']);
        if (!key.includes('object_archived'))
          return { kind: 'failed', reason: 'answered 422', retryAfterMs: null };
        arrived.push(key);
        return { kind: 'delivered' };
      },
    },
    service: { version: '1.2.3', url: null },
  });
  for (let passedMs = 0; passedMs < 600_000; passedMs += ROUND_MS) {
    await clock.untilSomebodySleeps();
    clock.advance(ROUND_MS);
  }
  await clock.untilSomebodySleeps();
  await alerts.stop();
  assert.deepEqual(arrived, ['parked:object_archived:default']);
});
