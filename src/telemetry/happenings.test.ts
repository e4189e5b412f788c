import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault, type FaultCode } from '../core/faults.ts';
import type { TransferRef } from '../core/happenings.ts';
import type { Outcome, Receipt } from '../core/transfer.ts';
import type { ParkedClass, QueueCounts } from '../core/transfer-queue.ts';
import { createHappenings } from './happenings.ts';
import { createLogger } from './logger.ts';
import { createMetrics } from './metrics.ts';

const ref: TransferRef = {
  transferId: 't-1',
  ruleName: 'photos',
  source: { bucket: 'from', key: 'a b.jpg' },
  target: { bucket: 'to', key: 'x/a b.jpg' },
};

const refFacts = {
  transferId: 't-1',
  rule: 'photos',
  bucket: 'from',
  key: 'a b.jpg',
  target: 'to/x/a b.jpg',
};

const receipt: Receipt = {
  etag: 'e1',
  versionId: null,
  sizeBytes: 5,
  sourceChecksum: null,
  crc32c: 'AAAAAA==',
  generation: '17',
  verified: 'source',
  finishedAtMs: 1_000_000,
  lagMs: 1500,
  droppedMetadata: [],
};

function open() {
  const lines: Record<string, unknown>[] = [];
  const write = (text: string): void => {
    const line: Record<string, unknown> = JSON.parse(text);
    lines.push(line);
  };
  const logger = createLogger({ level: 'debug', format: 'json', write, isColored: false });
  const clock = { nowMs: () => 1_000_000, monotonicMs: () => 0, sleep: async () => {} };
  const metrics = createMetrics({ version: '1.2.3', clock });
  const happenings = createHappenings({ logger, metrics });
  /** Series of our own with their values, those of the process left out. */
  const series = async (): Promise<string[]> => {
    const { text } = await metrics.render();
    return text.split('\n').filter((line) => line.startsWith('replicator_') && !line.endsWith(' 0'));
  };
  const last = (): Record<string, unknown> => {
    const line: Record<string, unknown> = { ...lines.at(-1) };
    delete line['time'];
    return line;
  };
  return { happenings, metrics, series, last, lines };
}

function finish(outcome: Outcome, more: { status?: string; receipt?: Receipt | null; note?: string } = {}) {
  const { status = 'done', receipt: proof = null, note = null } = more;
  return { ...ref, outcome, isConfirmed: false, status, receipt: proof, bytesMoved: 5, durationMs: 20, note };
}

test('a replicated object leaves one line with every fact, and its metrics', async () => {
  const { happenings, last, series } = open();
  happenings.transferFinished(finish('replicated', { receipt }));
  assert.deepEqual(last(), {
    level: 'info',
    ...refFacts,
    outcome: 'replicated',
    bytes: 5,
    durationMs: 20,
    sizeBytes: 5,
    etag: 'e1',
    crc32c: 'AAAAAA==',
    generation: '17',
    verified: 'source',
    lagMs: 1500,
    msg: 'completed: replicated',
  });
  const text = (await series()).join('\n');
  assert.match(text, /replicator_transfers_total\{outcome="replicated",fault=""\} 1/);
  assert.match(text, /replicator_transferred_bytes_total 5/);
  assert.match(
    text,
    /replicator_replication_lag_seconds_bucket\{le="1",rule="photos"\} 0|le="2.5",rule="photos"\} 1/,
  );
  assert.match(text, /replicator_replication_lag_seconds_sum\{rule="photos"\} 1\.5/);
});

test('an object that is there already is told in the fixed words', async () => {
  const { happenings, last, series } = open();
  happenings.transferFinished(finish('already_current', { receipt }));
  assert.equal(last()['msg'], 'skipped: already exists');
  assert.equal(last()['level'], 'info');
  const text = (await series()).join('\n');
  assert.match(text, /replicator_transfers_total\{outcome="already_current",fault=""\} 1/);
  assert.ok(!text.includes('lag_seconds_sum'), 'a repeated event says nothing about the lag');
});

