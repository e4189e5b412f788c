import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import type { EffectAnswer } from '../../core/object-target.ts';
import { RULE, SOURCE, TARGET } from '../testing/world.ts';
import { fateName, GRACE_MS, MessageWorld, notificationOf } from './testing/message-world.ts';

const MIRROR = { ...RULE, deletes: 'mirror' } as const;
const LOST: EffectAnswer = { kind: 'unanswered', fault: new Fault('target_error', 'no answer') };

test('an object is copied, looked at target first, and its message acknowledged', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const fate = await world.runner().run(world.held([{ sizeBytes: 5 }]));
  assert.equal(fateName(fate), 'acknowledge');
  assert.equal(world.targetText(), 'hello');
  // Nothing is taken for absent, and nothing looked at afterwards where nothing can go back.
  assert.deepEqual(world.calls, ['target.look', 'source.read', 'target.insert']);
  assert.deepEqual(world.names(), ['changeAccepted', 'transferStarted', 'transferFinished']);
  assert.deepEqual(await world.sent(), []);
});

test('where deletes are mirrored, the source is looked at again after a write, a delete and a metadata update', async () => {
  const world = new MessageWorld();
  const runner = world.runner({ rules: [MIRROR] });
  const callsOf = async (): Promise<string[]> => {
    world.calls.length = 0;
    assert.equal(fateName(await runner.run(world.held())), 'acknowledge');
    return [...world.calls];
  };
  world.put('one');
  assert.deepEqual(await callsOf(), ['target.look', 'source.read', 'target.insert', 'source.look']);
  world.put('one', { other: 'metadata' });
  assert.deepEqual(await callsOf(), ['target.look', 'source.look', 'target.updateMetadata', 'source.look']);
  assert.deepEqual(await callsOf(), ['target.look', 'source.look']);
  world.source.remove(SOURCE);
  assert.deepEqual(await callsOf(), ['target.look', 'source.look', 'target.remove', 'source.look']);
  assert.equal(world.targetText(), null);
});

test('a bucket counts as versioned from the first answer or notification that names a version on', async () => {
  const world = new MessageWorld();
  world.source.setVersioning('from', 'enabled');
  world.put('one');
  await world.runner().run(world.held());
  assert.deepEqual(world.calls, ['target.look', 'source.read', 'target.insert', 'source.look']);

  const plain = new MessageWorld();
  plain.put('one');
  await plain.runner().run(plain.held([{ versionId: 'v7' }]));
  assert.deepEqual(plain.calls, ['target.look', 'source.read', 'target.insert', 'source.look']);
});

test('another state after the effect is brought over before the message is acknowledged', async () => {
  const world = new MessageWorld();
  world.put('one');
  const insert = world.target.insert.bind(world.target);
  const runner = world.runner({
    rules: [MIRROR],
    target: {
      insert: async (request, signal) => {
        const answer = await insert(request, signal);
        if (Buffer.from(request.body).toString() === 'one') world.put('two');
        return answer;
      },
    },
  });
  assert.equal(fateName(await runner.run(world.held())), 'acknowledge');
  assert.equal(world.targetText(), 'two');
});

test('a message that somebody else had before is followed by a look after the grace', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const fate = await world.runner().run(world.held([{}], { receiveCount: 2 }));
  assert.equal(fateName(fate), 'acknowledge');
  assert.deepEqual(await world.sent(GRACE_MS / 1000 - 1), []);
  const [again] = await world.sent(1);
  assert.equal(again?.reason, 'taken_over');
  // It asks for nothing more by itself.
  assert.equal(fateName(await world.runner().run(world.holding(again?.body ?? ''))), 'acknowledge');
  assert.deepEqual(await world.sent(), []);
});

test('an effect that nobody answered is tried again soon, and looked after once the grace is over', async () => {
  const world = new MessageWorld();
  world.put('hello');
  let isLost = true;
  const insert = world.target.insert.bind(world.target);
  const runner = world.runner({
    target: {
      insert: async (request, signal) => {
        if (!isLost) return insert(request, signal);
        isLost = false;
        return LOST;
      },
    },
  });
  assert.equal(fateName(await runner.run(world.held())), 'acknowledge');
  assert.equal(world.targetText(), 'hello');
  assert.deepEqual(await world.sent(GRACE_MS / 1000 - 1), []);
  assert.deepEqual(
    (await world.sent(1)).map(({ reason }) => reason),
    ['unanswered'],
  );
});

