import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { DurableNotes } from '../core/durable-notes.ts';
import { Fault } from '../core/faults.ts';
import type { ScanRequest } from './backfill.ts';
import { MAX_WAITING_TRANSFERS } from './feed-queue.ts';
import { numberedKeys, RunWorld, scanOf } from './testing/run-world.ts';
import type { Run } from './run.ts';

const worlds: RunWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

function newWorld(): RunWorld {
  const world = new RunWorld();
  worlds.push(world);
  return world;
}

const SCOPE = { ruleName: 'default', buckets: ['from'], prefix: '' };
const isDraining = ({ state }: Run): boolean => state === 'draining';
const isCompleted = ({ state }: Run): boolean => state === 'completed';

test('a run lists everything, waits for what it fed, and then is completed', async () => {
  const world = newWorld();
  const runs = await world.open({ scan: scanOf(numberedKeys(2500)) });
  const { id, state } = await runs.start(SCOPE, 'request');
  assert.equal(state, 'waiting');
  const listed = await world.reaches(runs, id, isDraining);
  assert.deepEqual([listed.counts.listed, listed.counts.fed, listed.counts.ended], [2500, 2500, 0]);
  assert.deepEqual((await world.endDue(2499)).length, 2499);
  const almost = await world.reaches(runs, id, ({ counts }) => counts.ended === 2499);
  assert.equal(almost.state, 'draining', 'one transfer is still to end');
  await world.endDue();
  const { counts, endedAtMs } = await world.reaches(runs, id, isCompleted);
  assert.deepEqual([counts.ended, counts.outcomes], [2500, { already_current: 2500 }]);
  assert.notEqual(endedAtMs, null);
  assert.deepEqual(
    world.told.map(({ name }) => name),
    ['runStarted', 'runEnded'],
  );
});

