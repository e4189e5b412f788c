import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Happenings } from '../core/happenings.ts';
import type { ParkedClass, QueueCounts } from '../core/transfer-queue.ts';
import { ManualClock } from '../http/testing/manual-clock.ts';
import { receiptOf } from '../../test/contract/transfer-queue-samples.ts';
import { openMemoryNotes } from '../queues/memory/memory-notes.ts';
import { type AlertFacts, findConditions } from './alert-conditions.ts';
import { messageOf } from './alert-message.ts';
import { LagTally, tallied } from './lag-tally.ts';

const NOW_MS = Date.UTC(2026, 10, 23, 12);
const HOUR_MS = 3_600_000;
const COUNTS: QueueCounts = {
  byStatus: { queued: 0, copying: 0, settling: 0, parked: 0 },
  quarantined: 0,
  oldestPendingChangeAtMs: null,
};
const QUIET: AlertFacts = {
  queue: { counts: COUNTS, parked: [], brakes: [] },
  stores: [
    { store: 'source', down: null },
    { store: 'target', down: null },
  ],
  messageQueue: null,
  diskProblem: null,
  lastDay: { finished: 0, late: 0, firstLateMs: null, quarantined: 0, firstQuarantinedMs: null },
  objectiveMs: 900_000,
  nowMs: NOW_MS,
};
const PARKED: ParkedClass = {
  ruleName: 'photos',
  faultCode: 'access_denied',
  count: 3,
  firstAtMs: NOW_MS - HOUR_MS,
  lastAtMs: NOW_MS,
  exampleTransferId: 't1',
};

test('nothing is wrong where nothing is', () => {
  assert.deepEqual(findConditions(QUIET), []);
});

test('each class of parked transfers is one trouble', () => {
  const parked = [PARKED, { ...PARKED, ruleName: 'docs', count: 1 }];
  const found = findConditions({ ...QUIET, queue: { counts: COUNTS, parked, brakes: [] } });
  assert.deepEqual(
    found.map(({ key, kind, count, sinceMs }) => ({ key, kind, count, sinceMs })),
    [
      { key: 'parked:access_denied:photos', kind: 'parked', count: 3, sinceMs: PARKED.firstAtMs },
      { key: 'parked:access_denied:docs', kind: 'parked', count: 1, sinceMs: PARKED.firstAtMs },
    ],
  );
  assert.match(found[0]?.remedy ?? '', /Grant the permission/);
  assert.match(found[1]?.detail ?? '', /^1 transfer is parked/);
});

test('a brake is told in words of its own, with what it holds, also when that is nothing or its rule is gone', () => {
  const trip = { atMs: NOW_MS - 5_000, deletes: 101, limit: 100, windowMs: HOUR_MS, objects: 1000 };
  const held = { ...PARKED, faultCode: 'delete_brake' as const };
  const found = findConditions({
    ...QUIET,
    queue: {
      counts: COUNTS,
      parked: [held, { ...held, ruleName: 'gone', count: 1 }],
      brakes: [
        { ruleName: 'photos', trip },
        { ruleName: 'emptied', trip },
        { ruleName: 'ready', trip: null },
      ],
    },
  });
  assert.deepEqual(
    found.map(({ key, kind, count, sinceMs }) => ({ key, kind, count, sinceMs })),
    [
      { key: 'delete_brake:photos', kind: 'delete_brake', count: 3, sinceMs: trip.atMs },
      { key: 'delete_brake:emptied', kind: 'delete_brake', count: 0, sinceMs: trip.atMs },
      { key: 'delete_brake:gone', kind: 'delete_brake', count: 1, sinceMs: PARKED.firstAtMs },
    ],
  );
  assert.equal(
    found[0]?.detail,
    '101 deletes came within 60 min; 100 may. 3 deletes wait for a decision. Nothing more is deleted, and copies go on.',
  );
  assert.match(found[0].remedy, /replicator brake release/);
});

test('a store that is down is told with its fault and since when', () => {
  const fault = { code: 'target_unreachable', message: 'no route', details: {}, atMs: NOW_MS } as const;
  const [found] = findConditions({
    ...QUIET,
    stores: [{ store: 'target', down: { sinceMs: NOW_MS - 5_000, fault } }],
  });
  assert.equal(found?.key, 'store_down:target');
  assert.equal(found?.title, 'The target is down: the target cannot be reached');
  assert.equal(found?.sinceMs, NOW_MS - 5_000);
});

test('a message queue that cannot be used is one trouble, with its fault and since when', () => {
  const fault = { code: 'queue_missing', message: 'no', details: {}, atMs: NOW_MS } as const;
  const [found] = findConditions({ ...QUIET, messageQueue: { sinceMs: NOW_MS - HOUR_MS, fault } });
  assert.equal(found?.key, 'message_queue');
  assert.equal(found.kind, 'message_queue');
  assert.equal(found.faultCode, 'queue_missing');
  assert.equal(found.sinceMs, NOW_MS - HOUR_MS);
  assert.match(found.title, /from SQS: the message queue does not exist/);
  assert.match(found.remedy, /SQS_QUEUE_URL/);
});

test('replication is late when the oldest change is older than the objective, and not before', () => {
  const withOldest = (ageMs: number) =>
    findConditions({
      ...QUIET,
      queue: {
        counts: {
          ...COUNTS,
          byStatus: { ...COUNTS.byStatus, queued: 7 },
          oldestPendingChangeAtMs: NOW_MS - ageMs,
        },
        parked: [],
        brakes: [],
      },
    });
  assert.deepEqual(withOldest(900_000), []);
  const [late] = withOldest(20 * 60_000);
  assert.equal(late?.kind, 'lag');
  assert.equal(late?.sinceMs, NOW_MS - 5 * 60_000);
  assert.match(late?.detail ?? '', /20 min old; the objective is 15 min\. 7 transfers are not done/);
});

