// Reconciles with the real worker behind them: what is lost is found, healed and counted; what cannot change is not
// tried night after night.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Fault } from '../core/faults.ts';
import type { Rule } from '../core/rule.ts';
import { type ListedStores } from './merge-listings.ts';
import { scanDifferences } from './reconcile.ts';
import { ReconcileSchedule, wholeRule } from './reconcile-schedule.ts';
import { NO_COUNTS, type Run } from './run.ts';
import { RunWorld } from './testing/run-world.ts';
import { makeRelation } from './testing/two-trees.ts';
import { LEASE_MS, RULE, type World } from './testing/world.ts';
import { Worker } from './worker.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const HOUR_MS = 3_600_000;
const MIRROR: Rule = { ...RULE, deletes: 'mirror' };

/** A world in which a worker runs; `reconcile` runs one to its end. */
function startWorld(options: {
  readonly rule: Rule;
  readonly source?: (world: World) => ListedStores['source'];
  readonly failsFor?: string;
}): { readonly runs: RunWorld; readonly reconcile: () => Promise<Run> } {
  const { rule, failsFor } = options;
  const runs = new RunWorld();
  const { world } = runs;
  const check = (key: string): void => {
    if (key === failsFor) throw new Fault('access_denied', 'denied on purpose');
  };
  const stores = world.stores({
    source: {
      look: async (at, signal) => {
        check(at.key);
        return world.source.look(at, signal);
      },
      read: async (request, signal) => {
        check(request.location.key);
        return world.source.read(request, signal);
      },
    },
  });
  const worker = new Worker({
    queue: world.queue,
    rules: [rule],
    stores,
    clock: world.clock,
    random: { next: () => 0.5 },
    happenings: world.happenings(),
    maxConcurrency: 4,
    maxAttempts: 3,
    backoff: { baseMs: 1000, capMs: 300_000 },
    leaseMs: LEASE_MS,
  });
  worker.start();
  stops.push(
    () => runs.stop(),
    () => worker.stop(0),
  );
  const listed = { source: options.source?.(world) ?? world.source, target: world.target };
  return {
    runs,
    reconcile: async () => {
      const open = await runs.open({
        kind: 'reconcile',
        rules: [rule],
        scan: (request, signal) =>
          scanDifferences({ ...listed, queue: world.queue, clock: world.clock }, request, signal),
      });
      const { id } = await open.start(wholeRule(rule), 'request');
      return runs.reaches(open, id, ({ endedAtMs }) => endedAtMs !== null);
    },
  };
}

function numbersOf({ state, counts }: Run): Record<string, unknown> {
  const { missing, different, orphans, pending, kept, fed, ended, parked, healed, fresh } = counts;
  const all = { missing, different, orphans, pending, kept, fed, ended, parked, healed, fresh };
  return { state, ...Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0)) };
}

test('what was lost is found, healed and counted, and the next reconcile finds nothing', async () => {
  const { runs, reconcile } = startWorld({ rule: MIRROR });
  const { source, target, clock } = runs.world;
  const make = (key: string, relation: Parameters<typeof makeRelation>[0]['relation']): void =>
    makeRelation({ source, target, rule: MIRROR, at: { bucket: 'from', key }, relation });
  for (const relation of [
    'equal',
    'missing',
    'foreign',
    'rewritten',
    'edited',
    'orphan',
    'orphan_adopted',
  ] as const)
    make(relation, relation);
  // The same bytes put again: only the stamp is renewed, and nothing had been lost that anybody could miss.
  make('older', 'older');
  clock.advance(HOUR_MS);
  const first = await reconcile();
  assert.deepEqual(numbersOf(first), {
    state: 'completed',
    missing: 1,
    different: 4,
    orphans: 1,
    kept: 1,
    fed: 6,
    ended: 6,
    healed: 5,
  });
  assert.deepEqual(first.counts.outcomes, { replicated: 4, deleted: 1, already_current: 1 });
  assert.deepEqual([first.counts.held, first.counts.appeared], [6, 1]);
  const healed = runs.told.filter(({ name }) => name === 'differenceHealed');
  assert.equal(healed.length, 5);
  const found = runs.told.find(({ name }) => name === 'differencesFound')?.event;
  assert.deepEqual([found?.['missing'], found?.['different'], found?.['orphans']], [1, 4, 2]);

  clock.advance(HOUR_MS);
  assert.deepEqual(numbersOf(await reconcile()), { state: 'completed', kept: 1 });
});

