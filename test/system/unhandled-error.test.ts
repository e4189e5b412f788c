// An error that nobody caught ends the process at once, loudly: nothing goes on in a state that nobody knows, and the
// next start completes what was accepted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  notification,
  someBytes,
  SOURCE_BUCKET,
  SystemUnderTest,
  TARGET_BUCKET,
} from './service-under-test.ts';

const THROWS_AT_SIGNAL = `process.on('SIGUSR2', () => { Promise.reject(new Error('nobody catches this')); })`;

test('an unhandled rejection in the middle of a transfer ends the process, is shown, and costs nothing accepted', async () => {
  await using system = await SystemUnderTest.start({
    SETTLE_GRACE_SEC: '1',
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(THROWS_AT_SIGNAL)}`,
  });
  const bytes = someBytes(1024 * 1024);
  await system.clouds.s3.putObject(SOURCE_BUCKET, 'k', bytes);
  system.clouds.s3.faults.add({
    match: { method: 'GET', path: '/k' },
    effect: { kind: 'stall_response', afterBytes: 1000 },
  });
  assert.equal((await system.service.post('/v1/events', notification(['k']))).status, 202);
  await system.until('the read', async () => (system.clouds.s3.faults.pending === 0 ? true : null));
  process.kill(system.service.pid, 'SIGUSR2');
  await system.until('the end of the process', async () => {
    const answer = await fetch(`${system.service.url}/healthz`).catch(() => null);
    await answer?.arrayBuffer();
    return answer === null ? true : null;
  });
  assert.equal(await system.service.stop(), 1);
  assert.ok(system.service.logLines.some((line) => line.includes('nobody catches this')));
  await system.restart();
  assert.equal((await system.ended('k')).status, 'done');
  assert.ok(system.clouds.gcs.getObject(TARGET_BUCKET, 'k')?.read().equals(bytes));
});
