// Which addresses and keys the forwarder accepts, and that a refusal names the variable and never the value.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForwarderSettingsError, readForwarderSettings } from './forwarder-settings.ts';

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
  assert.deepEqual(settings, { url: 'https://example.com/v1/events', apiKey: null, timeoutMs: 10_000 });
});

test('a key is used without the blanks around it', () => {
  const environment = { REPLICATOR_URL: 'https://example.com', REPLICATOR_API_KEY: ' rk-1\n' };
  assert.equal(readForwarderSettings(environment).apiKey, 'rk-1');
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
    /REPLICATOR_WEBHOOK_SECRET is not understood/,
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
