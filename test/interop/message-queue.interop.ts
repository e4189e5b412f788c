// Our SQS driver under the contract of its port, against servers that others wrote.
import { test } from 'node:test';
import { queuesOverHttp } from '../contract/message-queue-over-http.ts';
import { testMessageQueue } from '../contract/message-queue.contract.ts';
import { serverAddress } from './addresses.ts';
import { LOCALSTACK_QUEUE } from './queue-deviations.ts';

const SERVERS = [
  { name: 'elasticmq', skip: {} },
  { name: 'localstack', skip: LOCALSTACK_QUEUE },
] as const;

for (const { name, skip } of SERVERS) {
  const address = serverAddress(name);
  if ('reason' in address || address.keys === null) {
    test(
      `message queue contract: ${name}`,
      { skip: 'reason' in address ? address.reason : 'no keys' },
      () => {},
    );
    continue;
  }
  const { url: endpoint, keys: credentials } = address;
  const open = async () => queuesOverHttp({ endpoint, credentials, control: null, close: async () => {} });
  testMessageQueue({ name, open, skip });
}