test('a source that is gone carries the note, and every outcome has its own words', () => {
  const { happenings, last, lines } = open();
  happenings.transferFinished(finish('source_gone', { note: 'check the key of the event' }));
  assert.equal(last()['reason'], 'check the key of the event');
  const outcomes: Outcome[] = [
    'metadata_updated',
    'deleted',
    'superseded',
    'skipped',
    'replicated',
    'already_current',
  ];
  for (const outcome of outcomes) happenings.transferFinished(finish(outcome));
  const words = lines.map(({ msg }) => String(msg));
  assert.equal(new Set(words).size, 7);
  for (const word of words) assert.match(word, /^(completed|skipped): /);
});

test('a transfer that settles is counted once, with its last look', async () => {
  const { happenings, last, series } = open();
  happenings.transferFinished(finish('replicated', { status: 'settling', receipt }));
  assert.equal(last()['msg'], 'settling');
  assert.match(String(last()['reason']), /one more look/);
  assert.ok(!(await series()).some((line) => line.startsWith('replicator_transfers_total')));
  happenings.transferFinished(finish('already_current', { receipt }));
  const counted = (await series()).filter((line) => line.startsWith('replicator_transfers_total'));
  assert.deepEqual(counted, ['replicator_transfers_total{outcome="already_current",fault=""} 1']);
});

test('a retry is a warning and a parked transfer an error with its remedy', async () => {
  const { happenings, last, series } = open();
  const throttled = new Fault('source_throttled', 'slow down', { details: { status: 503 } });
  happenings.transferRetrying({
    ...ref,
    fault: throttled,
    attemptCount: 1,
    retryInMs: 250,
    isStoreDown: false,
  });
  assert.deepEqual(last(), {
    level: 'warn',
    ...refFacts,
    attemptCount: 1,
    retryInMs: 250,
    fault: 'source_throttled',
    title: 'The source asks for fewer requests',
    reason: 'slow down',
    details: { status: 503 },
    msg: 'retrying',
  });
  happenings.transferParked({
    ...ref,
    fault: new Fault('access_denied', 'no s3:GetObject'),
    attemptCount: 3,
  });
  assert.equal(last()['level'], 'error');
  assert.equal(last()['fault'], 'access_denied');
  assert.equal(last()['reason'], 'no s3:GetObject');
  assert.match(String(last()['remedy']), /Grant the permission/);
  assert.ok(!('err' in last()));
  const text = (await series()).join('\n');
  assert.match(text, /replicator_retries_total\{fault="source_throttled"\} 1/);
  assert.match(text, /replicator_transfers_total\{outcome="",fault="access_denied"\} 1/);
});

test('a bug is parked with its place in the code', () => {
  const { happenings, last } = open();
  const fault = new Fault('bug', 'assertion failed', { cause: new Error('expected true') });
  happenings.transferParked({ ...ref, fault, attemptCount: 1 });
  assert.match(JSON.stringify(last()['err']), /expected true.*happenings\.test\.ts/);
});

test('what arrives is counted by what became of it', async () => {
  const { happenings, series, lines } = open();
  happenings.changeAccepted({ ...ref, transport: 's3', joined: false });
  happenings.changeAccepted({ ...ref, transport: 's3', joined: true });
  happenings.changeIgnored({ reason: 'no rule covers this object', source: ref.source });
  happenings.changeIgnored({ reason: 'a test event', source: null });
  happenings.recordQuarantined({ reason: 'no bucket', rawStart: '{}' });
  happenings.deliveryRepeated({ deliveryId: 'webhook:msg_1:x', itemCount: 3 });
  assert.deepEqual(
    lines.map(({ level, msg }) => `${String(level)} ${String(msg)}`),
    [
      'info received',
      'info received',
      'info ignored',
      'info ignored',
      'error quarantined: a record could not be understood and is kept',
      'info repeated: this delivery was taken before',
    ],
  );
  assert.deepEqual((await series()).filter((line) => line.startsWith('replicator_changes_total')).sort(), [
    'replicator_changes_total{result="accepted"} 1',
    'replicator_changes_total{result="ignored"} 2',
    'replicator_changes_total{result="joined"} 1',
    'replicator_changes_total{result="quarantined"} 1',
    'replicator_changes_total{result="repeated"} 3',
  ]);
});