test('a reconcile that is cut off goes on where it was: every difference is found once and healed', async () => {
  const { runs } = startWorld({ rule: RULE });
  const { source, target, clock, queue } = runs.world;
  for (let index = 0; index < 3500; index += 1) {
    const relation = index % 7 === 0 ? 'missing' : 'equal';
    makeRelation({ source, target, rule: RULE, at: { bucket: 'from', key: `key ${index}` }, relation });
  }
  clock.advance(HOUR_MS);
  const lists: string[] = [];
  const open = async (): ReturnType<RunWorld['open']> =>
    runs.open({
      kind: 'reconcile',
      scan: (request, signal) => {
        lists.push(request.after ?? 'the begin');
        return scanDifferences({ source, target, queue, clock }, request, signal);
      },
    });
  const first = await open();
  const { id } = await first.start(wholeRule(RULE), 'request');
  await runs.reaches(first, id, ({ counts }) => counts.listed >= 1000);
  const second = await open();
  const run = await runs.reaches(second, id, ({ endedAtMs }) => endedAtMs !== null);
  assert.equal(lists.length, 2);
  assert.notEqual(lists[1], 'the begin');
  assert.deepEqual(numbersOf(run), { state: 'completed', missing: 500, fed: 500, ended: 500, healed: 500 });
  assert.deepEqual([run.counts.listed, run.counts.held, run.counts.appeared], [3500, 3000, 500]);
});

test('where deletes are ignored, what only the target has is counted and stays', async () => {
  const { runs, reconcile } = startWorld({ rule: RULE });
  const { source, target, clock } = runs.world;
  makeRelation({ source, target, rule: RULE, at: { bucket: 'from', key: 'gone' }, relation: 'orphan' });
  clock.advance(HOUR_MS);
  assert.deepEqual(numbersOf(await reconcile()), { state: 'completed', kept: 1 });
});

test('a foreign object that is adopted as it is is fed once and then agrees', async () => {
  const rule: Rule = { ...RULE, adopt: 'size' };
  const { runs, reconcile } = startWorld({ rule });
  const { source, target, clock } = runs.world;
  makeRelation({ source, target, rule, at: { bucket: 'from', key: 'theirs' }, relation: 'foreign' });
  clock.advance(HOUR_MS);
  assert.equal((await reconcile()).counts.fed, 1);
  clock.advance(HOUR_MS);
  assert.deepEqual(numbersOf(await reconcile()), { state: 'completed' });
});

test('what is parked is not tried again by a reconcile, and is no lost change', async () => {
  const { runs, reconcile } = startWorld({ rule: RULE, failsFor: 'denied' });
  const { source, target, clock } = runs.world;
  makeRelation({ source, target, rule: RULE, at: { bucket: 'from', key: 'denied' }, relation: 'missing' });
  clock.advance(HOUR_MS);
  assert.deepEqual(numbersOf(await reconcile()), {
    state: 'completed',
    missing: 1,
    fed: 1,
    ended: 1,
    parked: 1,
  });
  clock.advance(HOUR_MS);
  assert.deepEqual(numbersOf(await reconcile()), { state: 'completed', pending: 1 });
});

test('a listing that always tells another time than a look is examined once, not at each reconcile', async () => {
  const { runs, reconcile } = startWorld({
    rule: RULE,
    source: ({ source }) => ({
      list: async (request, signal) => {
        const page = await source.list(request, signal);
        const entries = page.entries.map((entry) => ({
          ...entry,
          lastModifiedMs: entry.lastModifiedMs + 1000,
        }));
        return { ...page, entries };
      },
    }),
  });
  const { source, target, clock } = runs.world;
  makeRelation({ source, target, rule: RULE, at: { bucket: 'from', key: 'rounded' }, relation: 'equal' });
  clock.advance(HOUR_MS);
  const first = await reconcile();
  assert.deepEqual(
    [first.counts.fed, first.counts.outcomes, first.counts.healed],
    [1, { already_current: 1 }, 0],
  );
  clock.advance(HOUR_MS);
  assert.deepEqual(numbersOf(await reconcile()), { state: 'completed' });
});

