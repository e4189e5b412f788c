// Whose credentials these are, asked of an STS over HTTP that checks signatures.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keyring } from '../../sandbox/aws/keyring.ts';
import { startSandboxSts } from '../../sandbox/sts/sandbox-sts.ts';
import { askCallerIdentity } from '../../src/aws/caller-identity.ts';
import type { CallerIdentity } from '../../src/core/bucket-access.ts';
import { Fault } from '../../src/core/faults.ts';
import { ACCOUNT, KEYS } from '../setup/own-cloud.ts';
import { NOBODY } from '../setup/own-command.ts';

const signal = new AbortController().signal;

test('the account and who in it is told; credentials that are refused are a fault, anything else is unknown', async (t) => {
  const sts = await startSandboxSts({ keyring: new Keyring(ACCOUNT, KEYS) });
  t.after(async () => sts.close());
  const ask = async (keys: Partial<typeof KEYS> = {}, endpoint = sts.url): Promise<CallerIdentity> =>
    askCallerIdentity(
      { region: 'us-east-1', endpoint, credentials: async () => ({ ...KEYS, ...keys }) },
      signal,
    );
  assert.deepEqual(await ask(), {
    kind: 'known',
    account: ACCOUNT,
    arn: `arn:aws:iam::${ACCOUNT}:user/sandbox`,
  });
  for (const [keys, storeCode] of [
    [{ secretAccessKey: 'wrong' }, 'SignatureDoesNotMatch'],
    [{ accessKeyId: 'AKUNKNOWN' }, 'InvalidClientTokenId'],
  ] as const)
    await assert.rejects(ask(keys), (error) => {
      assert.ok(error instanceof Fault);
      assert.deepEqual([error.code, error.details['storeCode']], ['credentials_invalid', storeCode]);
      assert.ok(!error.message.includes('wrong'));
      return true;
    });
  sts.deny('GetCallerIdentity');
  assert.deepEqual((await ask()).kind, 'unknown');
  assert.deepEqual(await ask({}, NOBODY), { kind: 'unknown', reason: 'ECONNREFUSED' });
  const none = new Fault('credentials_unavailable', 'nobody gives any');
  const options = { region: 'us-east-1', endpoint: sts.url, credentials: async () => Promise.reject(none) };
  await assert.rejects(askCallerIdentity(options, signal), none);
});
