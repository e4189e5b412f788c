// The SQS driver under the contract of its port, against the sandbox: real HTTP, checked signatures. Receipts that a
// newer one has overtaken are ignored by one server and refused by the other: both exist.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../sandbox/sandbox-clock.ts';
import { startSandboxSqs } from '../../sandbox/sqs/sandbox-sqs.ts';
import { openSqsMessageQueue } from '../../src/messages/sqs/sqs-message-queue.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import { live, receiveAll } from './message-queue-fixture.ts';
import { queuesOverHttp } from './message-queue-over-http.ts';
import { testMessageQueue } from './message-queue.contract.ts';

const credentials = { accessKeyId: 'AKIDCONTRACT', secretAccessKey: 'a-secret-of-the-contract' };

for (const staleReceipts of ['ignored', 'refused'] as const)
  testMessageQueue({
    name: `SQS, sandbox, stale receipts ${staleReceipts}`,
    async open() {
      const clock = new ManualClock(Date.UTC(2026, 10, 23, 9, 30));
      const sqs = await startSandboxSqs({ ...credentials, clock, staleReceipts });
      return queuesOverHttp({
        endpoint: sqs.url,
        credentials,
        control: {
          nowMs: () => clock.nowMs(),
          pass: (ms) => clock.advance(ms),
          untilPolled: (queueName) => sqs.polledBy(queueName, 1),
        },
        close: () => sqs.close(),
      });
    },
  });

test('a FIFO queue says that it is one, gives and deletes messages, and takes none without a group', async () => {
  const sqs = await startSandboxSqs(credentials);
  const queue = await openSqsMessageQueue({
    queueUrl: sqs.createQueue('changes.fifo', { FifoQueue: 'true' }),
    region: sqs.region,
    endpoint: null,
    credentials: async () => credentials,
    clock: SYSTEM_CLOCK,
    connections: 2,
  });
  try {
    assert.equal((await queue.facts(live())).isFifo, true);
    for (const body of ['1', '2']) sqs.send('changes.fifo', body, { groupId: 'photos' });
    const messages = await receiveAll(queue, 2);
    assert.deepEqual(
      messages.map(({ body }) => body),
      ['1', '2'],
    );
    assert.deepEqual(await queue.delete(messages, live()), []);
    assert.equal(sqs.inspect('changes.fifo').messages.length, 0);
    await assert.rejects(queue.send([{ body: 'later', delaySec: 60 }], live()), { code: 'queue_refused' });
  } finally {
    await queue.close();
    await sqs.close();
  }
});
