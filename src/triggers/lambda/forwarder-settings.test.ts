// Which addresses and keys the forwarder accepts, and that a refusal names the variable and never the value.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForwarderSettingsError, namesService, readForwarderSettings } from './forwarder-settings.ts';

const ADDRESSES: readonly [written: string, used: string][] = [
  ['https://replicator.example.com', 'https://replicator.example.com/v1/events'],
  ['https://replicator.example.com/', 'https://replicator.example.com/v1/events'],
  ['  https://replicator.example.com:8443//\n', 'https://replicator.example.com:8443/v1/events'],
  ['https://example.com/tools/replicator', 'https://example.com/tools/replicator/v1/events'],
  ['https://example.com/tools/replicator/', 'https://example.com/tools/replicator/v1/events'],
  ['https://example.com/v1/events', 'https://example.com/v1/events'],
  ['https://example.com/base/v1/events/', 'https://example.com/base/v1/events'],
  ['http://127.0.0.1:8080', 'http://127.0.0.1:8080/v1/events'],
  ['http://localhost:8080', 'http://localhost:8080/v1/events'],
  ['http://[::1]:8080', 'http://[::1]:8080/v1/events'],
];

for (const [written, used] of ADDRESSES)
  test(`the address ${JSON.stringify(written)} leads to ${used}`, () => {
    assert.equal(readForwarderSettings({ REPLICATOR_URL: written }).url, used);
    assert.equal(readForwarderSettings({ FASTAPI_URL: written }).url, used);
  });

test('without a key there is none, and ten seconds are the longest wait', () => {
  const settings = readForwarderSettings({ REPLICATOR_URL: 'https://example.com', REPLICATOR_API_KEY: ' ' });
  assert.deepEqual(settings, {
    url: 'https://example.com/v1/events',
    proof: { kind: 'none' },
    timeoutMs: 10_000,
  });
});

test('a key is used without the blanks around it', () => {
  const environment = { REPLICATOR_URL: 'https://example.com', REPLICATOR_API_KEY: ' rk-1\n' };
  assert.deepEqual(readForwarderSettings(environment).proof, { kind: 'key', apiKey: 'rk-1' });
});

test('a webhook secret signs instead of the key, with or without one', () => {
  const secret = Uint8Array.from({ length: 32 }, (_, index) => index);
  const environment = {
    REPLICATOR_URL: 'https://example.com',
    REPLICATOR_WEBHOOK_SECRET: ` whsec_${Buffer.from(secret).toString('base64')}\n`,
  };
  const signed = { kind: 'signature', secret };
  assert.deepEqual(readForwarderSettings(environment).proof, signed);
  assert.deepEqual(readForwarderSettings({ ...environment, REPLICATOR_API_KEY: 'rk-1' }).proof, signed);
});

test('whether a service is named at all is told apart from whether it is named rightly', () => {
  for (const environment of [{}, { REPLICATOR_URL: ' ' }, { REPLICATOR_API_KEY: 'rk-1' }])
    assert.equal(namesService(environment), false);
  for (const environment of [{ REPLICATOR_URL: 'x' }, { FASTAPI_URL: 'https://a.example' }])
    assert.equal(namesService(environment), true);
});

test('both names may be set when they mean the same service', () => {
  const environment = {
    REPLICATOR_URL: 'https://example.com/',
    FASTAPI_URL: 'https://EXAMPLE.com/v1/events',
  };
  assert.equal(readForwarderSettings(environment).url, 'https://example.com/v1/events');
});

const REFUSED: readonly [environment: Readonly<Record<string, string>>, message: RegExp][] = [
  [{}, /REPLICATOR_URL is missing: set it/],
  [{ REPLICATOR_URL: '' }, /REPLICATOR_URL is missing/],
  [{ REPLICATOR_URL: 'replicator.example.com' }, /REPLICATOR_URL is not a web address.*https:/],
  [{ FASTAPI_URL: 'ftp://example.com' }, /FASTAPI_URL is not a web address/],
  [{ REPLICATOR_URL: 'http://example.com' }, /plain http: to example.com/],
  [{ REPLICATOR_URL: 'http://10.0.0.7:8080' }, /plain http: to 10\.0\.0\.7:8080/],
  [{ REPLICATOR_URL: 'http://127.0.0.1.example.com' }, /plain http:/],
  [{ REPLICATOR_URL: 'http://localhost.example.com' }, /plain http:/],
  [{ REPLICATOR_URL: 'https://me:canary@example.com' }, /user name or password/],
  [{ REPLICATOR_URL: 'https://example.com/?key=canary' }, /after "\?" or "#"/],
  [{ REPLICATOR_URL: 'https://a.example', FASTAPI_URL: 'https://b.example' }, /two different services/],
  [
    { REPLICATOR_URL: 'https://a.example', REPLICATOR_API_KEY: `write:canary:${'0a'.repeat(32)}` },
    /REPLICATOR_API_KEY holds the service's entry/,
  ],
  [
    { REPLICATOR_URL: 'https://a.example', REPLICATOR_API_KEY: 'canary\nx' },
    /REPLICATOR_API_KEY.*line break/,
  ],
  [
    { REPLICATOR_URL: 'https://a.example', REPLICATOR_WEBHOOK_SECRET: 'whsec_canary' },
    /REPLICATOR_WEBHOOK_SECRET holds 4 bytes: paste one entry/,
  ],
  [
    { REPLICATOR_URL: 'https://a.example', REPLICATOR_WEBHOOK_SECRET: 'canary'.repeat(8) },
    /REPLICATOR_WEBHOOK_SECRET is not whsec_ and base64/,
  ],
  [
    { REPLICATOR_URL: 'https://a.example', REPLICATOR_WEBHOOK_SECRET: 'whsec_canary,whsec_canary' },
    /REPLICATOR_WEBHOOK_SECRET holds a list: set it to one secret/,
  ],
  [
    { REPLICATOR_URL: 'https://a.example', REPLICATOR_WEBHOOK_SECRET: 'ssm:/replicator/canary' },
    /REPLICATOR_WEBHOOK_SECRET is a reference, which the forwarder does not resolve.*set the value itself/,
  ],
  [
    { REPLICATOR_URL: 'https://a.example', REPLICATOR_API_KEY: 'aws-sm:canary' },
    /REPLICATOR_API_KEY is a reference.*set the value itself/,
  ],
  [{ REPLICATOR_API_KEY: 'canary x' }, /REPLICATOR_URL is missing.*REPLICATOR_API_KEY/],
];

for (const [environment, message] of REFUSED)
  test(`${JSON.stringify(environment).slice(0, 70)} is refused with the remedy`, () => {
    assert.throws(
      () => readForwarderSettings(environment),
      (error) => {
        assert.ok(error instanceof ForwarderSettingsError);
        assert.match(error.message, message);
        assert.ok(!error.message.includes('canary'));
        return true;
      },
    );
  });
