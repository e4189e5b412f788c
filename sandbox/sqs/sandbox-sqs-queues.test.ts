import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListMessageMoveTasksCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sqsClient, sqsTestKeys, startSqsUnderTest } from './sqs-test-client.ts';

test('a queue is made once, found, listed, changed, emptied and deleted', async (t) => {
  const { sqs, client, clock } = await startSqsUnderTest(t);
  const made = await client.send(
    new CreateQueueCommand({ QueueName: 'work', Attributes: { VisibilityTimeout: '120' } }),
  );
  const { QueueUrl } = made;
  assert.equal(QueueUrl, `${sqs.url}/123456789012/work`);
  const found = await client.send(new GetQueueUrlCommand({ QueueName: 'work' }));
  assert.equal(found.QueueUrl, QueueUrl);
  const same = { QueueName: 'work', Attributes: { VisibilityTimeout: '120' } };
  assert.equal((await client.send(new CreateQueueCommand(same))).QueueUrl, QueueUrl);
  const other = { QueueName: 'work', Attributes: { DelaySeconds: '1' } };
  await assert.rejects(client.send(new CreateQueueCommand(other)), { name: 'QueueNameExists' });
  sqs.createQueue('other');
  const listed = await client.send(new ListQueuesCommand({ QueueNamePrefix: 'wo' }));
  assert.deepEqual(listed.QueueUrls, [QueueUrl]);
  clock.advance(5000);
  await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: '7' } }));
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
  );
  const seconds = Date.UTC(2026, 0, 1) / 1000;
  assert.deepEqual(Attributes, {
    QueueArn: 'arn:aws:sqs:us-east-1:123456789012:work',
    ApproximateNumberOfMessages: '0',
    ApproximateNumberOfMessagesNotVisible: '0',
    ApproximateNumberOfMessagesDelayed: '0',
    CreatedTimestamp: String(seconds),
    LastModifiedTimestamp: String(seconds + 5),
    VisibilityTimeout: '7',
    MaximumMessageSize: '1048576',
    MessageRetentionPeriod: '345600',
    DelaySeconds: '0',
    ReceiveMessageWaitTimeSeconds: '0',
    SqsManagedSseEnabled: 'true',
  });
  sqs.send('work', 'x');
  await client.send(new PurgeQueueCommand({ QueueUrl }));
  assert.equal(sqs.inspect('work').visible, 0);
  await assert.rejects(client.send(new PurgeQueueCommand({ QueueUrl })), { name: 'PurgeQueueInProgress' });
  await client.send(new DeleteQueueCommand({ QueueUrl }));
  await assert.rejects(client.send(new CreateQueueCommand({ QueueName: 'work' })), {
    name: 'QueueDeletedRecently',
  });
  clock.advance(60_000);
  await client.send(new CreateQueueCommand({ QueueName: 'work' }));
});

test('an attribute that cannot be is refused with its name, and nothing is changed', async (t) => {
  const { sqs, client } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('kept');
  const set = async (Attributes: Record<string, string>) =>
    client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
  await assert.rejects(set({ DelaySeconds: '3', VisibilityTimeout: '43201' }), {
    name: 'InvalidAttributeValue',
    message: /VisibilityTimeout/,
  });
  await assert.rejects(set({ Colour: 'red' }), { name: 'InvalidAttributeName', message: /Colour/ });
  await assert.rejects(set({ RedrivePolicy: '{"deadLetterTargetArn":"dummy","maxReceiveCount":42}' }), {
    name: 'InvalidParameterValue',
    message: /Invalid value for deadLetterTargetArn/,
  });
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['DelaySeconds', 'RedrivePolicy'] }),
  );
  assert.deepEqual(Attributes, { DelaySeconds: '0' });
});

test('a queue that is not there is named so, in the words of both protocols', async (t) => {
  const { sqs, client } = await startSqsUnderTest(t);
  const QueueUrl = `${sqs.url}/123456789012/none`;
  let header: string | undefined;
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      header = (result.response as { headers?: Record<string, string> }).headers?.['x-amzn-query-error'];
      return result;
    },
    { step: 'deserialize', priority: 'low' },
  );
  await assert.rejects(client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' })), {
    name: 'QueueDoesNotExist',
    message: 'The specified queue does not exist.',
  });
  assert.equal(header, 'AWS.SimpleQueueService.NonExistentQueue;Sender');
});

test('a wrong key, a wrong secret, a wrong region and a denied action are refused as the service does', async (t) => {
  const { sqs } = await startSqsUnderTest(t);
  sqs.createQueue('guarded');
  const refusal = async (credentials: typeof sqsTestKeys) => {
    const client = sqsClient(sqs.url, credentials);
    const error: unknown = await client.send(new ListQueuesCommand({})).catch((reason: unknown) => reason);
    client.destroy();
    assert.ok(error instanceof Error && '$metadata' in error);
    return [error.name, (error.$metadata as { httpStatusCode?: number }).httpStatusCode];
  };
  const { accessKeyId, secretAccessKey } = sqsTestKeys;
  assert.deepEqual(await refusal({ accessKeyId: 'AKOTHER', secretAccessKey }), ['InvalidClientTokenId', 403]);
  assert.deepEqual(await refusal({ accessKeyId, secretAccessKey: 'x' }), ['SignatureDoesNotMatch', 403]);
  sqs.deny('ListQueues');
  assert.deepEqual(await refusal(sqsTestKeys), ['AccessDenied', 403]);
  sqs.allow('ListQueues');
  const unsigned = await fetch(sqs.url, {
    method: 'POST',
    headers: { 'x-amz-target': 'AmazonSQS.ListQueues', 'content-type': 'application/x-amz-json-1.0' },
    body: '{}',
  });
  assert.deepEqual(
    [unsigned.status, unsigned.headers.get('content-type'), unsigned.headers.get('x-amzn-query-error')],
    [403, 'application/x-amz-json-1.0', 'MissingAuthenticationToken;Sender'],
  );
});