test('a line leads from every other event of a transfer to its id', () => {
  const { happenings, lines } = open();
  happenings.transferStarted({ ...ref, attempt: 2, isSettling: false, isOwed: false, isProbe: false });
  happenings.uploadResumed({ ...ref, fromByte: 1, sizeBytes: 2, reason: 'connection cut' });
  happenings.transferReleased({ ...ref, reason: 'shutdown' });
  happenings.uploadTooSlow({ ...ref, bytesDone: 1, sizeBytes: 2, neededMs: 4, leftMs: 3 });
  happenings.leaseLost(ref);
  for (const line of lines) assert.equal(line['transferId'], 't-1');
  assert.deepEqual(
    lines.map(({ level }) => level),
    ['info', 'info', 'info', 'warn', 'warn'],
  );
});

function parkedClass(ruleName: string, faultCode: FaultCode, count: number): ParkedClass {
  return { ruleName, faultCode, count, firstAtMs: 1, lastAtMs: 2, exampleTransferId: 't-1' };
}

test('a recheck is one line for the class at its begin, and one where the class is run again', () => {
  const { happenings, lines } = open();
  const parked = { transferId: 't-1', ruleName: 'photos', faultCode: 'access_denied' } as const;
  happenings.parkedRechecked({ ...parked, count: 200 });
  happenings.parkedClassRedriven({ ...parked, redriven: 199 });
  const facts = { transferId: 't-1', rule: 'photos', fault: 'access_denied' };
  assert.deepEqual(
    lines.map((line) => ({ ...line, time: null })),
    [
      {
        level: 'info',
        time: null,
        ...facts,
        parked: 200,
        msg: 'recheck: one of the parked transfers is tried again',
      },
      {
        level: 'info',
        time: null,
        ...facts,
        redriven: 199,
        msg: 'recheck: the reason is gone, the other parked transfers are run again',
      },
    ],
  );
});

test('the backlog is asked from the queue at each scrape', async () => {
  const { metrics, series } = open();
  let counts: QueueCounts | null = {
    byStatus: { queued: 4, copying: 2, settling: 1, parked: 3 },
    quarantined: 6,
    oldestPendingChangeAtMs: 940_000,
  };
  metrics.watchQueue({
    counts: async () => {
      if (counts === null) throw new Error('database is locked');
      return counts;
    },
    parkedClasses: async () => [
      parkedClass('photos', 'access_denied', 1),
      parkedClass('docs', 'access_denied', 4),
      parkedClass('docs', 'too_large', 2),
    ],
  });
  const first = (await series()).join('\n');
  assert.match(first, /replicator_backlog_transfers\{status="queued"\} 4/);
  assert.match(first, /replicator_backlog_transfers\{status="parked"\} 3/);
  assert.match(first, /replicator_parked_transfers\{fault="access_denied"\} 5/);
  assert.match(first, /replicator_parked_transfers\{fault="too_large"\} 2/);
  assert.match(first, /replicator_oldest_pending_seconds 60\n/);
  assert.match(first, /replicator_quarantined_records 6/);
  assert.match(first, /replicator_queue_answers 1/);
  counts = null;
  const second = (await series()).join('\n');
  assert.ok(!second.includes('parked_transfers{'), 'nor are the parked ones');
  assert.ok(!second.includes('backlog_transfers{'), 'an unknown backlog is not told as a number');
  assert.match(second, /replicator_oldest_pending_seconds Nan/i);
  assert.match(second, /replicator_build_info\{version="1.2.3"\} 1/);
});

test('no object name becomes a label, however many objects there are', async () => {
  const { happenings, series } = open();
  const count = async (): Promise<number> => (await series()).length;
  const one = (key: string): void => {
    const event = { ...ref, source: { bucket: 'from', key }, transferId: key };
    happenings.changeAccepted({ ...event, transport: 's3', joined: false });
    happenings.transferFinished({ ...finish('replicated', { receipt }), ...event });
    happenings.transferParked({ ...event, fault: new Fault('too_large', key), attemptCount: 1 });
  };
  one('first');
  const before = await count();
  for (let index = 0; index < 50; index += 1) one(`key-${index}`);
  assert.equal(await count(), before);
});

test('a last look that only confirms says so and counts what it confirms', async () => {
  const { happenings, last, series } = open();
  happenings.transferStarted({ ...ref, attempt: 1, isSettling: true, isOwed: true, isProbe: false });
  assert.equal(last()['reason'], 'the last look after the grace');
  happenings.transferFinished({ ...finish('replicated'), isConfirmed: true });
  assert.equal(last()['msg'], 'completed: confirmed by the last look');
  assert.ok(
    (await series()).some((line) => line.startsWith('replicator_transfers_total{outcome="replicated"')),
  );
});

