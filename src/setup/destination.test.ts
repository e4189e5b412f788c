import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arnOfQueueUrl, readDestination } from './destination.ts';
import { permissionAdvice } from './destination-permission.ts';

test('a destination is named by its ARN, a queue by its address too', () => {
  const read = (kind: 'function' | 'queue' | 'topic', text: string): unknown =>
    readDestination(kind, text, 'eu-west-1');
  const name = 'arn:aws:lambda:eu-west-1:111122223333:function:forward';
  assert.deepEqual(read('function', name), {
    kind: 'destination',
    destination: { kind: 'function', arn: name },
  });
  const addresses = {
    'https://sqs.eu-central-1.amazonaws.com/111122223333/s3-events':
      'arn:aws:sqs:eu-central-1:111122223333:s3-events',
    'https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q': 'arn:aws-cn:sqs:cn-north-1:111122223333:q',
    'http://127.0.0.1:9002/000000000000/q': 'arn:aws:sqs:eu-west-1:000000000000:q',
    'arn:aws:sqs:us-east-1:111122223333:q': 'arn:aws:sqs:us-east-1:111122223333:q',
  };
  for (const [text, arn] of Object.entries(addresses))
    assert.deepEqual(read('queue', text), { kind: 'destination', destination: { kind: 'queue', arn } });
  assert.equal(arnOfQueueUrl('http://127.0.0.1:9324/queue/q', 'eu-west-1'), null);
});

test('what is no destination is refused with an example', () => {
  const reason = (kind: 'function' | 'queue' | 'topic', text: string): string => {
    const read = readDestination(kind, text, 'eu-west-1');
    assert.equal(read.kind, 'refused');
    return read.kind === 'refused' ? read.reason : '';
  };
  assert.match(reason('function', 'forward'), /is not the ARN of a function, such as arn:aws:lambda:/);
  assert.match(reason('function', 'arn:aws:sqs:eu-west-1:111122223333:q'), /is not the ARN of a function/);
  assert.match(reason('topic', 'arn:aws:sns:eu-west-1:111122223333:'), /is not the ARN of a topic/);
  assert.match(reason('queue', 'http://127.0.0.1:9324/queue/q'), /does not name its account/);
  assert.match(
    reason('queue', 'arn:aws:sqs:eu-west-1:111122223333:q.fifo'),
    /standard queues and topics only/,
  );
});

const SENDER = { bucket: 'photos.example', account: '111122223333', region: 'eu-west-1' };

test('the permission of a function is one command that names bucket and account', () => {
  const arn = 'arn:aws:lambda:eu-west-1:111122223333:function:forward';
  const advice = permissionAdvice({ kind: 'function', arn }, SENDER);
  assert.deepEqual(advice.commands, [
    `aws lambda add-permission --function-name ${arn} --statement-id cross-cloud-replicator-photos-example ` +
      '--action lambda:InvokeFunction --principal s3.amazonaws.com --source-arn arn:aws:s3:::photos.example ' +
      '--source-account 111122223333 --region eu-west-1',
  ]);
  assert.deepEqual([advice.statement, advice.notes], [null, []]);
});

test('the permission of a queue or topic is a statement, and a command whose policy holds exactly it', () => {
  for (const [kind, service, action] of [
    ['queue', 'sqs', 'sqs:SendMessage'],
    ['topic', 'sns', 'sns:Publish'],
  ] as const) {
    const arn = `arn:aws:${service}:eu-west-1:111122223333:changes`;
    const { statement, commands, notes } = permissionAdvice({ kind, arn }, SENDER);
    assert.deepEqual(statement, {
      Sid: 'cross-cloud-replicator-photos-example',
      Effect: 'Allow',
      Principal: { Service: 's3.amazonaws.com' },
      Action: action,
      Resource: arn,
      Condition: {
        ArnLike: { 'aws:SourceArn': 'arn:aws:s3:::photos.example' },
        StringEquals: { 'aws:SourceAccount': '111122223333' },
      },
    });
    const given = /'([^']+)'$/.exec(commands[1] ?? '')?.[1] ?? '';
    const parsed = JSON.parse(given) as { Policy?: string };
    const policy = parsed.Policy === undefined ? parsed : (JSON.parse(parsed.Policy) as object);
    assert.deepEqual(policy, { Version: '2012-10-17', Statement: [statement] });
    assert.match(notes.join(), /replaces the (queue|topic)'s whole policy.*kms:GenerateDataKey/);
  }
});

test('an unknown owner is a placeholder that is explained, and another region is named', () => {
  const arn = 'arn:aws:lambda:us-east-1:111122223333:function:forward';
  const { commands, notes } = permissionAdvice({ kind: 'function', arn }, { ...SENDER, account: null });
  assert.match(commands[0] ?? '', /--source-account ACCOUNT-ID --region us-east-1$/);
  assert.match(notes[0] ?? '', /in us-east-1, and the bucket in eu-west-1/);
  assert.match(notes[1] ?? '', /ACCOUNT-ID is the account that owns the bucket/);
});
