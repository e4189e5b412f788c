import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Keyring } from '../aws/keyring.ts';
import { testCredentials } from '../s3/raw-request.ts';
import { startSandboxS3 } from '../s3/sandbox-s3.ts';
import { startSandboxSqs } from '../sqs/sandbox-sqs.ts';
import { startSandboxSts } from './sandbox-sts.ts';

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

async function startSts(t: TestContext) {
  const keyring = new Keyring('123456789012', testCredentials);
  const sts = await startSandboxSts({ keyring });
  const clientWith = (credentials: Credentials): STSClient =>
    new STSClient({ endpoint: sts.url, region: 'us-east-1', credentials, maxAttempts: 1 });
  const client = clientWith(testCredentials);
  t.after(async () => {
    client.destroy();
    await sts.close();
  });
  return { keyring, sts, client, clientWith };
}

test('the caller is told who it is', async (t) => {
  const { client, clientWith, sts } = await startSts(t);
  const identity = await client.send(new GetCallerIdentityCommand({}));
  assert.deepEqual(
    [identity.Account, identity.Arn, identity.UserId],
    ['123456789012', 'arn:aws:iam::123456789012:user/sandbox', testCredentials.accessKeyId],
  );
  const stranger = clientWith({ ...testCredentials, accessKeyId: 'AKOTHER' });
  await assert.rejects(stranger.send(new GetCallerIdentityCommand({})), { name: 'InvalidClientTokenId' });
  const wrong = clientWith({ ...testCredentials, secretAccessKey: 'x' });
  await assert.rejects(wrong.send(new GetCallerIdentityCommand({})), { name: 'SignatureDoesNotMatch' });
  sts.deny('GetCallerIdentity');
  await assert.rejects(client.send(new GetCallerIdentityCommand({})), { name: 'AccessDenied' });
});

test('the keys of an assumed role open the services that share the keyring, with their token only', async (t) => {
  const { keyring, sts, client, clientWith } = await startSts(t);
  const s3 = await startSandboxS3({ ...testCredentials, keyring });
  const sqs = await startSandboxSqs({ ...testCredentials, keyring });
  t.after(async () => {
    await s3.close();
    await sqs.close();
  });
  const RoleArn = sts.createRole('reader', { externalId: 'secret' });
  const assume = { RoleArn, RoleSessionName: 'replicator', ExternalId: 'secret' };
  const { Credentials: issued, AssumedRoleUser } = await client.send(new AssumeRoleCommand(assume));
  assert.equal(AssumedRoleUser?.Arn, 'arn:aws:sts::123456789012:assumed-role/reader/replicator');
  const leftMs = (issued?.Expiration?.getTime() ?? 0) - Date.now();
  assert.ok(leftMs > 3_590_000 && leftMs <= 3_600_000);
  const credentials = {
    accessKeyId: issued?.AccessKeyId ?? '',
    secretAccessKey: issued?.SecretAccessKey ?? '',
    sessionToken: issued?.SessionToken ?? '',
  };
  const { accessKeyId, secretAccessKey } = credentials;
  const options = { region: 'us-east-1', maxAttempts: 1 };
  const s3With = (keys: Credentials) =>
    new S3Client({ ...options, endpoint: s3.url, credentials: keys, forcePathStyle: true });
  const sqsWith = (keys: Credentials) => new SQSClient({ ...options, endpoint: sqs.url, credentials: keys });
  await s3With(credentials).send(new ListBucketsCommand({}));
  await sqsWith(credentials).send(new ListQueuesCommand({}));
  const identity = await clientWith(credentials).send(new GetCallerIdentityCommand({}));
  assert.equal(identity.Arn, AssumedRoleUser?.Arn);
  const tokenless = { accessKeyId, secretAccessKey };
  await assert.rejects(s3With(tokenless).send(new ListBucketsCommand({})), { name: 'InvalidToken' });
  await assert.rejects(sqsWith(tokenless).send(new ListQueuesCommand({})), { name: 'InvalidClientTokenId' });
  keyring.add({ ...credentials, arn: AssumedRoleUser?.Arn ?? '', expiresAtMs: Date.now() - 1 });
  await assert.rejects(s3With(credentials).send(new ListBucketsCommand({})), { name: 'ExpiredToken' });
  await assert.rejects(sqsWith(credentials).send(new ListQueuesCommand({})), { name: 'ExpiredToken' });
});

test('a role that is not there, or whose external id is not told, cannot be assumed', async (t) => {
  const { sts, client } = await startSts(t);
  const RoleArn = sts.createRole('guarded', { externalId: 'secret' });
  const assume = async (input: { RoleArn: string; ExternalId?: string }) =>
    client.send(new AssumeRoleCommand({ RoleSessionName: 'replicator', ...input }));
  await assert.rejects(assume({ RoleArn }), { name: 'AccessDenied' });
  await assert.rejects(assume({ RoleArn, ExternalId: 'guess' }), { name: 'AccessDenied' });
  await assert.rejects(assume({ RoleArn: `${RoleArn}-none` }), {
    name: 'AccessDenied',
    message:
      'User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/guarded-none',
  });
});