test('what fails goes on by copies with growing pauses, and stays for a person when it failed too often', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const runner = world.runner({
    backoffMs: 20_000,
    target: { look: () => Promise.reject(new Fault('target_error', 'broken')) },
  });
  assert.equal(fateName(await runner.run(world.held())), 'acknowledge');
  const [first] = await world.sent(20);
  assert.deepEqual(first?.carried, { attemptCount: 1, waitCount: 0 });
  assert.equal(fateName(await runner.run(world.holding(first?.body ?? ''))), 'acknowledge');
  assert.deepEqual(await world.sent(39), []);
  const [second] = await world.sent(1);
  assert.deepEqual(second?.carried, { attemptCount: 2, waitCount: 0 });
  assert.equal(fateName(await runner.run(world.holding(second?.body ?? ''))), 'leave: target_error');
  assert.deepEqual(await world.sent(), []);
});

test('a store that asks for fewer requests never brings a message to the dead letters', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const throttled = (): Fault => new Fault('target_throttled', 'slower', { retryAfterMs: 30_000 });
  const runner = world.runner({ target: { look: () => Promise.reject(throttled()) } });
  let body = notificationOf([]);
  let held = world.held();
  for (let round = 1; round <= 12; round += 1) {
    assert.equal(fateName(await runner.run(held)), 'acknowledge');
    const [copy] = await world.sent();
    assert.deepEqual(copy?.carried, { attemptCount: 0, waitCount: round });
    body = copy?.body ?? '';
    held = world.holding(body);
  }
});

test('what needs a person stays in the queue as it is, with one line that names fault and remedy', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const denied = new Fault('access_denied', 's3:GetObject is denied');
  const runner = world.runner({ source: { read: () => Promise.reject(denied) } });
  assert.equal(fateName(await runner.run(world.held([{}], { receiveCount: 3 }))), 'leave: access_denied');
  const told = world.told.filter(({ name }) => name === 'transferLeft');
  assert.deepEqual(
    told.map(({ event }) => [event['fault'], event['receiveCount']]),
    [[denied, 3]],
  );
  assert.deepEqual(await world.sent(), []);
});

test('of a message with several records only what failed goes on, by itself', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const reserved = { key: '.replicator-parts/x' };
  const records = JSON.parse(world.held([{}, reserved]).body) as { Records: unknown[] };
  records.Records.push({ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put' });
  const message = world.holding(JSON.stringify(records));
  assert.equal(fateName(await world.runner().run(message)), 'acknowledge');
  assert.equal(world.targetText(), 'hello');
  const sent = await world.sent(0);
  assert.equal(sent.length, 2);
  const fates = await Promise.all(sent.map(({ body }) => world.runner().run(world.holding(body))));
  assert.deepEqual(fates.map(fateName), ['leave: a record', 'leave: reserved_name']);
  assert.deepEqual(await world.sent(), []);
});

test('test events, foreign changes and empty documents are acknowledged; what nobody understands stays', async () => {
  const world = new MessageWorld();
  const fates = await Promise.all(
    [
      '{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"from"}',
      world.held([{ bucket: 'other' }]).body,
      '{"Records":[]}',
      'hello',
      '{"some":"document"}',
    ].map((body) => world.runner().run(world.holding(body))),
  );
  assert.deepEqual(fates.map(fateName), [
    'acknowledge',
    'acknowledge',
    'acknowledge',
    'leave: a record',
    'leave: a record',
  ]);
  assert.deepEqual(world.names(), [
    'changeIgnored',
    'changeIgnored',
    'changeIgnored',
    'recordLeft',
    'recordLeft',
  ]);
  assert.deepEqual(await world.sent(), []);
});

test('without a queue to send to, whatever would need another look is no success', async () => {
  const world = new MessageWorld();
  world.put('hello');
  let isLost = true;
  const insert = world.target.insert.bind(world.target);
  const runner = world.runner({
    send: null,
    target: {
      insert: async (request, signal) => {
        const answer = await insert(request, signal);
        if (!isLost) return answer;
        isLost = false;
        return LOST;
      },
    },
  });
  assert.equal(fateName(await runner.run(world.held())), 'leave: target_error');
  assert.equal(world.targetText(), 'hello');
  assert.equal(fateName(await runner.run(world.held())), 'acknowledge');
  assert.deepEqual(world.target.bytesOf(TARGET), Buffer.from('hello'));
});
