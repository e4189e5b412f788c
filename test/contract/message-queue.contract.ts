// The contract of the message queue port: one suite, run by every driver and against independent servers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Fault } from '../../src/core/faults.ts';
import type { MessageQueue } from '../../src/core/message-queue.ts';
import {
  live,
  type MessageQueueCheck,
  type MessageQueueFixture,
  openQueue,
  receiveAll,
  receiveNow,
  receiveOne,
  sendBodies,
} from './message-queue-fixture.ts';

const CHECKS = {
  'a message is received as it was sent, with the count of its receipts and its time': async (fixture) => {
    const queue = await openQueue(fixture);
    const body = '{"key":"a b+c%20ä☃🎈","quote":"\\"<>&\'","lines":"\\n"}\n\ttext';
    const beforeMs = fixture.nowMs();
    await sendBodies(queue, [body]);
    const message = await receiveOne(queue);
    assert.equal(message.body, body);
    assert.equal(message.receiveCount, 1);
    assert.ok(message.id !== '' && message.receipt !== '');
    assert.ok(message.sentAtMs !== null && Math.abs(message.sentAtMs - beforeMs) < 5_000);
  },

  'an empty queue answers an empty list, at once or after the wait': async (fixture) => {
    const { queue, untilPolled } = await fixture.open({});
    assert.deepEqual(await receiveNow(queue), []);
    const waiting = queue.receive({ max: 10, waitSec: 1, visibilitySec: 30 }, live());
    await untilPolled();
    await fixture.pass(1_000);
    assert.deepEqual(await waiting, []);
  },

  'a waiting receive gets the message that arrives meanwhile': async (fixture) => {
    const { queue, untilPolled } = await fixture.open({});
    const waiting = queue.receive({ max: 10, waitSec: 20, visibilitySec: 30 }, live());
    await untilPolled();
    await sendBodies(queue, ['late']);
    assert.deepEqual(
      (await waiting).map(({ body }) => body),
      ['late'],
    );
  },

  'a receive that is aborted while it waits throws the reason': async (fixture) => {
    const { queue, untilPolled } = await fixture.open({});
    const stop = new AbortController();
    const waiting = queue.receive({ max: 10, waitSec: 20, visibilitySec: 30 }, stop.signal);
    await untilPolled();
    const reason = new Error('stopped');
    stop.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
    await assert.rejects(
      queue.receive({ max: 1, waitSec: 0, visibilitySec: 30 }, stop.signal),
      (error) => error === reason,
    );
  },

  'a receive takes no more than it asks for': async (fixture) => {
    const queue = await openQueue(fixture);
    await sendBodies(queue, ['1', '2', '3', '4']);
    assert.ok((await receiveNow(queue, { max: 3 })).length <= 3);
  },

  'receivers side by side get every message once': async (fixture) => {
    const queue = await openQueue(fixture);
    const names = Array.from({ length: 30 }, (_, index) => `message ${index}`);
    for (let from = 0; from < names.length; from += 10) await sendBodies(queue, names.slice(from, from + 10));
    const bodies: string[] = [];
    const receiver = async (): Promise<void> => {
      while (bodies.length < names.length) {
        const messages = await receiveNow(queue, { max: 3 });
        bodies.push(...messages.map(({ body }) => body));
        await queue.delete(messages, live());
      }
    };
    await Promise.all([receiver(), receiver(), receiver()]);
    assert.deepEqual(bodies.toSorted(), names.toSorted());
  },

  'a received message is hidden, and comes again when its visibility ends': async (fixture) => {
    const queue = await openQueue(fixture);
    await sendBodies(queue, ['again']);
    const first = await receiveOne(queue, 1);
    assert.deepEqual(await receiveNow(queue), []);
    await fixture.pass(1_100);
    const second = await receiveOne(queue);
    assert.equal(second.id, first.id);
    assert.equal(second.body, 'again');
    assert.equal(second.receiveCount, 2);
  },

  'a deleted message never comes again, and deleting it again is no failure but a stale one': async (
    fixture,
  ) => {
    const queue = await openQueue(fixture);
    await sendBodies(queue, ['a', 'b', 'c']);
    const messages = await receiveAll(queue, 3, 1);
    const [first, ...rest] = messages;
    assert.ok(first !== undefined);
    assert.deepEqual(await queue.delete(rest, live()), []);
    const again = await queue.delete(rest, live());
    assert.ok(again.every(({ isStale }) => isStale));
    await fixture.pass(1_100);
    assert.equal((await receiveOne(queue)).id, first.id);
  },

  'nothing to delete, to hide or to send is no call at all': async (fixture) => {
    const queue = await openQueue(fixture);
    assert.deepEqual(await queue.delete([], live()), []);
    assert.deepEqual(await queue.changeVisibility([], live()), []);
    await queue.send([], live());
  },

  'an older receipt deletes nothing': async (fixture) => {
    const queue = await openQueue(fixture);
    await sendBodies(queue, ['kept']);
    const first = await receiveOne(queue, 0);
    const second = await receiveOne(queue, 1);
    assert.equal(second.id, first.id);
    const failures = await queue.delete([first], live());
    for (const { id, isStale } of failures)
      assert.deepEqual({ id, isStale }, { id: first.id, isStale: true });
    await fixture.pass(1_100);
    assert.equal((await receiveOne(queue)).body, 'kept');
  },

  'visibility 0 gives a message back at once': async (fixture) => {
    const queue = await openQueue(fixture);
    await sendBodies(queue, ['back']);
    const message = await receiveOne(queue);
    assert.deepEqual(await queue.changeVisibility([{ ...message, visibilitySec: 0 }], live()), []);
    const again = await receiveOne(queue);
    assert.equal(again.id, message.id);
    assert.equal(again.receiveCount, 2);
  },

  'visibility is extended from now on': async (fixture) => {
    const queue = await openQueue(fixture);
    await sendBodies(queue, ['mine']);
    const message = await receiveOne(queue, 1);
    assert.deepEqual(await queue.changeVisibility([{ ...message, visibilitySec: 3 }], live()), []);
    await fixture.pass(1_500);
    assert.deepEqual(await receiveNow(queue), []);
    assert.deepEqual(await queue.changeVisibility([{ ...message, visibilitySec: 60 }], live()), []);
    await fixture.pass(1_800);
    assert.deepEqual(await receiveNow(queue), []);
    assert.deepEqual(await queue.delete([message], live()), []);
  },

  'hiding a message that is gone fails as stale, and hides the others all the same': async (fixture) => {
    const queue = await openQueue(fixture);
    await sendBodies(queue, ['gone', 'there']);
    const messages = await receiveAll(queue, 2);
    const gone = messages.filter(({ body }) => body === 'gone');
    const there = messages.filter(({ body }) => body === 'there');
    await queue.delete(gone, live());
    const failures = await queue.changeVisibility(
      [...gone, ...there].map((message) => ({ ...message, visibilitySec: 0 })),
      live(),
    );
    assert.deepEqual(
      failures.map(({ id, isStale }) => ({ id, isStale })),
      gone.map(({ id }) => ({ id, isStale: true })),
    );
    assert.equal((await receiveOne(queue)).body, 'there');
  },

  'a delayed message comes when its delay is over': async (fixture) => {
    const queue = await openQueue(fixture);
    await queue.send([{ body: 'later', delaySec: 2 }], live());
    assert.deepEqual(await receiveNow(queue), []);
    await fixture.pass(2_100);
    assert.equal((await receiveOne(queue)).body, 'later');
  },

  'ten messages of 200 KiB are sent in one call and received whole': async (fixture) => {
    const queue = await openQueue(fixture);
    const bodies = Array.from({ length: 10 }, (_, index) => `${index}`.repeat(200 * 1024));
    await sendBodies(queue, bodies);
    const received = await receiveAll(queue, 10);
    assert.ok(
      received
        .map(({ body }) => body)
        .toSorted()
        .join() === bodies.join(),
    );
  },

  'a message that was received too often goes to the dead letters': async (fixture) => {
    const { queue, deadLetters } = await fixture.open({ maxReceiveCount: 2 });
    assert.ok(deadLetters !== null);
    await sendBodies(queue, ['poison']);
    for (const count of [1, 2]) assert.equal((await receiveOne(queue, 0)).receiveCount, count);
    assert.deepEqual(await receiveNow(queue, { visibilitySec: 0 }), []);
    assert.equal((await receiveOne(deadLetters)).body, 'poison');
  },

  'the queue tells of itself': async (fixture) => {
    const { queue } = await fixture.open({ visibilitySec: 45, maxReceiveCount: 7 });
    await sendBodies(queue, ['1', '2']);
    const { retentionSec, ...facts } = await queue.facts(live());
    assert.deepEqual(facts, { isFifo: false, visibilitySec: 45, maxReceiveCount: 7, waiting: 2 });
    assert.ok(retentionSec === null || retentionSec >= 60, String(retentionSec));
    const plain = await openQueue(fixture);
    assert.equal((await plain.facts(live())).maxReceiveCount, null);
  },

  'a queue that does not exist is queue_missing for every call': async (fixture) => {
    const queue = await fixture.openMissing();
    const message = { id: 'id', receipt: 'receipt', visibilitySec: 0 };
    const calls: ((missing: MessageQueue) => Promise<unknown>)[] = [
      async (missing) => receiveNow(missing),
      async (missing) => missing.delete([message], live()),
      async (missing) => missing.changeVisibility([message], live()),
      async (missing) => sendBodies(missing, ['body']),
      async (missing) => missing.facts(live()),
    ];
    for (const call of calls)
      await assert.rejects(call(queue), (error) => {
        assert.ok(error instanceof Fault, String(error));
        assert.equal(error.code, 'queue_missing', error.message);
        return true;
      });
  },
} as const satisfies Record<string, MessageQueueCheck>;

