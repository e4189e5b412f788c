// What an invocation makes of the queue that its batch comes from.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../http/testing/manual-clock.ts';
import { createReplicator } from './replicate.ts';

const record = (queue: string) => ({
  messageId: 'm-1',
  receiptHandle: 'r-1',
  body: '{}',
  eventSource: 'aws:sqs',
  eventSourceARN: `arn:aws:sqs:eu-west-1:123456789012:${queue}`,
});

test('a batch of another queue than that of the settings is refused before anything is done', async () => {
  let runs = 0;
  const runner = {
    run: async () => {
      runs += 1;
      return { kind: 'acknowledge' } as const;
    },
  };
  const handler = createReplicator({
    queue: { name: 'ours', runner, giveBack: async () => {} },
    runner,
    clock: new ManualClock(),
    onPartlyDone: () => {},
  });
  await assert.rejects(
    handler({ Records: [record('ours'), record('theirs')] }, {}),
    /comes from the queue theirs, and SQS_QUEUE_URL names ours: .*Set SQS_QUEUE_URL to the address of theirs/,
  );
  assert.equal(runs, 0);
  assert.deepEqual(await handler({ Records: [record('ours')] }, {}), { batchItemFailures: [] });
  assert.equal(runs, 1);
});
