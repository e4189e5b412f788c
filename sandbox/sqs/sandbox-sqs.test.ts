import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sqsClient, startSqsUnderTest } from './sqs-test-client.ts';

const hourMs = 3_600_000;

test('a message is sent, received once while it is hidden, and deleted', async (t) => {
  const { sqs, client, receive } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('plain');
  const sent = await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'hello ☃' }));
  const [message, ...rest] = await receive('plain', { MessageSystemAttributeNames: ['All'] });
  assert.deepEqual(rest, []);
  assert.deepEqual([message?.MessageId, message?.Body], [sent.MessageId, 'hello ☃']);
  assert.deepEqual(message?.Attributes, {
    SenderId: '123456789012',
    ApproximateFirstReceiveTimestamp: String(Date.UTC(2026, 0, 1)),
    ApproximateReceiveCount: '1',
    SentTimestamp: String(Date.UTC(2026, 0, 1)),
  });
  assert.deepEqual(await receive('plain'), []);
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));
  const { visible, inFlight, deleted, messages } = sqs.inspect('plain');
  assert.deepEqual([visible, inFlight, deleted, messages], [0, 0, 1, []]);
});

test('a message that was not deleted comes back when its visibility ends, counted and with a new receipt', async (t) => {
  const { sqs, clock, receive } = await startSqsUnderTest(t);
  sqs.createQueue('again', { VisibilityTimeout: '60' });
  sqs.send('again', 'x');
  const asked = { MessageSystemAttributeNames: ['ApproximateReceiveCount' as const] };
  const [first] = await receive('again', asked);
  clock.advance(59_999);
  assert.deepEqual(await receive('again', asked), []);
  clock.advance(1);
  const [second] = await receive('again', asked);
  assert.deepEqual(
    [first?.Attributes, second?.Attributes],
    [{ ApproximateReceiveCount: '1' }, { ApproximateReceiveCount: '2' }],
  );
  assert.equal(first?.MessageId, second?.MessageId);
  assert.notEqual(first?.ReceiptHandle, second?.ReceiptHandle);
});

test('visibility is extended and ended by the receipt, but not beyond 12 hours from it', async (t) => {
  const { sqs, client, clock, receive } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('longer');
  sqs.send('longer', 'x');
  const [message] = await receive('longer', { VisibilityTimeout: 10 });
  const ReceiptHandle = message?.ReceiptHandle;
  const change = async (VisibilityTimeout: number) =>
    client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }));
  await change(3600);
  clock.advance(hourMs - 1);
  assert.deepEqual(await receive('longer'), []);
  await change(11 * 3600);
  await assert.rejects(change(11 * 3600 + 1), {
    name: 'InvalidParameterValue',
    message: /Total VisibilityTimeout for the message is beyond the limit \[43200 seconds\]/,
  });
  await assert.rejects(change(43_201), { message: /Must be between 0 and 43200/ });
  await change(0);
  assert.equal((await receive('longer')).length, 1);
});

test('a receipt is of no use 12 hours after it was given', async (t) => {
  const { sqs, client, clock, receive } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('old');
  sqs.send('old', 'x');
  const [message] = await receive('old', { VisibilityTimeout: 43_200 });
  clock.advance(12 * hourMs + 1);
  const { ReceiptHandle } = message ?? {};
  await assert.rejects(client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle })), {
    name: 'InvalidParameterValue',
    message: /The receipt handle has expired/,
  });
});

test('a receipt that a newer one has overtaken deletes nothing, though the answer is a success', async (t) => {
  const { sqs, client, clock, receive } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('stale');
  sqs.send('stale', 'x');
  const [first] = await receive('stale', { VisibilityTimeout: 1 });
  clock.advance(1000);
  const [second] = await receive('stale');
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: first?.ReceiptHandle }));
  assert.equal(sqs.inspect('stale').inFlight, 1);
  const hide = { QueueUrl, ReceiptHandle: first?.ReceiptHandle, VisibilityTimeout: 5 };
  await assert.rejects(client.send(new ChangeMessageVisibilityCommand(hide)), {
    name: 'InvalidParameterValue',
    message: /Message does not exist or is not available for visibility timeout change/,
  });
  clock.advance(30_000);
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: second?.ReceiptHandle }));
  assert.equal(sqs.inspect('stale').deleted, 1);
});