test('one late change in ten thousand is what the objective allows, two are not', () => {
  const of = (finished: number, late: number) =>
    findConditions({
      ...QUIET,
      lastDay: { ...QUIET.lastDay, finished, late, firstLateMs: NOW_MS - HOUR_MS },
    });
  assert.deepEqual(of(10_000, 1), []);
  assert.match(
    of(10_000, 2)[0]?.detail ?? '',
    /^2 of 10000 changes .* 15 min \(0\.02 %; the objective allows 0\.01 %\)/,
  );
  assert.equal(of(1, 1)[0]?.kind, 'late_share');
});

test('records in quarantine, a full disk and a queue that does not answer are told', () => {
  const found = findConditions({
    ...QUIET,
    queue: { problem: 'disk I/O error' },
    diskProblem: '5 bytes free',
    lastDay: { ...QUIET.lastDay, quarantined: 2, firstQuarantinedMs: NOW_MS },
  });
  assert.deepEqual(
    found.map(({ kind, detail }) => `${kind}: ${detail}`),
    [
      'queue: disk I/O error',
      'disk_reserve: 5 bytes free',
      'quarantine: 2 records of the last 24 hours are in quarantine. Nothing of them is lost.',
    ],
  );
});

test('the tally covers the last 24 hours and survives a restart, what came meanwhile included', async () => {
  const clock = new ManualClock(NOW_MS);
  const notes = openMemoryNotes();
  const first = new LagTally({ clock, objectiveMs: 1000 });
  first.finished(1000);
  first.finished(1001);
  first.quarantined();
  await first.save(notes);
  clock.advance(HOUR_MS);
  const second = new LagTally({ clock, objectiveMs: 1000 });
  second.finished(5);
  await second.load(notes);
  assert.deepEqual(second.lastDay(), {
    finished: 3,
    late: 1,
    firstLateMs: NOW_MS,
    quarantined: 1,
    firstQuarantinedMs: NOW_MS,
  });
  clock.advance(23 * HOUR_MS);
  assert.deepEqual(second.lastDay(), {
    finished: 1,
    late: 0,
    firstLateMs: null,
    quarantined: 0,
    firstQuarantinedMs: null,
  });
  await second.save(notes);
  const third = new LagTally({ clock, objectiveMs: 1000 });
  await third.load(notes);
  assert.equal(third.lastDay().finished, 1);
});

test('a tally that could not be written is written the next time', async () => {
  const clock = new ManualClock(NOW_MS);
  const notes = openMemoryNotes();
  const tally = new LagTally({ clock, objectiveMs: 1000 });
  tally.finished(1);
  const broken = { ...notes, write: async () => Promise.reject(new Error('disk full')) };
  await assert.rejects(tally.save(broken), /disk full/);
  await tally.save(notes);
  assert.match((await notes.read('alerts/hours'))?.value ?? '', /"finished":1/);
});

test('a message has no markup of chat services, and an id that only another message changes', () => {
  const alert = {
    ...(findConditions({ ...QUIET, diskProblem: '<!channel> & co' })[0] ?? assert.fail('Nothing was found')),
    sinceMs: NOW_MS,
  };
  const told = {
    alert,
    state: 'active',
    noticedAtMs: NOW_MS,
    goneAtMs: null,
    sentAtMs: null,
    sentCount: 0,
  } as const;
  const service = { version: '1.2.3', url: 'https://r.example.com' };
  const message = messageOf(told, service, NOW_MS);
  assert.match(message.text, /&lt;!channel&gt; &amp; co/);
  assert.match(message.text, /Since 2026-11-23T12:00:00\.000Z\. https:\/\/r\.example\.com$/);
  assert.equal(message['detail'], '<!channel> & co');
  assert.equal(message.id, messageOf(told, service, NOW_MS + 60_000).id);
  const again = messageOf({ ...told, sentAtMs: NOW_MS, sentCount: 1 }, service, NOW_MS);
  assert.notEqual(message.id, again.id);
  assert.match(again.text, /^Replicator, still: /);
  const over = messageOf({ ...told, state: 'ended', goneAtMs: NOW_MS + 1000, sentCount: 0 }, service, NOW_MS);
  assert.equal(over.status, 'resolved');
  assert.match(
    over.text,
    /From 2026-11-23T12:00:00\.000Z to 2026-11-23T12:00:01\.000Z\. It could not be told/,
  );
});

test('a copy is tallied once: not again by the look that confirms it, and not where nothing was written', () => {
  const tally = new LagTally({ clock: new ManualClock(NOW_MS), objectiveMs: 1000 });
  const silent = { transferFinished() {}, recordQuarantined() {} };
  const happenings = tallied(silent as unknown as Happenings, tally);
  const event: Parameters<Happenings['transferFinished']>[0] = {
    transferId: 't1',
    ruleName: 'photos',
    source: { bucket: 'from', key: 'k' },
    target: { bucket: 'to', key: 'k' },
    outcome: 'replicated',
    isConfirmed: false,
    status: 'settling',
    receipt: receiptOf('g1'),
    bytesMoved: 3,
    durationMs: 1,
    note: null,
  };
  happenings.transferFinished(event);
  happenings.transferFinished({ ...event, isConfirmed: true, status: 'done' });
  happenings.transferFinished({ ...event, outcome: 'already_current' });
  happenings.transferFinished({ ...event, outcome: 'source_gone', receipt: null });
  happenings.recordQuarantined({ reason: 'no key', rawStart: '{}' });
  assert.deepEqual([tally.lastDay().finished, tally.lastDay().quarantined], [1, 1]);
});