test('a denial names who wanted what of which queue', async (t) => {
  const { sqs, receive } = await startSqsUnderTest(t);
  sqs.createQueue('guarded');
  sqs.deny('ReceiveMessage');
  await assert.rejects(receive('guarded'), {
    name: 'AccessDenied',
    message:
      'User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: sqs:receivemessage on resource: arn:aws:sqs:us-east-1:123456789012:guarded because no identity-based policy allows the sqs:receivemessage action',
  });
});

test('a message received often enough goes to the dead letters with its history, and a move task brings it back new', async (t) => {
  const { sqs, client, clock, receive } = await startSqsUnderTest(t);
  sqs.createQueue('dead');
  const deadLetterTargetArn = sqs.queueArn('dead');
  sqs.createQueue('work', { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 }) });
  const id = sqs.send('work', 'poison');
  const asked = { VisibilityTimeout: 1, MessageSystemAttributeNames: ['All' as const] };
  for (const count of ['1', '2']) {
    const [message] = await receive('work', asked);
    assert.equal(message?.Attributes?.ApproximateReceiveCount, count);
    clock.advance(1000);
  }
  assert.deepEqual(await receive('work', asked), []);
  assert.equal(sqs.inspect('work').deadLettered, 1);
  const [dead] = await receive('dead', asked);
  assert.deepEqual(
    [dead?.MessageId, dead?.Body, dead?.Attributes?.DeadLetterQueueSourceArn],
    [id, 'poison', sqs.queueArn('work')],
  );
  clock.advance(1000);
  const SourceArn = deadLetterTargetArn;
  const { TaskHandle } = await client.send(new StartMessageMoveTaskCommand({ SourceArn }));
  assert.ok(TaskHandle);
  const { Results } = await client.send(new ListMessageMoveTasksCommand({ SourceArn }));
  assert.deepEqual(
    Results?.map((task) => [task.Status, task.ApproximateNumberOfMessagesMoved]),
    [['COMPLETED', 1]],
  );
  const [back] = await receive('work', asked);
  assert.deepEqual([back?.Body, back?.Attributes?.ApproximateReceiveCount], ['poison', '1']);
  const notDead = new StartMessageMoveTaskCommand({ SourceArn: sqs.queueArn('work') });
  await assert.rejects(client.send(notDead), { message: /must be configured as a Dead Letter Queue/ });
});

test('a queue for dead letters must exist when it is named', async (t) => {
  const { client } = await startSqsUnderTest(t);
  const policy = { deadLetterTargetArn: 'arn:aws:sqs:us-east-1:123456789012:none', maxReceiveCount: 1 };
  const Attributes = { RedrivePolicy: JSON.stringify(policy) };
  await assert.rejects(client.send(new CreateQueueCommand({ QueueName: 'work', Attributes })), {
    name: 'InvalidParameterValue',
    message: /Dead letter target does not exist/,
  });
});

test('first in, first out: order within a group, one group at a time, no message twice, no delay of one message', async (t) => {
  const { sqs, client, clock, receive } = await startSqsUnderTest(t);
  const QueueUrl = sqs.createQueue('line.fifo', { FifoQueue: 'true' });
  const send = async (MessageBody: string, MessageGroupId: string, MessageDeduplicationId = MessageBody) =>
    client.send(new SendMessageCommand({ QueueUrl, MessageBody, MessageGroupId, MessageDeduplicationId }));
  const first = await send('a1', 'a');
  await send('a2', 'a');
  await send('b1', 'b');
  const again = await send('a1', 'a');
  assert.deepEqual([again.MessageId, again.SequenceNumber], [first.MessageId, first.SequenceNumber]);
  const bodies = async (MaxNumberOfMessages: number) =>
    (await receive('line.fifo', { MaxNumberOfMessages, VisibilityTimeout: 10 })).map(({ Body }) => Body);
  assert.deepEqual(await bodies(1), ['a1']);
  assert.deepEqual(await bodies(10), ['b1']);
  clock.advance(10_000);
  assert.deepEqual(await bodies(10), ['a1', 'a2', 'b1']);
  const delayed = {
    QueueUrl,
    MessageBody: 'x',
    MessageGroupId: 'a',
    MessageDeduplicationId: 'x',
    DelaySeconds: 2,
  };
  await assert.rejects(client.send(new SendMessageCommand(delayed)), {
    name: 'InvalidParameterValue',
    message:
      'Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.',
  });
  const groupless = { QueueUrl, MessageBody: 'x', MessageDeduplicationId: 'x' };
  await assert.rejects(client.send(new SendMessageCommand(groupless)), { name: 'MissingParameter' });
  const Entries = [{ Id: 'e', MessageBody: 'x', MessageGroupId: 'a' }];
  const { Failed } = await client
    .send(new SendMessageBatchCommand({ QueueUrl, Entries }))
    .catch((error: unknown) => ({ Failed: error }));
  assert.match(String(Failed), /ContentBasedDeduplication enabled or MessageDeduplicationId provided/);
});

test('a message is forgotten when it is older than the queue keeps it', async (t) => {
  const { sqs, clock, receive } = await startSqsUnderTest(t);
  sqs.createQueue('short', { MessageRetentionPeriod: '60' });
  sqs.send('short', 'x');
  clock.advance(60_000);
  assert.deepEqual(await receive('short'), []);
  assert.deepEqual(sqs.inspect('short').messages, []);
});
