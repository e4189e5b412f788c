// Mirrored deletes by the function that replicates: its brake is in the database that it shares with a service.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { buildReplicator } from '../../deploy/lambda/build.ts';
import { SOURCE_BUCKET, TARGET_BUCKET } from '../../sandbox/two-clouds.ts';
import { startPostgresServer } from '../postgres-server.ts';
import { notification } from '../system/service-under-test.ts';
import { OWN_RUNTIME } from './function-process.ts';
import { ReplicateWorld } from './replicate-world.ts';
import { openSharedQueue } from '../contract/open-shared-queue.ts';

const server = await startPostgresServer();
const outDir = mkdtempSync(join(tmpdir(), 'mirror-'));
const started = { folder: join(outDir, 'replicate'), runtime: OWN_RUNTIME };

before(async () => {
  await buildReplicator(outDir);
});

after(async () => {
  rmSync(outDir, { recursive: true, force: true });
  await server.close();
});

function settings(databaseUrl: string): Readonly<Record<string, string>> {
  return {
    SQS_QUEUE_URL: '',
    DELETES: 'mirror',
    DELETE_BRAKE_COUNT: '1',
    S3_EXPECTED_OWNER: '123456789012',
    DATABASE_URL: databaseUrl,
  };
}

test('a delete is mirrored, and past the limit of the brake the next one is held for a person', async (t) => {
  const databaseUrl = await server.newSchema();
  // A service makes the tables.
  const service = await openSharedQueue(databaseUrl);
  t.after(() => service.close());
  const world = await ReplicateWorld.start(t);
  await world.put({ a: '1', b: '2' });
  const running = await world.function(started, { settings: settings(databaseUrl) });
  const copied = await running.invoke(notification(['a', 'b']));
  assert.equal(copied.kind, 'response', JSON.stringify(copied));
  world.assertArrived(['a', 'b']);

  world.clouds.s3.deleteObject(SOURCE_BUCKET, 'a');
  world.clouds.s3.deleteObject(SOURCE_BUCKET, 'b');
  const deleted = await running.invoke(notification(['a'], 'ObjectRemoved:Delete'));
  assert.equal(deleted.kind, 'response', JSON.stringify(deleted));
  const held = await running.invoke(notification(['b'], 'ObjectRemoved:Delete'));
  assert.ok(held.kind === 'error');
  assert.match(held.errorMessage, /\(delete_brake\)/);
  assert.deepEqual(
    world.clouds.gcs.objects(TARGET_BUCKET).map(({ name }) => name),
    ['b'],
  );
  // The count is in the database: another process holds the next one too.
  const another = await world.function(started, { settings: settings(databaseUrl) });
  assert.equal((await another.invoke(notification(['b'], 'ObjectRemoved:Delete'))).kind, 'error');
});

test('a database that no service has used yet fails every call with what to do', async (t) => {
  const world = await ReplicateWorld.start(t);
  const running = await world.function(started, { settings: settings(await server.newSchema()) });
  for (let call = 0; call < 2; call += 1) {
    const failed = await running.invoke(notification(['a']));
    assert.ok(failed.kind === 'error');
    assert.match(failed.errorMessage, /has no tables yet\. Start a service with this DATABASE_URL once/);
    assert.ok(!failed.errorMessage.includes('postgres:'), 'neither user nor password');
  }
});
