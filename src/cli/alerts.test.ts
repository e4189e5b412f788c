// The command about alerts against the real API over real HTTP.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpServerDeps } from '../http/http-deps.ts';
import { openTestApi } from '../http/testing/open-test-api.ts';
import { runCommand } from './testing/run-command.ts';

const DOWN: HttpServerDeps['alerts'] = {
  active: () => [
    {
      alert: {
        key: 'store_down:target',
        kind: 'store_down',
        ruleName: null,
        faultCode: 'target_unreachable',
        store: 'target',
        title: 'The target is down',
        detail: 'Transfers wait for it.',
        remedy: 'Check DNS.',
        count: null,
        sinceMs: Date.UTC(2026, 10, 23),
      },
      sentAtMs: null,
      sentCount: 0,
    },
  ],
  receiver: () => ({
    origin: 'https://hooks.example.com',
    failure: 'https://hooks.example.com answered 500',
  }),
  sendTest: async () => ({
    kind: 'failed',
    reason: 'https://hooks.example.com answered 500',
    retryAfterMs: 0,
  }),
};

test('alerts are listed with what to do, and it is said where nobody is told', async (t) => {
  const quiet = await openTestApi(t);
  const nothing = await runCommand(quiet.url, ['alerts']);
  assert.deepEqual([nothing.exitCode, nothing.out], [0, '']);
  assert.match(nothing.err, /Nothing is wrong\.\n.*ALERT_WEBHOOK_URL is not set/);

  const troubled = await openTestApi(t, { alerts: DOWN });
  const listed = await runCommand(troubled.url, ['alerts']);
  assert.equal(listed.exitCode, 0);
  assert.match(
    listed.out,
    /^store_down: The target is down\n {2}Transfers wait.*\n {2}since: .*2026-11-23.*\n {2}told: {4}not yet\n {2}remedy: {2}Check DNS\.\n$/,
  );
  assert.match(listed.err, /do not arrive: https:\/\/hooks\.example\.com answered 500/);
  const json = JSON.parse((await runCommand(troubled.url, ['alerts', '--json'])).out) as { alerts: object[] };
  assert.equal(json.alerts.length, 1);
});

test('a test message says where it arrived, or why not, with an exit code for scripts', async (t) => {
  const works = await openTestApi(t, { alerts: { ...DOWN, sendTest: async () => ({ kind: 'delivered' }) } });
  const arrived = await runCommand(works.url, ['alerts', '--test']);
  assert.deepEqual(
    [arrived.exitCode, arrived.out],
    [0, 'A test message has arrived at https://hooks.example.com\n'],
  );
  const fails = await openTestApi(t, { alerts: DOWN });
  const failed = await runCommand(fails.url, ['alerts', '--test']);
  assert.equal(failed.exitCode, 75);
  assert.match(failed.err, /hooks\.example\.com answered 500/);
  const nobody = await runCommand((await openTestApi(t)).url, ['alerts', '--test']);
  assert.equal(nobody.exitCode, 1);
});
