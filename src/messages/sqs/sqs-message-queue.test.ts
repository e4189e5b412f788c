// What leaves on the wire, what partly failed batches become, and credentials that were replaced at their origin.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AwsCredentials } from '../../aws/credentials.ts';
import { Fault } from '../../core/faults.ts';
import { json, type QueueAnswer, startAnsweringQueue, TEST_CREDENTIALS } from './testing/answering-queue.ts';

const signal = new AbortController().signal;
const EXPIRED: QueueAnswer = {
  status: 403,
  body: JSON.stringify({ __type: 'ExpiredTokenException', message: 'The security token is expired' }),
};

test('a receive asks for what the caller wants, signed, in the JSON protocol', async () => {
  await using server = await startAnsweringQueue(() => json({}));
  assert.deepEqual(await server.queue.receive({ max: 7, waitSec: 3, visibilitySec: 120 }, signal), []);
  const [call] = server.calls;
  assert.ok(call !== undefined);
  assert.equal(call.action, 'ReceiveMessage');
  assert.deepEqual(call.input, {
    QueueUrl: server.queueUrl,
    MaxNumberOfMessages: 7,
    WaitTimeSeconds: 3,
    VisibilityTimeout: 120,
    MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
  });
  assert.match(
    String(call.headers.authorization),
    /Credential=AKIDQUEUE\/\d{8}\/eu-central-1\/sqs\/aws4_request/,
  );
});

test('a message without its facts is taken as received once', async () => {
  const message = {
    MessageId: 'm',
    ReceiptHandle: 'r',
    Body: '',
    MD5OfBody: 'd41d8cd98f00b204e9800998ecf8427e',
  };
  await using server = await startAnsweringQueue(() => json({ Messages: [message] }));
  assert.deepEqual(await server.queue.receive({ max: 1, waitSec: 0, visibilitySec: 0 }, signal), [
    { id: 'm', receipt: 'r', body: '', receiveCount: 1, sentAtMs: null },
  ]);
});

test('a batch that failed in part names the messages, and which receipts are stale', async () => {
  const failed = [
    { Id: '0', SenderFault: true, Code: 'ReceiptHandleIsInvalid', Message: 'The receipt handle is invalid.' },
    { Id: '2', SenderFault: false, Code: 'InternalError', Message: 'Try again.' },
    {
      Id: '3',
      SenderFault: true,
      Code: 'InvalidParameterValue',
      Message: 'Reason: Message does not exist or is not available for visibility timeout change.',
    },
    {
      Id: '4',
      SenderFault: true,
      Code: 'InvalidParameterValue',
      Message: 'Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].',
    },
  ];
  await using server = await startAnsweringQueue(() => json({ Successful: [{ Id: '1' }], Failed: failed }));
  const messages = ['a', 'b', 'c', 'd', 'e'].map((id) => ({
    id,
    receipt: id.toUpperCase(),
    visibilitySec: 60,
  }));
  const told = (await server.queue.changeVisibility(messages, signal)).map(({ id, isStale }) => [
    id,
    isStale,
  ]);
  assert.deepEqual(told, [
    ['a', true],
    ['c', false],
    ['d', true],
    ['e', false],
  ]);
  assert.equal((await server.queue.delete(messages, signal)).length, 4);
});

test('a message that the queue does not take for sending fails the call', async () => {
  const answers = [
    { Id: '0', SenderFault: true, Code: 'InvalidMessageContents', Message: 'Invalid characters found.' },
    { Id: '0', SenderFault: false, Code: 'InternalError', Message: 'Try again.' },
    { Id: '0', SenderFault: true, Code: 'AWS.SimpleQueueService.RequestThrottled', Message: 'Slower.' },
  ];
  await using server = await startAnsweringQueue((_call, index) => json({ Failed: [answers[index]] }));
  for (const code of ['queue_refused', 'queue_unavailable', 'queue_unavailable'])
    await assert.rejects(server.queue.send([{ body: 'b', delaySec: 0 }], signal), { code });
});

test('bodies that are too large together go in several calls, in their order', async () => {
  await using server = await startAnsweringQueue(() => json({}));
  const sizes = [200, 100, 100, 300, 1];
  await server.queue.send(
    sizes.map((sizeKib) => ({ body: 'x'.repeat(sizeKib * 1024), delaySec: 0 })),
    signal,
  );
  const sent = server.calls.map(({ input }) =>
    (input['Entries'] as { MessageBody: string }[]).map(({ MessageBody: body }) => body.length / 1024),
  );
  assert.deepEqual(sent, [[200], [100, 100], [300], [1]]);
});

test('credentials that expired are read again once, and the call is made again with the new ones', async () => {
  const renewed: AwsCredentials = { ...TEST_CREDENTIALS, accessKeyId: 'AKIDRENEWED' };
  let current = TEST_CREDENTIALS;
  await using server = await startAnsweringQueue(
    ({ headers }) => (/AKIDRENEWED/.test(String(headers.authorization)) ? json({ Attributes: {} }) : EXPIRED),
    {
      credentials: async (request) => {
        if (request !== undefined) current = renewed;
        return current;
      },
    },
  );
  await server.queue.facts(signal);
  assert.equal(server.calls.length, 2);
});

test('credentials that stay refused end as credentials_expired after two calls', async () => {
  let count = 0;
  await using server = await startAnsweringQueue(() => EXPIRED, {
    credentials: async (request) => {
      if (request !== undefined) count += 1;
      return { ...TEST_CREDENTIALS, accessKeyId: `AKID${count}` };
    },
  });
  await assert.rejects(server.queue.facts(signal), { code: 'credentials_expired' });
  assert.equal(server.calls.length, 2);
});

test('credentials that cannot be had are the fault of their provider, and nothing is sent', async () => {
  const fault = new Fault('credentials_unavailable', 'No AWS credentials could be obtained');
  await using server = await startAnsweringQueue(() => json({}), {
    credentials: () => Promise.reject(fault),
  });
  await assert.rejects(server.queue.facts(signal), (error) => error === fault);
  assert.equal(server.calls.length, 0);
});

test('a signal ends a call that waits for credentials', async () => {
  const stop = new AbortController();
  await using server = await startAnsweringQueue(() => json({}), {
    credentials: () => new Promise(() => {}),
  });
  const asked = server.queue.facts(stop.signal);
  const reason = new Error('stopped');
  stop.abort(reason);
  await assert.rejects(asked, (error) => error === reason);
});

test('facts are read from the attributes, also where the redrive count is text', async () => {
  const attributes = {
    VisibilityTimeout: '45',
    MessageRetentionPeriod: '345600',
    ApproximateNumberOfMessages: '12',
    RedrivePolicy:
      '{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:111122223333:dead","maxReceiveCount":"5"}',
  };
  await using server = await startAnsweringQueue(() => json({ Attributes: attributes }));
  const facts = { isFifo: false, visibilitySec: 45, maxReceiveCount: 5, retentionSec: 345_600, waiting: 12 };
  assert.deepEqual(await server.queue.facts(signal), facts);
});
