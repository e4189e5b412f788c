// The poller on good days: what becomes of every kind of message, and that nothing slow holds the others back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransferQueue } from '../../core/transfer-queue.ts';
import {
  BRIDGED,
  KEY,
  NATIVE,
  keyRecord,
  s3Record,
  snsEnvelope,
  sqsRecord,
  TEST_EVENT,
} from '../sample-documents.ts';
import { notificationOf, openPollerWorld, pass } from './testing/poller-world.ts';

/** An insert that waits until the test lets it go on. */
function heldInserts(): {
  readonly accept: (own: TransferQueue['accept']) => TransferQueue['accept'];
  readonly held: (() => void)[];
  letGo(): void;
} {
  const held: (() => void)[] = [];
  let isOpen = false;
  return {
    held,
    accept: (own) => async (request) => {
      if (!isOpen) await new Promise<void>((resolve) => held.push(resolve));
      return own(request);
    },
    letGo() {
      isOpen = true;
      for (const go of held.splice(0)) go();
    },
  };
}

test('a message is deleted after its change is stored, never before', async () => {
  const inserts = heldInserts();
  const world = openPollerWorld({ accept: inserts.accept });
  await world.send(notificationOf('a'));
  await world.until('the insert', () => inserts.held.length === 1);
  await world.settle();
  assert.equal(world.messages.size, 1);
  assert.equal(world.poller.state().inHand, 1);
  inserts.letGo();
  await world.until('the delete', () => world.messages.size === 0);
  assert.deepEqual(await world.keys(), ['a']);
  await world.stop();
  assert.deepEqual(world.results, { accepted: 1 });
  assert.equal(world.poller.state().inHand, 0);
});

test('the same change is understood in every wrapping that AWS has for a queue', async () => {
  const world = openPollerWorld();
  const wrappings = [
    NATIVE,
    BRIDGED,
    snsEnvelope(NATIVE),
    snsEnvelope(BRIDGED),
    snsEnvelope(snsEnvelope(NATIVE)),
    { Records: [sqsRecord(snsEnvelope(NATIVE))] },
  ];
  await world.send(...wrappings);
  await world.until('the deletes', () => world.messages.size === 0);
  await world.stop();
  assert.deepEqual(world.results, { accepted: wrappings.length });
  assert.deepEqual(await world.keys(), [KEY]);
});

test('test events, other services and other buckets are acknowledged and make no work', async () => {
  const world = openPollerWorld();
  const otherBucket = s3Record({ key: 'k' }, { s3: { bucket: { name: 'other' }, object: { key: 'k' } } });
  const confirmation = { Type: 'SubscriptionConfirmation', Message: 'You have chosen to subscribe' };
  await world.send(
    TEST_EVENT,
    snsEnvelope(TEST_EVENT),
    { Records: [otherBucket] },
    { Records: [{ eventSource: 'aws:kinesis' }] },
    { ...BRIDGED, source: 'aws.ec2' },
    confirmation,
  );
  await world.until('the deletes', () => world.messages.size === 0);
  await world.stop();
  assert.deepEqual(world.results, { ignored: 6 });
  assert.deepEqual(await world.keys(), []);
  assert.equal((await world.queue.counts()).quarantined, 0);
});

test('what cannot be understood is kept word by word in the quarantine and deleted, the rest of it is taken', async () => {
  const world = openPollerWorld();
  const bodies = [
    'not JSON at all',
    '',
    '{"Records":[',
    '['.repeat(500),
    '{"hello":"world"}',
    '\u0000\u0001',
  ];
  await world.send(...bodies, { Records: [keyRecord('good'), keyRecord('%zz')] });
  await world.until('the deletes', () => world.messages.size === 0);
  await world.stop();
  assert.deepEqual(world.results, { quarantined: bodies.length, accepted: 1 });
  assert.deepEqual(await world.keys(), ['good']);
  const { records } = await world.queue.listQuarantine({ cursor: null, limit: 100 });
  assert.deepEqual(
    records.map(({ raw }) => raw).toSorted(),
    [...bodies, JSON.stringify(keyRecord('%zz'))].toSorted(),
  );
});

test('what arrived together is stored in one transaction and deleted in one call', async () => {
  const calls: string[] = [];
  const world = openPollerWorld({
    accept: (own) => async (request) => {
      calls.push(`store ${request.items.length}`);
      return own(request);
    },
    messages: {
      trouble: (call) => {
        if (call === 'delete') calls.push('delete');
        return null;
      },
    },
  });
  await world.send(...Array.from({ length: 10 }, (_, index) => notificationOf(`k${index}`)));
  await world.until('the deletes', () => world.messages.size === 0);
  await world.stop();
  assert.deepEqual(calls, ['store 10', 'delete']);
});