/** The name of a check, as the test runner prints it. */
export type MessageQueueCheckName = keyof typeof CHECKS;

/** A receive that is never answered would hang: no check may wait for ever. */
const CHECK_TIMEOUT_MS = 20_000;

/**
 * Registers the whole contract as tests. `open` is called once; every check opens queues of its own. A check in `skip`
 * does not run, and its reason is printed: for servers whose own fault is known.
 */
export function testMessageQueue(suite: {
  readonly name: string;
  open(): Promise<MessageQueueFixture>;
  readonly skip?: Readonly<Partial<Record<MessageQueueCheckName, string>>>;
}): void {
  describe(`message queue contract: ${suite.name}`, () => {
    let fixture: MessageQueueFixture | null = null;
    before(async () => {
      fixture = await suite.open();
    });
    after(async () => {
      await fixture?.close();
    });
    for (const [name, check] of Object.entries<MessageQueueCheck>(CHECKS)) {
      const reason = suite.skip?.[name as MessageQueueCheckName];
      if (reason !== undefined) console.warn(`NOT CHECKED on ${suite.name}: ${name}. ${reason}`);
      it(name, { skip: reason ?? false, timeout: CHECK_TIMEOUT_MS }, async () => {
        assert.ok(fixture !== null, 'The fixture is not open');
        await check(fixture);
      });
    }
  });
}
