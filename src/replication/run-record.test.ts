// The note of a run where two processes believe that they lead, and where nobody hears that it was written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DurableNotes } from '../core/durable-notes.ts';
import { openMemoryNotes } from '../queues/memory/memory-notes.ts';
import { waitingRun } from './run.ts';
import { RunRecord } from './run-record.ts';

const RUN = waitingRun({
  scope: { ruleName: 'photos', buckets: ['a'], prefix: '' },
  trigger: 'request',
  kind: 'backfill',
  id: 'one',
  createdAtMs: 1,
});

async function stateIn(notes: DurableNotes): Promise<string | undefined> {
  return (await RunRecord.load(notes, 'backfill'))[0]?.run.state;
}

test('a process that lost the lead and has not noticed revives no run that the next leader ended', async () => {
  const notes = openMemoryNotes();
  const former = await RunRecord.begin(notes, RUN);
  former.change({ state: 'listing' });
  await former.keep();
  const [next] = await RunRecord.load(notes, 'backfill');
  next?.change({ state: 'cancelled', endedAtMs: 2 });
  await next?.keep();
  former.addCounts({ listed: 5 });
  await assert.rejects(former.keep(), /Somebody else writes the note of the run one/);
  assert.equal(former.isAhead, true);
  assert.equal(await stateIn(notes), 'cancelled');
});

test('a write that was made and looks refused, because it was asked for twice, is no stranger', async () => {
  const notes = openMemoryNotes();
  const record = await RunRecord.begin(
    {
      ...notes,
      read: (name) => notes.read(name),
      list: (prefix) => notes.list(prefix),
      remove: (name, version) => notes.remove(name, version),
      write: async (name, value, version) => {
        await notes.write(name, value, version);
        return notes.write(name, value, version);
      },
    },
    RUN,
  );
  for (const state of ['listing', 'draining'] as const) {
    record.change({ state });
    await record.keep();
    assert.equal(await stateIn(notes), state);
  }
});

test('a write whose answer was lost does not stand in the way of the next one', async () => {
  const notes = openMemoryNotes();
  let isBroken = false;
  const record = await RunRecord.begin(
    {
      ...notes,
      list: (prefix) => notes.list(prefix),
      remove: (name, version) => notes.remove(name, version),
      write: (name, value, version) => notes.write(name, value, version),
      read: async (name) => {
        if (isBroken) throw new Error('The database is away');
        return notes.read(name);
      },
    },
    RUN,
  );
  isBroken = true;
  record.change({ state: 'listing' });
  await assert.rejects(record.keep(), /away/);
  assert.equal(await stateIn(notes), 'listing');
  isBroken = false;
  record.change({ state: 'draining' });
  await record.keep();
  assert.equal(await stateIn(notes), 'draining');
});
