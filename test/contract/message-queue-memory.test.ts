// The memory message queue under the contract of its port.
import { Fault } from '../../src/core/faults.ts';
import { ManualClock } from '../../src/http/testing/manual-clock.ts';
import { MemoryMessageQueue } from '../../src/messages/memory/memory-message-queue.ts';
import { testMessageQueue } from './message-queue.contract.ts';

testMessageQueue({
  name: 'memory',
  async open() {
    const clock = new ManualClock();
    return {
      async open({ visibilitySec = 30, maxReceiveCount }) {
        const deadLetters =
          maxReceiveCount === undefined ? null : new MemoryMessageQueue({ clock, visibilitySec });
        const queue = new MemoryMessageQueue({
          clock,
          visibilitySec,
          ...(deadLetters === null || maxReceiveCount === undefined
            ? {}
            : { redrive: { maxReceiveCount, deadLetters } }),
        });
        return { queue, deadLetters, untilPolled: () => clock.untilSomebodySleeps() };
      },
      openMissing: async () =>
        new MemoryMessageQueue({
          clock,
          trouble: () => new Fault('queue_missing', 'The queue does not exist'),
        }),
      async pass(ms) {
        clock.advance(ms);
      },
      nowMs: () => clock.nowMs(),
      async close() {},
    };
  },
});