test('a strict service refuses a receipt whose visibility has ended', async (t) => {
  const { sqs, client, clock, receive } = await startSqsUnderTest(t, { staleReceipts: 'refused' });
  const QueueUrl = sqs.createQueue('strict');
  sqs.send('strict', 'x');
  const [first] = await receive('strict', { VisibilityTimeout: 1 });
  clock.advance(1000);
  const { ReceiptHandle } = first ?? {};
  await assert.rejects(client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle })), {
    name: 'InvalidParameterValue',
  });
});

test('what is no receipt of this queue is refused, alone and in a batch', async (t) => {
  const { sqs, client, receive } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('mine');
  sqs.createQueue('theirs');
  sqs.send('mine', 'x');
  sqs.send('theirs', 'x');
  const [mine] = await receive('mine');
  const [theirs] = await receive('theirs');
  await assert.rejects(client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: 'none' })), {
    name: 'ReceiptHandleIsInvalid',
  });
  const Entries = [mine, theirs].map((message, index) => ({
    Id: `e${index}`,
    ReceiptHandle: message?.ReceiptHandle,
  }));
  const batch = await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
  assert.deepEqual(
    [batch.Successful?.map(({ Id }) => Id), batch.Failed?.map(({ Id, Code }) => [Id, Code])],
    [['e0'], [['e1', 'ReceiptHandleIsInvalid']]],
  );
  const hidden = Entries.map((entry) => ({ ...entry, VisibilityTimeout: 60 }));
  const change = new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: hidden });
  const changed = await client.send(change);
  assert.deepEqual(
    changed.Failed?.map(({ Code }) => Code),
    ['InvalidParameterValue', 'ReceiptHandleIsInvalid'],
  );
});

test('a delayed message cannot be received before its time', async (t) => {
  const { sqs, client, clock, receive } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('late', { DelaySeconds: '5' });
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'own', DelaySeconds: 900 }));
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'queue' }));
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'none', DelaySeconds: 0 }));
  assert.equal(sqs.inspect('late').delayed, 2);
  const bodies = async () => (await receive('late')).map(({ Body }) => Body);
  assert.deepEqual(await bodies(), ['none']);
  clock.advance(5000);
  assert.deepEqual(await bodies(), ['queue']);
  clock.advance(894_999);
  assert.equal(sqs.inspect('late').delayed, 1);
  clock.advance(1);
  assert.ok((await bodies()).includes('own'));
  await assert.rejects(
    client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x', DelaySeconds: 901 })),
    { name: 'InvalidParameterValue' },
  );
});

test('a long poll waits, wakes when a message is sent or comes back, and ends empty in time', async (t) => {
  const { sqs, clock, receive } = await startSqsUnderTest(t);
  sqs.createQueue('polled');
  const poll = async () => {
    const messages = receive('polled', { WaitTimeSeconds: 20, VisibilityTimeout: 10 });
    await sqs.polledBy('polled', 1);
    return { messages };
  };
  const first = await poll();
  sqs.send('polled', 'x');
  assert.equal((await first.messages).length, 1);
  const second = await poll();
  clock.advance(10_000);
  assert.equal((await second.messages).length, 1);
  const third = await poll();
  clock.advance(9_999);
  sqs.send('polled', 'y');
  assert.equal((await third.messages).length, 1);
  sqs.createQueue('polled');
  const fourth = await poll();
  clock.advance(20_000);
  assert.deepEqual(await fourth.messages, []);
});

test('a message is not given to a long poll whose caller went away', async (t) => {
  const { sqs, receive } = await startSqsUnderTest(t);
  sqs.createQueue('left');
  const impatient = sqsClient(sqs.url);
  const gone = new AbortController();
  const poll = impatient.send(
    new ReceiveMessageCommand({ QueueUrl: sqs.queueUrl('left'), WaitTimeSeconds: 20 }),
    { abortSignal: gone.signal },
  );
  await sqs.polledBy('left', 1);
  gone.abort();
  await assert.rejects(poll, { name: 'AbortError' });
  impatient.destroy();
  await sqs.polledBy('left', 0);
  sqs.send('left', 'x');
  assert.equal((await receive('left')).length, 1);
});

