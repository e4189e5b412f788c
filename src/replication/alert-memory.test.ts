import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryNotes } from '../queues/memory/memory-notes.ts';
import type { Condition } from './alert-conditions.ts';
import { afterDelivery, afterLook, type AlertMemory, dueMessages } from './alert-memory.ts';
import { StoredAlerts } from './stored-alerts.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const T0 = Date.UTC(2026, 10, 23);
const TROUBLE: Condition = {
  key: 'parked:access_denied:photos',
  kind: 'parked',
  ruleName: 'photos',
  faultCode: 'access_denied',
  store: null,
  title: 'Parked',
  detail: '3 transfers are parked.',
  remedy: 'Grant it.',
  count: 3,
  sinceMs: null,
};
const KNOWN = new Set<never>();

/** A memory that lives through looks; `deliver` says that everything due arrived, and tells what it was. */
function remember() {
  let memory: AlertMemory = new Map();
  return {
    look(atMs: number, found: readonly Condition[]) {
      const step = afterLook(memory, found, KNOWN, T0 + atMs);
      ({ memory } = step);
      return { began: step.began.length, ended: step.ended.length };
    },
    deliver(atMs: number): string[] {
      const due = dueMessages(memory, T0 + atMs);
      for (const told of due) memory = afterDelivery(memory, told, T0 + atMs);
      return due.map(({ state, sentCount }) => `${state} ${sentCount}`);
    },
    due: (atMs: number) => dueMessages(memory, T0 + atMs).map(({ state }) => state),
    get memory() {
      return memory;
    },
    set memory(kept: AlertMemory) {
      memory = kept;
    },
  };
}

test('a trouble is told after half a minute, once; a blip is not told at all', () => {
  const seen = remember();
  seen.look(0, [TROUBLE]);
  seen.look(29_999, [TROUBLE]);
  assert.deepEqual(seen.due(29_999), []);
  assert.deepEqual(seen.look(30_000, []), { began: 0, ended: 0 });
  assert.equal(seen.memory.size, 0);
  seen.look(40_000, [TROUBLE]);
  assert.deepEqual(seen.look(70_000, [TROUBLE]), { began: 1, ended: 0 });
  assert.deepEqual(seen.deliver(70_000), ['active 0']);
  assert.deepEqual(seen.look(80_000, [TROUBLE]), { began: 0, ended: 0 });
  assert.deepEqual(seen.deliver(80_000), []);
});

test('it is told again after a day, counted from the message before', () => {
  const seen = remember();
  seen.look(0, [TROUBLE]);
  seen.look(30_000, [TROUBLE]);
  seen.deliver(30_000);
  seen.look(30_000 + DAY_MS - 1, [TROUBLE]);
  assert.deepEqual(seen.deliver(30_000 + DAY_MS - 1), []);
  seen.look(30_000 + DAY_MS, [TROUBLE]);
  assert.deepEqual(seen.deliver(30_000 + DAY_MS), ['active 1']);
  assert.deepEqual(seen.deliver(30_000 + DAY_MS + 1), []);
});

test('its end is told when it stayed away for two minutes; one that returns sooner is the same trouble', () => {
  const seen = remember();
  seen.look(0, [TROUBLE]);
  seen.look(30_000, [TROUBLE]);
  seen.deliver(30_000);
  seen.look(40_000, []);
  assert.deepEqual(seen.look(159_999, []), { began: 0, ended: 0 });
  assert.deepEqual(seen.look(159_999, [TROUBLE]), { began: 0, ended: 0 });
  assert.deepEqual(seen.deliver(159_999), []);
  seen.look(170_000, []);
  assert.deepEqual(seen.look(290_000, []), { began: 0, ended: 1 });
  assert.deepEqual(seen.deliver(290_000), ['ended 1']);
  assert.equal(seen.memory.size, 0);
});

test('a trouble that ended while nobody could be told is told as ended, once', () => {
  const seen = remember();
  seen.look(0, [TROUBLE]);
  seen.look(30_000, [TROUBLE]);
  seen.look(40_000, []);
  assert.deepEqual(seen.due(40_000), [], 'It may be over: the first message would be wrong');
  seen.look(160_000, []);
  assert.deepEqual(seen.deliver(160_000), ['ended 0']);
});

