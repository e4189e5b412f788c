// The parts of a service as processes of their own on one PostgreSQL: one takes changes, another one copies.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServiceProcess, startService } from '../../sandbox/service-process.ts';
import { SOURCE_BUCKET, startTwoClouds, TARGET_BUCKET } from '../../sandbox/two-clouds.ts';
import { startPostgresServer } from '../postgres-server.ts';
import { replicator, temporaryFolder } from './command-process.ts';
import { notification } from './service-under-test.ts';

test('serve --only intake takes changes and copies nothing; worker --from database copies them', async (t) => {
  const database = await startPostgresServer();
  t.after(() => database.close());
  const clouds = await startTwoClouds({ s3: 0, gcs: 0 });
  t.after(() => clouds.close());
  const folder = temporaryFolder(t);
  const settings = { ...clouds.settings, DATABASE_URL: await database.newSchema(), LOG_FORMAT: 'json' };
  const start = async (...command: string[]): Promise<ServiceProcess> => {
    const service = await startService({ settings, port: 0, apiKey: '', folder, onLog: () => {}, command });
    t.after(() => service.stop());
    return service;
  };

  const intake = await start('serve', '--only', 'intake');
  await clouds.s3.putObject(SOURCE_BUCKET, 'a', 'text');
  assert.equal((await intake.post('/v1/events', notification(['a']))).status, 202);
  // A process that would copy takes a change up within milliseconds.
  await sleep(500);
  assert.equal((await intake.newest(SOURCE_BUCKET, 'a'))?.status, 'queued');

  // Asked for before anybody copies, answered when another process has copied.
  const waiting = intake.post('/v1/replicate', { bucket: SOURCE_BUCKET, key: 'a' }, { prefer: 'wait=30' });
  const worker = await start('worker', '--from', 'database');
  const { status, body } = await waiting;
  assert.equal(status, 200);
  assert.match(JSON.stringify(body), /"outcome":"replicated"/);
  assert.equal(clouds.gcs.getObject(TARGET_BUCKET, 'a')?.read().toString(), 'text');
  assert.equal(await worker.stop(), 0);
  assert.equal(await intake.stop(), 0);
});

test('a part of the service without a database that others share says what to set', async (t) => {
  const clouds = await startTwoClouds({ s3: 0, gcs: 0 });
  t.after(() => clouds.close());
  const folder = temporaryFolder(t);
  for (const args of [
    ['serve', '--only', 'intake'],
    ['worker', '--from', 'database'],
  ]) {
    const { exitCode, err } = await replicator(folder, args, { ...clouds.settings });
    assert.equal(exitCode, 2);
    assert.match(err, /DATABASE_URL: is not set/);
    assert.match(err, /fix: +set it to the address of the PostgreSQL database/);
  }
});
