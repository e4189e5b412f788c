// Two processes on one queue: one of them tells, both show, and the lead changes hands without a doubled message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlertHappenings } from '../../src/core/alert.ts';
import type { DurableNotes } from '../../src/core/durable-notes.ts';
import { ManualClock } from '../../src/http/testing/manual-clock.ts';
import { openMemoryNotes } from '../../src/queues/memory/memory-notes.ts';
import { type Alerts, startAlerts } from '../../src/replication/alerts.ts';
import { LagTally } from '../../src/replication/lag-tally.ts';
import { ManualLeadership } from '../../src/replication/testing/manual-leadership.ts';

const ROUND_MS = 10_000;
const SILENT = new Proxy({} as AlertHappenings, { get: () => () => {} });

interface Process {
  readonly alerts: Alerts;
  readonly clock: ManualClock;
  readonly leadership: ManualLeadership;
  readonly sent: string[];
}

function begin(notes: DurableNotes, isLeader: boolean, parkedCount: () => number): Process {
  const clock = new ManualClock();
  const leadership = new ManualLeadership(isLeader);
  const sent: string[] = [];
  const alerts = startAlerts({
    queue: {
      counts: async () => ({
        byStatus: { queued: 0, copying: 0, settling: 0, parked: parkedCount() },
        quarantined: 0,
        oldestPendingChangeAtMs: null,
      }),
      parkedClasses: async () =>
        parkedCount() === 0
          ? []
          : [
              {
                ruleName: 'default',
                faultCode: 'access_denied',
                count: parkedCount(),
                firstAtMs: clock.nowMs(),
                lastAtMs: clock.nowMs(),
                exampleTransferId: 'a',
              },
            ],
    },
    notes,
    clock,
    random: { next: () => 0.5 },
    happenings: SILENT,
    tally: new LagTally({ clock, objectiveMs: 900_000 }),
    leadership,
    objectiveMs: 900_000,
    stores: () => [],
    brakes: async () => [],
    messageQueue: () => null,
    diskProblem: () => null,
    sink: {
      origin: 'https://alerts.example.com',
      send: async (message) => {
        sent.push(`${message['status']} ${String(message['key'])}`);
        return { kind: 'delivered' };
      },
    },
    service: { version: '1.2.3', url: null },
  });
  return { alerts, clock, leadership, sent };
}

async function pass(processes: readonly Process[], ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += ROUND_MS) {
    for (const { clock } of processes) {
      await clock.untilSomebodySleeps();
      clock.advance(ROUND_MS);
      await clock.untilSomebodySleeps();
    }
  }
}

test('of two processes the leader tells, both show it, and whoever leads next tells nothing twice', async () => {
  const notes = openMemoryNotes();
  let parked = 1;
  const one = begin(notes, true, () => parked);
  const other = begin(notes, false, () => parked);
  await pass([one, other], 60_000);
  assert.deepEqual(one.sent, ['firing parked:access_denied:default']);
  assert.deepEqual(other.sent, []);
  const shown = other.alerts.active();
  assert.equal(shown.length, 1);
  assert.equal(shown[0]?.sentCount, 1);
  assert.equal(shown[0]?.alert.count, 1, 'figures are its own');

  one.leadership.isLeader = false;
  other.leadership.isLeader = true;
  await pass([one, other], 60_000);
  assert.deepEqual([one.sent.length, other.sent.length], [1, 0]);
  parked = 0;
  await pass([one, other], 180_000);
  assert.deepEqual(other.sent, ['resolved parked:access_denied:default']);
  assert.equal(one.sent.length, 1);
  assert.deepEqual(one.alerts.active(), []);
  await one.alerts.stop();
  await other.alerts.stop();
});

test('processes that share the notes count the changes of the last day together', async () => {
  const notes = openMemoryNotes();
  const clock = new ManualClock();
  const one = new LagTally({ clock, objectiveMs: 1_000 });
  const other = new LagTally({ clock, objectiveMs: 1_000 });
  one.finished(5);
  other.finished(2_000);
  await Promise.all([one.save(notes), other.save(notes)]);
  one.finished(5);
  await one.save(notes);
  await other.save(notes);
  for (const tally of [one, other]) {
    const { finished, late } = tally.lastDay();
    assert.deepEqual({ finished, late }, { finished: 3, late: 1 });
  }
});
