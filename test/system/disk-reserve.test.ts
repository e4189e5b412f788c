// The real service on a small file system that fills up and is emptied again. Linux keeps one in memory; elsewhere the
// test says that it did not run.
import assert from 'node:assert/strict';
import { access, constants, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { notification, SOURCE_BUCKET, SystemUnderTest } from './service-under-test.ts';

const MEMORY_DISK = '/dev/shm';
const MIB = 1024 * 1024;

async function freeBytes(): Promise<number | null> {
  try {
    await access(MEMORY_DISK, constants.W_OK);
    const { bavail, bsize } = await statfs(MEMORY_DISK);
    return bavail * bsize;
  } catch {
    return null;
  }
}

test('a disk below its reserve: nothing more is accepted, what was accepted ends, and space alone opens it again', async (t) => {
  const free = await freeBytes();
  if (free === null || free < 256 * MIB) {
    t.skip(
      `${MEMORY_DISK} has no ${256 * MIB} bytes to fill: the disk reserve of a real process is NOT tested`,
    );
    return;
  }
  const folder = await mkdtemp(join(MEMORY_DISK, 'replicator-disk-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await using system = await SystemUnderTest.start({
    REPLICATOR_DATA_DIR: join(folder, 'data'),
    MIN_FREE_DISK_BYTES: String(free - 80 * MIB),
  });
  const { service, clouds } = system;
  // Nothing can be read for now, so that the transfer still waits when the disk is full.
  const down = { kind: 'status', status: 503, code: 'SlowDown' } as const;
  clouds.s3.faults.add({ match: {}, effect: down, times: Number.POSITIVE_INFINITY });
  await clouds.s3.putObject(SOURCE_BUCKET, 'before', 'x');
  assert.equal((await service.post('/v1/events', notification(['before']))).status, 202);

  await writeFile(join(folder, 'filler'), Buffer.alloc(160 * MIB));
  const refused = await system.until('a refusal', async () => {
    const answer = await service.post('/v1/events', notification(['during']));
    return answer.status === 503 ? (answer.body as Record<string, unknown>) : null;
  });
  assert.equal(refused['code'], 'disk_reserve');
  await system.until('readiness to fail', async () => {
    const answer = await fetch(`${service.url}/readyz`);
    await answer.arrayBuffer();
    return answer.status === 503 ? true : null;
  });
  const status = (await service.get('/v1/status')).body as { checks: { name: string; isOk: boolean }[] };
  assert.equal(status.checks.find(({ name }) => name === 'disk')?.isOk, false);
  clouds.s3.faults.clear();
  assert.equal((await system.ended('before')).outcome, 'replicated');

  await rm(join(folder, 'filler'));
  await system.until('changes to be accepted again', async () =>
    (await service.post('/v1/events', notification(['after']))).status === 202 ? true : null,
  );
  const told = service.logLines.filter((line) => line.includes('"reason":"disk_reserve"'));
  assert.equal(told.length, 2, `One line for the begin and one for the end:\n${told.join('\n')}`);
});