test('a batch that is stored slowly holds no other back, and its messages stay hidden meanwhile', async () => {
  const held: (() => void)[] = [];
  const world = openPollerWorld({
    accept: (own) => async (request) => {
      if (request.items.some(({ source }) => source.key === 'slow'))
        await new Promise<void>((resolve) => held.push(resolve));
      return own(request);
    },
  });
  await world.send(notificationOf('slow'));
  await world.until('the slow insert', () => held.length === 1);
  await world.send(notificationOf('quick'));
  await world.until('the quick one', () => world.messages.size === 1);
  assert.deepEqual(await world.keys(), ['quick']);
  await pass(world, 10 * 60_000);
  assert.equal(held.length, 1, 'The slow message was not given again');
  for (const go of held) go();
  await world.until('the slow one', () => world.messages.size === 0);
  await world.stop();
  assert.deepEqual(world.results, { accepted: 2 });
});

test('messages in hand are bounded, and the rest stays in the queue', async () => {
  const inserts = heldInserts();
  const world = openPollerWorld({ accept: inserts.accept });
  await world.send(...Array.from({ length: 900 }, (_, index) => notificationOf(`k${index}`)));
  await world.until('enough in hand', () => world.poller.state().inHand >= 400);
  await world.settle();
  assert.ok(world.poller.state().inHand <= 400 + 8 * 10);
  inserts.letGo();
  await world.until('the deletes', () => world.messages.size === 0);
  await world.stop();
  assert.equal((await world.keys()).length, 900);
});

test('large bodies are bounded by their bytes', async () => {
  const inserts = heldInserts();
  const world = openPollerWorld({ accept: inserts.accept });
  const filler = 'x'.repeat(900 * 1024);
  await world.send(
    ...Array.from({ length: 160 }, (_, index) => ({ Records: [keyRecord(`k${index}`)], filler })),
  );
  await world.until('enough in hand', () => world.poller.state().inHand >= 20);
  await world.settle();
  assert.ok(world.poller.state().inHand <= 100, `${world.poller.state().inHand} messages of 900 KiB`);
  inserts.letGo();
  await world.until('the deletes', () => world.messages.size === 0);
  await world.stop();
});

test('a queue that gives messages twice and in any order loses nothing and makes no second transfer', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  let state = seed;
  const next = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
  const world = openPollerWorld({
    messages: {
      choose: (count) => next(count),
      isDoubled: ({ receiveCount }) => receiveCount < 4 && next(3) === 0,
    },
  });
  const names = Array.from({ length: 200 }, (_, index) => `k${String(index).padStart(3, '0')}`);
  await world.send(...names.map((name) => notificationOf(name)));
  await world.until('the deletes', async () => {
    if (world.messages.size > 0) world.clock.advance(1_000);
    return world.messages.size === 0;
  });
  await world.stop();
  assert.deepEqual(await world.keys(), names);
});

test('the state tells how many messages wait and when the last one came', async () => {
  const world = openPollerWorld();
  assert.deepEqual(world.poller.state(), {
    queueUrl: 'https://sqs.eu-central-1.amazonaws.com/111122223333/changes',
    trouble: null,
    pause: null,
    inHand: 0,
    receivedAtMs: null,
    waiting: null,
  });
  await world.until('the facts', () => world.poller.state().waiting === 0);
  await pass(world, 5_000);
  await world.send(notificationOf('a'));
  await world.until('the delete', () => world.messages.size === 0);
  assert.equal(world.poller.state().receivedAtMs, world.clock.nowMs());
  await world.stop();
});

test('stopping ends the long poll within a second, and takes what the queue has just given', async () => {
  const world = openPollerWorld();
  await world.settle();
  const stopped = world.poller.stop(60_000);
  await world.send(notificationOf('last'));
  await world.until('the delete', () => world.messages.size === 0);
  await pass(world, 1_000);
  await stopped;
  assert.equal(world.clock.sleeperCount, 0);
  assert.deepEqual(await world.keys(), ['last']);
});

test('stopping stores and deletes what was received before, within the grace', async () => {
  const inserts = heldInserts();
  const world = openPollerWorld({ accept: inserts.accept });
  await world.send(notificationOf('a'), notificationOf('b'));
  await world.until('the insert', () => inserts.held.length === 1);
  const stopped = world.poller.stop(20_000);
  await pass(world, 10_000);
  inserts.letGo();
  await stopped;
  assert.equal(world.messages.size, 0);
  assert.deepEqual(await world.keys(), ['a', 'b']);
});

test('what could not be stored within the grace is given back at once, and nothing is deleted', async () => {
  const inserts = heldInserts();
  const world = openPollerWorld({ accept: inserts.accept });
  await world.send(notificationOf('a'));
  await world.until('the insert', () => inserts.held.length === 1);
  let hasStopped = false;
  const stopped = world.poller.stop(20_000).finally(() => {
    hasStopped = true;
  });
  await pass(world, 17_000);
  assert.equal(hasStopped, false);
  await pass(world, 2_000);
  await stopped;
  assert.deepEqual(world.results, { returned: 1 });
  const [again] = await world.messages.receive(
    { max: 10, waitSec: 0, visibilitySec: 30 },
    new AbortController().signal,
  );
  assert.equal(again?.body, notificationOf('a'));
});
