// Two processes on one queue: one of them tells, both show, and the lead changes hands without a doubled message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlertHappenings } from '../../src/core/alert.ts';
import { Fault, recordOfFault } from '../../src/core/faults.ts';
import type { DurableNotes } from '../../src/core/durable-notes.ts';
import { ManualClock } from '../../src/http/testing/manual-clock.ts';
import { openMemoryNotes } from '../../src/queues/memory/memory-notes.ts';
import type { StoreSeen } from '../../src/replication/alert-conditions.ts';
import { type Alerts, startAlerts } from '../../src/replication/alerts.ts';
import { LagTally } from '../../src/replication/lag-tally.ts';
import { ManualLeadership } from '../../src/replication/testing/manual-leadership.ts';

const ROUND_MS = 10_000;
const SILENT = new Proxy({} as AlertHappenings, { get: () => () => {} });

const TARGET_DOWN: StoreSeen = {
  store: 'target',
  down: {
    sinceMs: 1_000,
    fault: recordOfFault(new Fault('target_unavailable', 'The target does not answer'), 1_000),
  },
};

interface Process {
  readonly alerts: Alerts;
  readonly clock: ManualClock;
  readonly leadership: ManualLeadership;
  readonly sent: string[];
}

let processCount = 0;

function begin(
  notes: DurableNotes,
  isLeader: boolean,
  parkedCount: () => number,
  stores: () => readonly StoreSeen[] = () => [],
): Process {
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
    processId: String((processCount += 1)),
    objectiveMs: 900_000,
    stores,
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

test('the leader tells what only another process sees, once, and that it is over', async () => {
  const notes = openMemoryNotes();
  let seen: readonly StoreSeen[] = [TARGET_DOWN];
  // The first takes changes and makes no attempts: it asks no store. The others do.
  const processes = [
    begin(notes, true, () => 0),
    begin(
      notes,
      false,
      () => 0,
      () => seen,
    ),
    begin(
      notes,
      false,
      () => 0,
      () => seen,
    ),
  ];
  const [intake, worker] = processes;
  assert(intake !== undefined && worker !== undefined);
  await pass(processes, 60_000);
  assert.deepEqual(intake.sent, ['firing store_down:target']);
  assert.deepEqual(
    worker.alerts.active().map(({ alert }) => alert.key),
    ['store_down:target'],
  );

  // The lead changes hands twice: nothing is over, and nothing new.
  for (const [from, to] of [
    [intake, worker],
    [worker, intake],
  ] as const) {
    from.leadership.isLeader = false;
    to.leadership.isLeader = true;
    await pass(processes, 180_000);
  }
  assert.deepEqual([intake.sent.length, worker.sent.length], [1, 0]);
  seen = [];
  await pass(processes, 180_000);
  assert.deepEqual(intake.sent, ['firing store_down:target', 'resolved store_down:target']);
  assert.deepEqual(await notes.list('alerts/seen/'), []);
  for (const { alerts } of processes) await alerts.stop();
});

test('what a process saw is over some time after its end', async () => {
  const notes = openMemoryNotes();
  const leader = begin(notes, true, () => 0);
  const worker = begin(
    notes,
    false,
    () => 0,
    () => [TARGET_DOWN],
  );
  await pass([leader, worker], 60_000);
  await worker.alerts.stop();
  await pass([leader], 300_000);
  assert.deepEqual(leader.sent, ['firing store_down:target', 'resolved store_down:target']);
  assert.deepEqual(await notes.list('alerts/seen/'), []);
  await leader.alerts.stop();
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
