// The SQS driver under the contract of its port, against the sandbox: real HTTP, checked signatures. Receipts that a
// newer one has overtaken are ignored by one server and refused by the other: both exist.
import { ManualClock } from '../../sandbox/sandbox-clock.ts';
import { startSandboxSqs } from '../../sandbox/sqs/sandbox-sqs.ts';
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