test('a store that is down and its return are one line each; what waits for it meanwhile is quiet', async () => {
  const { happenings, last, series } = open();
  const fault = new Fault('target_unavailable', 'Google Cloud Storage answered 503', {
    details: { status: 503 },
  });
  happenings.storeDown({ store: 'target', sinceMs: 1_000_000, fault });
  const { remedy, ...facts } = last();
  assert.match(String(remedy), /Transfers|transfers/);
  assert.deepEqual(facts, {
    level: 'error',
    store: 'target',
    since: '1970-01-01T00:16:40.000Z',
    fault: 'target_unavailable',
    title: 'The target is not available for the moment',
    reason: 'Google Cloud Storage answered 503',
    details: { status: 503 },
    msg: 'store down: transfers wait and use up no attempts, changes are still accepted',
  });
  happenings.transferStarted({ ...ref, attempt: 2, isSettling: false, isOwed: false, isProbe: true });
  assert.equal(last()['level'], 'debug');
  happenings.transferRetrying({ ...ref, fault, attemptCount: 1, retryInMs: 250, isStoreDown: true });
  assert.equal(last()['level'], 'debug');
  assert.ok((await series()).includes('replicator_retries_total{fault="target_unavailable"} 1'));
  happenings.storeUp({
    store: 'target',
    sinceMs: 1_000_000,
    downForMs: 300_000,
    probeCount: 25,
    waitingCount: 7,
  });
  assert.deepEqual(last(), {
    level: 'info',
    store: 'target',
    since: '1970-01-01T00:16:40.000Z',
    downForMs: 300_000,
    probes: 25,
    waiting: 7,
    msg: 'store up again: transfers go on',
  });
});

test('the metrics tell of each store whether it is up, for how long it is down, and its limit', async () => {
  const { metrics } = open();
  const fault = { code: 'source_unreachable', message: 'no route', details: {}, atMs: 0 } as const;
  metrics.watchStores(() => [
    { store: 'source', down: { sinceMs: 940_000, fault }, concurrencyLimit: 8 },
    { store: 'target', down: null, concurrencyLimit: 3 },
  ]);
  const { text } = await metrics.render();
  assert.deepEqual(
    text.split('\n').filter((line) => line.startsWith('replicator_store_')),
    [
      'replicator_store_up{store="source"} 0',
      'replicator_store_up{store="target"} 1',
      'replicator_store_down_seconds{store="source"} 60',
      'replicator_store_down_seconds{store="target"} 0',
      'replicator_store_concurrency_limit{store="source"} 8',
      'replicator_store_concurrency_limit{store="target"} 3',
    ],
  );
});

test('a trip of the delete brake is one error; each held delete is told quietly and counted', async () => {
  const { happenings, last, series, metrics } = open();
  const trip = { atMs: 1, deletes: 20, limit: 20, windowMs: 3_600_000, objects: 180 };
  happenings.brakeTripped({ ruleName: 'photos', trip });
  const line = last();
  assert.equal(line['level'], 'error');
  assert.equal(
    line['msg'],
    'delete brake tripped: deletes of this rule are held until a person releases or rejects them',
  );
  assert.deepEqual(
    [line['rule'], line['deletes'], line['limit'], line['windowSec'], line['objects']],
    ['photos', 20, 20, 3600, 180],
  );
  happenings.transferParked({ ...ref, attemptCount: 1, fault: new Fault('delete_brake', 'held') });
  assert.deepEqual([last()['level'], last()['msg']], ['info', 'held: the delete brake is tripped']);
  metrics.watchBrakes({
    list: async () => [
      { rule: { name: 'photos' }, brake: { trip } },
      { rule: { name: 'docs' }, brake: { trip: null } },
    ],
  });
  const found = await series();
  assert.ok(found.includes('replicator_transfers_total{outcome="",fault="delete_brake"} 1'));
  assert.ok(found.includes('replicator_delete_brake_tripped{rule="photos"} 1'));
  metrics.watchBrakes({ list: async () => Promise.reject(new Error('the queue is gone')) });
  assert.ok(!(await series()).some((text) => text.includes('delete_brake_tripped')), 'unknown is no value');
});
