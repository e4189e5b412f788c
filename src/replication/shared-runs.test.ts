// Two processes on one queue: one works on the runs, the other one asks for them, and the lead changes hands.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryNotes } from '../queues/memory/memory-notes.ts';
import { LeaderDuty } from './leader-duty.ts';
import type { Run, RunControl } from './run.ts';
import { Runs } from './runs.ts';
import { SharedRuns, startTakingUp } from './shared-runs.ts';
import { ManualLeadership } from './testing/manual-leadership.ts';
import { numberedKeys, scanOf } from './testing/run-world.ts';
import { RULE, World } from './testing/world.ts';

const SCOPE = { ruleName: RULE.name, buckets: [RULE.source.bucket], prefix: '' };

/** Processes that share a queue and its notes. */
class Fleet {
  readonly world = new World();
  readonly notes = openMemoryNotes();
  readonly #opened = new AsyncDisposableStack();
  #lastId = 0;

  async process(leadership: ManualLeadership, keys: readonly string[]): Promise<RunControl> {
    const { notes, world } = this;
    const { clock, queue } = world;
    const happenings = world.happenings();
    const newId = (): string => {
      this.#lastId += 1;
      return `run-${this.#lastId}`;
    };
    const duty = await LeaderDuty.open({
      leadership,
      clock,
      happenings,
      doing: 'working on runs',
      begin: async () => {
        const runs = await Runs.open({
          kind: 'backfill',
          rules: [RULE],
          queue,
          notes,
          clock,
          random: { next: () => 0.5 },
          newId,
          happenings,
          runHappenings: new Proxy({} as never, { get: () => () => {} }),
          scan: scanOf(keys, 10),
        });
        const takingUp = startTakingUp({ kind: 'backfill', notes, clock, happenings, runs });
        return {
          runs,
          stop: async () => void (await Promise.all([takingUp.stop(), runs.stop()])),
        };
      },
    });
    this.#opened.defer(() => duty.stop());
    return new SharedRuns({
      kind: 'backfill',
      notes,
      clock,
      newId,
      leading: () => duty.work?.runs ?? null,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}

/** Lets everything that is ready run until the run is so. */
async function reaches(control: RunControl, id: string, isSo: (run: Run) => boolean): Promise<Run> {
  let seen: Run | null = null;
  for (let turn = 0; turn < 100_000; turn += 1) {
    seen = await control.get(id);
    if (seen !== null && isSo(seen)) return seen;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  throw new Error(`The run never was so: ${JSON.stringify(seen)}`);
}

test('a run that a process without the lead is asked for is listed by the leader, under the id that was answered', async () => {
  await using fleet = new Fleet();
  const leader = await fleet.process(new ManualLeadership(true), numberedKeys(25));
  const follower = await fleet.process(new ManualLeadership(false), []);
  const { id, state } = await follower.start(SCOPE, 'request');
  assert.equal(state, 'waiting');
  assert.deepEqual(
    (await follower.list()).map((run) => run.id),
    [id],
    'shown before anybody took it up',
  );
  const listed = await reaches(leader, id, (run) => run.state === 'draining');
  assert.equal(listed.counts.listed, 25);
  assert.equal((await reaches(follower, id, (run) => run.state === 'draining')).counts.fed, 25);
  assert.equal((await follower.list()).length, 1);
  assert.deepEqual(await fleet.notes.list('run-wish:'), []);
});

test('the same scope asked for twice without the lead is one run', async () => {
  await using fleet = new Fleet();
  const follower = await fleet.process(new ManualLeadership(false), []);
  const first = await follower.start(SCOPE, 'request');
  assert.equal((await follower.start(SCOPE, 'request')).id, first.id);
});

test('a run is cancelled from a process without the lead', async () => {
  await using fleet = new Fleet();
  const leader = await fleet.process(new ManualLeadership(true), numberedKeys(5));
  const follower = await fleet.process(new ManualLeadership(false), []);
  const { id } = await follower.start(SCOPE, 'request');
  await reaches(leader, id, (run) => run.state === 'draining');
  assert.equal((await follower.cancel(id))?.state, 'cancelled');
  assert.equal((await leader.get(id))?.state, 'cancelled');
  assert.equal(await follower.cancel('unknown'), null);
});

test('when the lead changes hands the new leader goes on where the old one was', async () => {
  await using fleet = new Fleet();
  const first = new ManualLeadership(true);
  const second = new ManualLeadership(false);
  const one = await fleet.process(first, numberedKeys(40));
  const other = await fleet.process(second, numberedKeys(40));
  const { id } = await one.start(SCOPE, 'request');
  await reaches(one, id, (run) => run.counts.listed >= 10);
  first.isLeader = false;
  second.isLeader = true;
  const run = await reaches(other, id, ({ state }) => state === 'draining');
  assert.ok(run.counts.listed >= 40, 'nothing is left out');
  assert.ok(run.counts.listed <= 50, 'a page at most is listed again');
  assert.equal((await reaches(one, id, ({ state }) => state === 'draining')).id, id);
});

test('a duty whose beginning fails is tried again, and told; one that fails at the start fails the start', async () => {
  const world = new World();
  const { clock } = world;
  const troubles: string[] = [];
  const leadership = new ManualLeadership(false);
  let tries = 0;
  const options = {
    leadership,
    clock,
    happenings: {
      ...world.happenings(),
      workerTroubled: ({ doing }: { readonly doing: string }) => void troubles.push(doing),
    },
    doing: 'reading notes',
    begin: () => {
      tries += 1;
      if (tries < 3) throw new Error('no database');
      return { stop: async () => {} };
    },
  };
  const duty = await LeaderDuty.open(options);
  assert.equal(tries, 0);
  leadership.isLeader = true;
  while (duty.work === null) await new Promise<void>((resolve) => setImmediate(resolve));
  assert.deepEqual(troubles, ['reading notes', 'reading notes']);
  await duty.stop();
  assert.equal(duty.work, null);
  tries = 0;
  await assert.rejects(LeaderDuty.open(options), /no database/);
});