test('a run never lets more wait in the queue than one page beyond the bound', async () => {
  const world = newWorld();
  const count = 4 * MAX_WAITING_TRANSFERS;
  const runs = await world.open({ scan: scanOf(numberedKeys(count)) });
  const { id } = await runs.start(SCOPE, 'request');
  let most = 0;
  for (let ended = 0; ended < count;) {
    for (let turn = 0; turn < 200; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    const { queued } = (await world.world.queue.counts()).byStatus;
    most = Math.max(most, queued);
    ended += (await world.endDue(700)).length;
  }
  await world.reaches(runs, id, isCompleted);
  assert.ok(most >= MAX_WAITING_TRANSFERS, `the bound is used: ${most}`);
  assert.ok(most < MAX_WAITING_TRANSFERS + 1000, `${most} waited`);
});

test('a run that is cut off goes on behind what it has done, and counts every transfer once', async () => {
  const world = newWorld();
  const keys = numberedKeys(5000);
  const asked: (string | null)[] = [];
  const scan = scanOf(keys, 500);
  const first = await world.open({ scan });
  const { id } = await first.start(SCOPE, 'request');
  await world.reaches(first, id, ({ counts }) => counts.listed >= 2000);
  await world.stop();
  const stoppedAt = first.get(id);
  // Some end while nobody watches.
  const ended = await world.endDue(800);
  assert.equal(ended.length, 800);
  const second = await world.open({
    scan: (request, signal) => {
      asked.push(request.after);
      return scan(request, signal);
    },
  });
  assert.deepEqual(second.get(id)?.position, stoppedAt?.position);
  await world.reaches(second, id, isDraining);
  assert.deepEqual(asked, [stoppedAt?.position.after]);
  await world.endDue();
  const { counts } = await world.reaches(second, id, isCompleted);
  assert.deepEqual(
    [counts.listed, counts.fed, counts.ended, counts.outcomes],
    [5000, 5000, 5000, { already_current: 5000 }],
  );
});

test('a run that was draining is completed after a restart, also where all ended meanwhile', async () => {
  const world = newWorld();
  const first = await world.open({ scan: scanOf(numberedKeys(10)) });
  const { id } = await first.start(SCOPE, 'request');
  await world.reaches(first, id, isDraining);
  await world.stop();
  await world.endDue();
  const second = await world.open({ scan: scanOf([]) });
  assert.equal((await world.reaches(second, id, isCompleted)).counts.ended, 10);
});

test('a store that is down pauses a run, told once, and it goes on where it was', async () => {
  const world = newWorld();
  const keys = numberedKeys(3000);
  let failures = 0;
  const runs = await world.open({
    scan: async function* scan(request, signal) {
      const steps = scanOf(keys)(request, signal);
      for (;;) {
        const step = await steps.next();
        if (step.done === true) return;
        if (step.value.after === 'key-0001999' && failures < 5) {
          failures += 1;
          throw new Fault('source_unavailable', 'The source is down on purpose');
        }
        yield step.value;
      }
    },
  });
  const { id } = await runs.start(SCOPE, 'request');
  const paused = await world.reaches(runs, id, ({ fault }) => fault !== null);
  assert.deepEqual(
    [paused.state, paused.fault?.code, paused.counts.listed],
    ['listing', 'source_unavailable', 1000],
  );
  const { counts, fault } = await world.reaches(runs, id, isDraining);
  assert.deepEqual([counts.listed, counts.fed, fault], [3000, 3000, null]);
  assert.deepEqual(
    world.told.map(({ name }) => name),
    ['runStarted', 'runPaused', 'runContinued'],
  );
});

test('a queue that cannot take anything pauses a run, told once, and nothing of the page is left out', async () => {
  const world = newWorld();
  const { queue } = world.world;
  let failures = 0;
  const accept = queue.accept.bind(queue);
  queue.accept = async (request) => {
    if (request.items.some(({ source }) => source.key === 'key-0000600') && failures < 4) {
      failures += 1;
      throw new Error('The disk is full on purpose');
    }
    return accept(request);
  };
  const runs = await world.open({ scan: scanOf(numberedKeys(2000)) });
  const { id } = await runs.start(SCOPE, 'request');
  assert.match(
    (await world.reaches(runs, id, ({ fault }) => fault !== null)).fault?.message ?? '',
    /disk is full/,
  );
  const { counts, fault } = await world.reaches(runs, id, isDraining);
  assert.deepEqual([counts.listed, counts.fed, fault], [2000, 2000, null]);
  assert.deepEqual(
    world.told.map(({ name }) => name),
    ['runStarted', 'runPaused', 'runContinued'],
  );
  assert.equal((await world.endDue()).length, 2000);
});

test('a run for every bucket that has found them is still the same run', async () => {
  const world = newWorld();
  const runs = await world.open({
    kind: 'reconcile',
    scan: scanOf(numberedKeys(20_000)),
    findBuckets: async () => ['one', 'two'],
  });
  const scope = { ...SCOPE, buckets: null };
  const { id } = await runs.start(scope, 'request');
  await world.reaches(runs, id, ({ buckets, state }) => buckets !== null && state === 'listing');
  assert.equal((await runs.start(scope, 'schedule')).id, id);
});

test('of many buckets one may be gone or forbidden: the others are listed all the same', async () => {
  const world = newWorld();
  let forbidden: string | null = null;
  const listed: string[] = [];
  const runs = await world.open({
    kind: 'reconcile',
    findBuckets: async () => ['one', 'gone', 'two', 'three'],
    scan: async function* scan({ bucket }) {
      if (bucket === 'gone') throw new Fault('source_bucket_missing', 'The bucket gone does not exist');
      if (bucket === forbidden) throw new Fault('access_denied', `s3:ListBucket on ${bucket}`);
      listed.push(bucket);
      yield* [];
    },
  });
  const scope = { ...SCOPE, buckets: null };
  const first = await runs.start(scope, 'request');
  assert.equal(
    (await world.reaches(runs, first.id, ({ endedAtMs }) => endedAtMs !== null)).state,
    'completed',
  );
  forbidden = 'two';
  const second = await runs.start(scope, 'request');
  const failed = await world.reaches(runs, second.id, ({ endedAtMs }) => endedAtMs !== null);
  assert.deepEqual([failed.state, failed.fault?.message], ['failed', 's3:ListBucket on two']);
  assert.deepEqual(listed, ['one', 'two', 'three', 'one', 'three']);
});

test('a forbidden bucket fails its run also where a restart came between it and the others', async () => {
  const world = newWorld();
  const scope = { ...SCOPE, buckets: null };
  const options = {
    kind: 'reconcile' as const,
    findBuckets: async () => ['forbidden', 'many'],
    scan: (request: ScanRequest, signal: AbortSignal) => {
      if (request.bucket === 'forbidden') throw new Fault('access_denied', 's3:ListBucket on forbidden');
      return scanOf(numberedKeys(20_000))(request, signal);
    },
  };
  const first = await world.open(options);
  const { id } = await first.start(scope, 'request');
  await world.reaches(first, id, ({ counts }) => counts.listed > 0);
  const second = await world.open({ ...options, scan: scanOf([]) });
  const ended = await world.reaches(second, id, ({ endedAtMs }) => endedAtMs !== null);
  assert.deepEqual([ended.state, ended.fault?.message], ['failed', 's3:ListBucket on forbidden']);
});

test('a run that needs a person fails with the reason, and the next one begins', async () => {
  const world = newWorld();
  const runs = await world.open({
    scan: async function* scan({ bucket }) {
      if (bucket === 'forbidden') throw new Fault('access_denied', 's3:ListBucket on forbidden');
      yield* [];
    },
  });
  const failing = await runs.start({ ...SCOPE, buckets: ['forbidden'] }, 'request');
  const next = await runs.start(SCOPE, 'request');
  const failed = await world.reaches(runs, failing.id, ({ state }) => state === 'failed');
  assert.equal(failed.fault?.code, 'access_denied');
  assert.equal((await world.reaches(runs, next.id, isCompleted)).counts.listed, 0);
  const gone = await runs.start({ ...SCOPE, ruleName: 'gone' }, 'request');
  assert.equal(
    (await world.reaches(runs, gone.id, ({ state }) => state === 'failed')).fault?.code,
    'rule_missing',
  );
});

test('a run that is cancelled lists no more, and stays cancelled after a restart', async () => {
  const world = newWorld();
  const scan = scanOf(numberedKeys(50_000));
  const runs = await world.open({ scan });
  const { id } = await runs.start(SCOPE, 'request');
  await world.reaches(runs, id, ({ counts }) => counts.listed >= 1000);
  assert.equal((await runs.cancel(id))?.state, 'cancelled');
  const next = await runs.start({ ...SCOPE, prefix: 'other' }, 'request');
  await world.reaches(runs, next.id, ({ state }) => state === 'listing');
  const { listed } = runs.get(id)?.counts ?? { listed: 0 };
  assert.ok(listed < 50_000);
  const again = await world.open({ scan });
  assert.deepEqual([again.get(id)?.state, again.get(id)?.counts.listed], ['cancelled', listed]);
  assert.equal(await again.cancel('unknown'), null);
});

test('a run that is cancelled while its last step is written down stays cancelled', async () => {
  const world = newWorld();
  let cancel: (() => void) | null = null;
  const notes: DurableNotes = {
    ...world.notes,
    write: async (name, value, version) => {
      if (value.includes('"bucketIndex":1')) cancel?.();
      return world.notes.write(name, value, version);
    },
  };
  const runs = await world.open({ notes, scan: scanOf([]) });
  const { id } = await runs.start(SCOPE, 'request');
  const cancelled = new Promise<Run | null>((resolve) => {
    cancel = () => resolve(runs.cancel(id));
  });
  assert.equal((await cancelled)?.state, 'cancelled');
  for (let turn = 0; turn < 50; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
  assert.equal(runs.get(id)?.state, 'cancelled');
  assert.equal(world.told.filter(({ name }) => name === 'runEnded').length, 1);
});

test('asking twice for what is still listed answers the same run', async () => {
  const world = newWorld();
  const runs = await world.open({ scan: scanOf(numberedKeys(10)) });
  const [one, atOnce] = await Promise.all([runs.start(SCOPE, 'request'), runs.start(SCOPE, 'request')]);
  assert.equal(atOnce.id, one.id);
  const same = await runs.start(SCOPE, 'request');
  const other = await runs.start({ ...SCOPE, prefix: 'key-1' }, 'request');
  assert.equal(same.id, one.id);
  assert.notEqual(other.id, one.id);
  await world.reaches(runs, other.id, isDraining);
  await world.endDue();
  await world.reaches(runs, other.id, isCompleted);
  assert.notEqual((await runs.start(SCOPE, 'request')).id, one.id);
});

test('the last twenty runs that ended are kept, and no more notes than that', async () => {
  const world = newWorld();
  const runs = await world.open({ scan: scanOf([]) });
  for (let count = 0; count < 30; count += 1) {
    const { id } = await runs.start({ ...SCOPE, prefix: `p${count}` }, 'request');
    await world.reaches(runs, id, isCompleted);
  }
  for (let turn = 0; turn < 50; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
  assert.deepEqual(
    runs.list().map(({ prefix }) => prefix),
    Array.from({ length: 20 }, (_, index) => `p${29 - index}`),
  );
  assert.equal((await world.notes.list('run:')).length, 20);
});