test('what changed a moment ago is copied and not counted as lost', async () => {
  const { runs, reconcile } = startWorld({ rule: RULE });
  const { source, target } = runs.world;
  makeRelation({ source, target, rule: RULE, at: { bucket: 'from', key: 'new' }, relation: 'missing' });
  const run = await reconcile();
  assert.deepEqual(numbersOf(run), { state: 'completed', fed: 1, ended: 1, fresh: 1 });
  assert.deepEqual(run.counts.outcomes, { replicated: 1 });
});

test('a rule is reconciled each interval; restarts neither skip a run nor repeat one', async () => {
  const { world, notes } = new RunWorld();
  const { clock } = world;
  const begunMs = clock.nowMs();
  const hours: number[] = [];
  const open = async (): Promise<ReconcileSchedule> => {
    const schedule = await ReconcileSchedule.open({
      rules: [RULE],
      notes,
      clock,
      happenings: world.happenings(),
      runHappenings: { reconcileKnown: () => {} },
      intervalMs: 24 * HOUR_MS,
    });
    schedule.start({
      start: async ({ ruleName }) => {
        assert.equal(ruleName, 'default');
        hours.push(Math.round((clock.nowMs() - begunMs) / HOUR_MS));
        return { ...NO_RUN, createdAtMs: clock.nowMs() };
      },
    });
    return schedule;
  };
  // Every life is shorter than the interval, and some are over before the first hour is.
  for (const lifeHours of [0.3, 0.3, 2, 10, 0.1, 30, 40, 5]) {
    const schedule = await open();
    const untilMs = clock.nowMs() + lifeHours * HOUR_MS;
    while (clock.nowMs() < untilMs) await clock.sleep(60_000, new AbortController().signal);
    await schedule.stop();
  }
  assert.deepEqual(hours, [1, 25, 49, 73]);
});

test('after a failure the next run comes within the hour, after a complete one an interval after its begin', async () => {
  const { world, notes } = new RunWorld();
  const { clock } = world;
  const known: unknown[] = [];
  const open = async (): Promise<ReconcileSchedule> =>
    ReconcileSchedule.open({
      rules: [RULE],
      notes,
      clock,
      happenings: world.happenings(),
      runHappenings: { reconcileKnown: (event) => void known.push(event) },
      intervalMs: 24 * HOUR_MS,
    });
  const dueInHours = async (): Promise<number> => {
    const note = await notes.read('reconcile-plan:default');
    return ((JSON.parse(note?.value ?? '{}') as { dueAtMs: number }).dueAtMs - clock.nowMs()) / HOUR_MS;
  };
  const schedule = await open();
  assert.equal(await dueInHours(), 1);
  await schedule.ended({
    ...NO_RUN,
    state: 'completed',
    createdAtMs: clock.nowMs(),
    endedAtMs: clock.nowMs(),
  });
  assert.equal(await dueInHours(), 24);
  await schedule.ended({ ...NO_RUN, state: 'failed', createdAtMs: clock.nowMs() });
  assert.equal(await dueInHours(), 1);
  assert.deepEqual(known, []);
  await open();
  assert.deepEqual(known, [{ ruleName: 'default', completedAtMs: clock.nowMs() }]);
});

const NO_RUN: Run = {
  id: 'run',
  kind: 'reconcile',
  ruleName: 'default',
  buckets: ['from'],
  prefix: '',
  state: 'waiting',
  trigger: 'schedule',
  position: { bucketIndex: 0, after: null },
  createdAtMs: 0,
  startedAtMs: null,
  endedAtMs: null,
  counts: NO_COUNTS,
  fault: null,
};