test('an end that could not be told is taken back where the trouble returns', () => {
  const seen = remember();
  seen.look(0, [TROUBLE]);
  seen.look(30_000, [TROUBLE]);
  seen.deliver(30_000);
  seen.look(40_000, []);
  seen.look(160_000, []);
  assert.deepEqual(seen.due(160_000), ['ended']);
  assert.deepEqual(seen.look(170_000, [TROUBLE]), { began: 1, ended: 0 });
  assert.deepEqual(seen.due(170_000), []);
});

test('what nobody could look for is neither over nor forgotten', () => {
  const seen = remember();
  seen.look(0, [TROUBLE]);
  seen.look(30_000, [TROUBLE]);
  const { memory } = seen;
  const step = afterLook(memory, [], new Set(['parked'] as const), T0 + DAY_MS);
  assert.deepEqual(step.memory, memory);
  assert.deepEqual(step.ended, []);
});

test('it began with its first transfer, also when that one is cured', () => {
  const seen = remember();
  seen.look(0, [{ ...TROUBLE, sinceMs: T0 - 5_000 }]);
  seen.look(30_000, [{ ...TROUBLE, sinceMs: T0 + 20_000, count: 2 }]);
  const [kept] = seen.memory.values();
  assert.equal(kept?.alert.sinceMs, T0 - 5_000);
  assert.equal(kept?.alert.count, 2);
});

test('times that a wrong clock left in the future delay nothing for ever', () => {
  const seen = remember();
  seen.look(10 * DAY_MS, [TROUBLE]);
  seen.look(10 * DAY_MS + 30_000, [TROUBLE]);
  seen.deliver(10 * DAY_MS + 30_000);
  seen.look(60_000, []);
  seen.look(70_000, []);
  assert.deepEqual(seen.look(180_000, []), { began: 0, ended: 1 });
});

test('a message that was sent by a wrong clock is repeated a day after the clock was put right', () => {
  const seen = remember();
  seen.look(100 * DAY_MS, [TROUBLE]);
  seen.look(100 * DAY_MS + 30_000, [TROUBLE]);
  assert.deepEqual(seen.deliver(100 * DAY_MS + 30_000), ['active 0']);
  seen.look(60_000, [TROUBLE]);
  seen.look(60_000 + DAY_MS - 1, [TROUBLE]);
  assert.deepEqual(seen.due(60_000 + DAY_MS - 1), []);
  assert.deepEqual(seen.due(60_000 + DAY_MS), ['active']);
});

test('a restart knows what was sent, what is due and what ended; what has not settled is noticed again', async () => {
  const notes = openMemoryNotes();
  const seen = remember();
  const others = ['sent', 'due', 'ended'].map((key) => ({ ...TROUBLE, key }));
  seen.look(0, others);
  seen.look(30_000, others);
  seen.memory = afterDelivery(
    seen.memory,
    seen.memory.get('sent') ?? assert.fail('Nothing is remembered of it'),
    T0 + 30_000,
  );
  const lasting = others.filter(({ key }) => key !== 'ended');
  seen.look(40_000, lasting);
  seen.look(160_000, [...lasting, { ...TROUBLE, key: 'new' }]);
  await new StoredAlerts(notes).save(seen.memory);

  const restarted = remember();
  restarted.memory = await new StoredAlerts(notes).load();
  assert.deepEqual([...restarted.memory.keys()], ['sent', 'due', 'ended']);
  assert.deepEqual(restarted.deliver(170_000), ['active 0', 'ended 0']);
  restarted.look(180_000, lasting);
  assert.deepEqual(restarted.deliver(180_000), []);
});

test('a note of no use is as good as none', async () => {
  for (const text of ['{', '[1, {"state": "active"}]', '{"alerts": 1}']) {
    const notes = openMemoryNotes();
    await notes.write('alerts/memory', text, null);
    const stored = new StoredAlerts(notes);
    assert.equal((await stored.load()).size, 0);
    const seen = remember();
    seen.look(0, [TROUBLE]);
    seen.look(30_000, [TROUBLE]);
    await stored.save(seen.memory);
    assert.equal((await new StoredAlerts(notes).load()).size, 1);
  }
});
