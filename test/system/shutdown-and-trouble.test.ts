// A service that is asked to stop by impatient hosts, or whose disk goes wrong under it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { notification, SOURCE_BUCKET, SystemUnderTest } from './service-under-test.ts';

test('a caller that never finishes its request does not keep the service from stopping', async () => {
  await using system = await SystemUnderTest.start({ SHUTDOWN_GRACE_SEC: '1' });
  const { hostname, port } = new URL(system.service.url);
  const slow = connect({ host: hostname, port: Number(port) });
  slow.on('error', () => {});
  await once(slow, 'connect');
  slow.write(
    'POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
  );
  // Answered on another connection afterwards: the service has read what the slow one sent.
  assert.equal((await system.service.get('/v1/status')).status, 200);
  assert.equal(await system.service.stop(), 0);
  slow.destroy();
  const stopping = system.service.logLines.filter((line) => line.includes('stopp'));
  assert.equal(stopping.length, 2, stopping.join('\n'));
});

test('a queue file that is deleted under the service: nothing is accepted any more, and readiness says so', async () => {
  await using system = await SystemUnderTest.start();
  await system.clouds.s3.putObject(SOURCE_BUCKET, 'k', 'x');
  assert.equal((await system.service.post('/v1/events', notification(['k']))).status, 202);
  await system.ended('k');
  await rm(join(system.folder, 'data'), { recursive: true });
  // The file is looked at once a second.
  const refused = await system.until('a refusal', async () => {
    const answer = await system.service.post('/v1/events', notification(['k']));
    return answer.status === 503 ? answer : null;
  });
  assert.match(JSON.stringify(refused.body), /retry|again/i);
  await system.until('readiness to fail', async () => {
    const answer = await fetch(`${system.service.url}/readyz`);
    await answer.arrayBuffer();
    return answer.status === 503 ? answer.status : null;
  });
});
