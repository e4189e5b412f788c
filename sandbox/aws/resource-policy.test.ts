import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyAllows } from './resource-policy.ts';

const access = {
  service: 's3.amazonaws.com',
  action: 'sqs:SendMessage',
  sourceArn: 'arn:aws:s3:::photos',
  sourceAccount: '123456789012',
};
const statement = { Effect: 'Allow', Principal: { Service: 's3.amazonaws.com' }, Action: 'sqs:SendMessage' };

function allows(...statements: object[]): boolean {
  return policyAllows(JSON.stringify({ Version: '2012-10-17', Statement: statements }), access);
}

test('a policy allows what a statement of it allows to the service, to anybody, or by a pattern', () => {
  assert.ok(allows(statement));
  assert.ok(allows({ ...statement, Principal: '*' }));
  assert.ok(allows({ ...statement, Principal: { AWS: '*' } }));
  assert.ok(allows({ ...statement, Action: ['SQS:ReceiveMessage', 'SQS:Send*'] }));
  assert.ok(policyAllows(JSON.stringify({ Statement: statement }), access));
});

test('the source’s ARN and account are conditions that it knows', () => {
  const under = (Condition: object) => allows({ ...statement, Condition });
  assert.ok(under({ ArnLike: { 'aws:SourceArn': 'arn:aws:s3:*:*:photos' } }));
  assert.ok(
    under({
      ArnEquals: { 'aws:SourceArn': ['arn:aws:s3:::other', 'arn:aws:s3:::photos'] },
      StringEquals: { 'aws:SourceAccount': '123456789012' },
    }),
  );
  assert.ok(!under({ ArnEquals: { 'aws:SourceArn': 'arn:aws:s3:::photosets' } }));
  assert.ok(!under({ StringEquals: { 'aws:SourceAccount': '999999999999' } }));
  assert.ok(!under({ Bool: { 'aws:SecureTransport': 'true' } }));
});

test('it allows nothing to another service, another action, by a denial, or where it is no policy', () => {
  assert.ok(!allows());
  assert.ok(!allows({ ...statement, Effect: 'Deny' }));
  assert.ok(!allows({ ...statement, Principal: { Service: 'sns.amazonaws.com' } }));
  assert.ok(!allows({ ...statement, Action: 'sqs:ReceiveMessage' }));
  assert.ok(!policyAllows('', access));
  assert.ok(!policyAllows('[]', access));
});