test('ten messages at most are sent and received at once', async (t) => {
  const { sqs, client, receive } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('batch');
  const entries = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ Id: `m${index}`, MessageBody: `body ${index}` }));
  const sent = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries: entries(10) }));
  assert.equal(sent.Successful?.length, 10);
  await assert.rejects(client.send(new SendMessageBatchCommand({ QueueUrl, Entries: entries(11) })), {
    name: 'TooManyEntriesInBatchRequest',
  });
  await assert.rejects(client.send(new SendMessageBatchCommand({ QueueUrl, Entries: [] })), {
    name: 'EmptyBatchRequest',
  });
  const twice = [...entries(1), ...entries(1)];
  await assert.rejects(client.send(new SendMessageBatchCommand({ QueueUrl, Entries: twice })), {
    name: 'BatchEntryIdsNotDistinct',
  });
  await assert.rejects(receive('batch', { MaxNumberOfMessages: 11 }), { name: 'InvalidParameterValue' });
  assert.deepEqual(
    (await receive('batch')).map(({ Body }) => Body),
    entries(10).map(({ MessageBody }) => MessageBody),
  );
});

test('a body of 1 MiB passes, one byte more does not, nor do two that are too long together', async (t) => {
  const { sqs, client } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('large');
  const most = 1_048_576;
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x'.repeat(most) }));
  await assert.rejects(client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x'.repeat(most + 1) })), {
    name: 'InvalidParameterValue',
    message: /Message must be shorter than 1048576 bytes/,
  });
  const Entries = ['a', 'b'].map((Id) => ({ Id, MessageBody: 'x'.repeat(most / 2 + 1) }));
  await assert.rejects(client.send(new SendMessageBatchCommand({ QueueUrl, Entries })), {
    name: 'BatchRequestTooLong',
  });
  await assert.rejects(client.send(new SendMessageCommand({ QueueUrl, MessageBody: '\u0001' })), {
    name: 'InvalidMessageContents',
  });
});

test('attributes of a message come back when asked for, with the digest that the service makes', async (t) => {
  const { sqs, client, clock, receive } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('attributes');
  const text = (StringValue: string) => ({ DataType: 'String', StringValue });
  const MessageAttributes = { General: text('Kenobi'), Hello: text('There'), 'Help.Me': text('Me') };
  // The digest that the real service recorded for these three.
  const sent = await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'msg', MessageAttributes }));
  assert.equal(sent.MD5OfMessageAttributes, '4c360f3fdafd970e05fae2f149d997f5');
  const ask = async (...MessageAttributeNames: string[]) => {
    const [message] = await receive('attributes', { MessageAttributeNames, VisibilityTimeout: 1 });
    clock.advance(1000);
    return [Object.keys(message?.MessageAttributes ?? {}), message?.MD5OfMessageAttributes];
  };
  assert.deepEqual(await ask(), [[], undefined]);
  assert.deepEqual(await ask('All'), [Object.keys(MessageAttributes), '4c360f3fdafd970e05fae2f149d997f5']);
  assert.deepEqual(await ask('Hello', 'None'), [['Hello'], 'a311262e065454b75da111d535b8dacd']);
  assert.deepEqual(await ask('Hel.*'), [['Hello', 'Help.Me'], '83fee93c1bcd8b9a5a923ffacdc636c7']);
});

test('the numbers of messages are told as attributes of the queue', async (t) => {
  const { sqs, client, receive } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('counted');
  for (const body of ['a', 'b', 'c']) sqs.send('counted', body);
  sqs.send('counted', 'd', { delaySec: 60 });
  await receive('counted', { MaxNumberOfMessages: 1 });
  const asked = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] });
  const { Attributes } = await client.send(asked);
  assert.deepEqual(
    [
      Attributes?.['ApproximateNumberOfMessages'],
      Attributes?.['ApproximateNumberOfMessagesNotVisible'],
      Attributes?.['ApproximateNumberOfMessagesDelayed'],
    ],
    ['2', '1', '1'],
  );
});
