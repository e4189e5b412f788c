// The real service on a disk that has no byte left, and on one that refuses to let the file grow: 503 with a time to
// come back, everything accepted is kept, also over kill -9, and space alone opens it again.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { notification, SOURCE_BUCKET, SystemUnderTest, TARGET_BUCKET } from '../system/service-under-test.ts';
import { startRefused } from './refused-start.ts';

const MIB = 1024 * 1024;
/** The disk itself has to say that it is full here, not the reserve that the service keeps. */
const NO_RESERVE = { MIN_FREE_DISK_BYTES: '0' };

interface Posted {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly ids: readonly string[];
}

async function post(system: SystemUnderTest, keys: readonly string[]): Promise<Posted> {
  const answer = await fetch(`${system.service.url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(notification(keys)),
  });
  const body = (await answer.json()) as { transfers?: { id: string }[] };
  return {
    status: answer.status,
    retryAfter: answer.headers.get('retry-after'),
    ids: (body.transfers ?? []).map(({ id }) => id),
  };
}

/** Posts new keys until one post is refused; returns the ids of what was accepted, and the refusal. */
async function postUntilRefused(
  system: SystemUnderTest,
  name: string,
): Promise<{ ids: string[]; refusal: Posted }> {
  const ids: string[] = [];
  for (let round = 0; round < 2_000; round += 1) {
    const keys = Array.from({ length: 200 }, (_, index) => `${name}/${round}/${index}`);
    const posted = await post(system, keys);
    if (posted.status !== 202) return { ids, refusal: posted };
    ids.push(...posted.ids);
  }
  throw new Error('Nothing was refused');
}

async function assertAllDone(system: SystemUnderTest, ids: readonly string[]): Promise<void> {
  await system.until('rest', async () => {
    const { counts } = (await system.service.get('/v1/status')).body as { counts: Record<string, number> };
    return (counts['queued'] ?? 0) + (counts['copying'] ?? 0) + (counts['settling'] ?? 0) === 0 ? true : null;
  });
  const judge = async (id: string): Promise<void> => {
    const { status, body } = await system.service.get(`/v1/transfers/${id}`);
    assert.equal(status, 200, `The accepted transfer ${id} is gone`);
    assert.equal((body as { status: string }).status, 'done');
  };
  for (let from = 0; from < ids.length; from += 50) await Promise.all(ids.slice(from, from + 50).map(judge));
}

/** Why no small disk can be had here; null where one is mounted at `folder` now. */
function whyNoDisk(folder: string): string | null {
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder], { encoding: 'utf8' });
  return mounted.status === 0 ? null : (mounted.error?.message ?? mounted.stderr.trim());
}

test('a full disk: 503, a restart runs or says why not, and with space again nothing accepted is lost', async (context) => {
  const disk = await mkdtemp(join(tmpdir(), 'replicator-full-'));
  const reason = whyNoDisk(disk);
  if (reason !== null) {
    await rm(disk, { recursive: true });
    console.warn(`SKIPPED: a full disk is NOT tested here: ${reason}`);
    context.skip(`no file system may be mounted: ${reason}`);
    return;
  }
  context.after(async () => {
    spawnSync('umount', [disk]);
    await rm(disk, { recursive: true });
  });
  const dataFolder = join(disk, 'data');
  await using system = await SystemUnderTest.start({
    ...NO_RESERVE,
    REPLICATOR_DATA_DIR: dataFolder,
    SETTLE_GRACE_SEC: '1',
  });
  const { clouds } = system;
  await clouds.s3.putObject(SOURCE_BUCKET, 'object', 'bytes');
  const first = await post(system, ['object']);
  assert.equal(first.status, 202);
  await system.ended('object');
  const { ids, refusal } = await postUntilRefused(system, 'filling');
  assert.equal(refusal.status, 503);
  assert.ok(Number(refusal.retryAfter) > 0, 'It says when to come back');
  assert.equal((await fetch(`${system.service.url}/healthz`)).status, 200, 'It lives on');

  await system.service.kill();
  spawnSync('sh', ['-c', `cat /dev/zero > ${join(disk, 'filler')}`]);
  const refused = await startRefused(dataFolder);
  // Where the log has room inside the file, no byte more is needed to start.
  if (refused.code !== null) {
    assert.equal(refused.code, 1);
    assert.match(refused.output, /queue\.sqlite cannot be used: .*(full|space|written)/);
  }
  assert.equal(spawnSync('mount', ['-o', 'remount,size=64m', disk]).status, 0);
  await system.restart();
  await system.until('a change to be accepted', async () =>
    (await post(system, ['object'])).status === 202 ? true : null,
  );
  await assertAllDone(system, [...first.ids, ...ids]);
  assert.equal(clouds.gcs.getObject(TARGET_BUCKET, 'object')?.read().toString(), 'bytes');
});

test('a file that may not grow: 503 while it lasts, and accepted again by itself; nothing accepted is lost', async (context) => {
  const limit = (pid: number, bytes: string): number | null =>
    spawnSync('prlimit', [`--pid=${pid}`, `--fsize=${bytes}:`]).status;
  if (limit(process.pid, 'unlimited') !== 0) {
    console.warn('SKIPPED: a file that may not grow is NOT tested here: there is no prlimit');
    context.skip('prlimit is not installed');
    return;
  }
  await using system = await SystemUnderTest.start({ ...NO_RESERVE, SETTLE_GRACE_SEC: '1' });
  const { clouds, service } = system;
  await clouds.s3.putObject(SOURCE_BUCKET, 'object', 'bytes');
  const { size } = await stat(join(system.folder, 'data', 'queue.sqlite-wal'));
  assert.equal(limit(service.pid, String(size + MIB / 2)), 0);
  const { ids, refusal } = await postUntilRefused(system, 'filling');
  assert.equal(refusal.status, 503);
  assert.ok(Number(refusal.retryAfter) > 0, 'It says when to come back');
  assert.equal(limit(service.pid, 'unlimited'), 0);
  const again = await system.until('a change to be accepted', async () => {
    const posted = await post(system, ['object']);
    return posted.status === 202 ? posted : null;
  });
  // Ends that could not be written down wait for their leases to run out; a start does not wait for them.
  await service.kill();
  await system.restart();
  await assertAllDone(system, [...ids, ...again.ids]);
  assert.equal(clouds.gcs.getObject(TARGET_BUCKET, 'object')?.read().toString(), 'bytes');
});
