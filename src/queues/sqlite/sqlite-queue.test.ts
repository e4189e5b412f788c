// What only a queue on a disk promises: it survives its process, and its commits are shared.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ManualClock } from '../../../test/contract/manual-clock.ts';
import { withTemporaryFolder } from '../../../test/contract/temporary-folder.ts';
import {
  acceptOne,
  checkpointOf,
  claimOne,
  CURRENT,
  GRACE_MS,
  itemOf,
  LEASE_MS,
  parkWith,
  REPLICATED,
  retryIn,
  roomFor,
  show,
  SMALL_MAX_BYTES,
} from '../../../test/contract/transfer-queue-samples.ts';
import type { TransferQueue } from '../../core/transfer-queue.ts';
import { type CheckpointSealer, openCheckpointSealer } from '../checkpoint-sealer.ts';
import { openDatabase } from './open-database.ts';
import { openSqliteQueue } from './sqlite-queue.ts';

const MAX_DELAY_MS = 300_000;
const PROCESS = fileURLToPath(new URL('../../../test/contract/transfer-queue-process.ts', import.meta.url));

function open(
  directory: string,
  clock = new ManualClock(),
  sealer: CheckpointSealer | null = null,
): Promise<TransferQueue> {
  const times = {
    leaseMs: LEASE_MS,
    settleGraceMs: GRACE_MS,
    smallMaxBytes: SMALL_MAX_BYTES,
    maxRetryDelayMs: MAX_DELAY_MS,
  };
  return openSqliteQueue({ ...times, directory, clock, sealer });
}

function startProcess(mode: 'accept' | 'hold', directory: string): ChildProcess {
  return spawn(process.execPath, [PROCESS, mode, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

/** The lines of a process until `isEnough` of them, or all. */
async function linesOf(
  child: ChildProcess,
  isEnough: (lines: readonly string[]) => boolean,
): Promise<string[]> {
  assert(child.stdout !== null);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (isEnough(lines)) break;
  }
  return lines;
}

/** Transactions in the write-ahead log: frames whose header says that they end one. */
function commitsIn(path: string): number {
  const log = readFileSync(`${path}-wal`);
  const frameBytes = 24 + log.readUInt32BE(8);
  const salt = log.subarray(16, 24);
  let commits = 0;
  for (let at = 32; at + frameBytes <= log.byteLength; at += frameBytes) {
    const isCurrent = log.subarray(at + 8, at + 16).equals(salt);
    if (isCurrent && log.readUInt32BE(at + 4) > 0) commits += 1;
  }
  return commits;
}

test('everything survives a reopen: a copying row is owed and queued at once, a grace begins again', async () => {
  await withTemporaryFolder(async (directory) => {
    const clock = new ManualClock();
    const first = await open(directory, clock);
    await first.acceptDelivery('m1', {
      items: ['done', 'parked', 'settling', 'copying', 'dirty', 'queued'].map((key) => itemOf(key)),
      quarantine: [{ reason: 'no key', raw: '{}' }],
    });
    const [done, parked, settling, , dirty] = await first.claim(roomFor(5));
    assert(done !== undefined && parked !== undefined && settling !== undefined && dirty !== undefined);
    await first.finish(done.lease, REPLICATED);
    await first.park(parked.lease, parkWith('too_large'));
    await first.finish(settling.lease, { ...REPLICATED, owed: true });
    const followUp = await acceptOne(first, 'dirty');
    await first.close();

    clock.advance(GRACE_MS);
    const second = await open(directory, clock);
    const { byStatus, quarantined } = await second.counts();
    assert.deepEqual(byStatus, { queued: 3, copying: 0, settling: 1, parked: 1 });
    assert.equal(quarantined, 1);
    assert.deepEqual((await show(second, done.lease.transferId)).receipt, REPLICATED.receipt);
    assert.equal((await show(second, parked.lease.transferId)).fault?.code, 'too_large');
    assert.equal((await show(second, dirty.lease.transferId)).outcome, 'superseded');
    const claimed = await second.claim(roomFor(10));
    assert.deepEqual(
      claimed.map(({ source }) => source.key),
      ['queued', 'copying', 'dirty'],
    );
    assert.equal(claimed[2]?.lease.transferId, followUp.transferId);
    const ends = await Promise.all(claimed.map(({ lease }) => second.finish(lease, CURRENT)));
    assert.deepEqual(
      ends.map((end) => end.kind === 'finished' && end.status),
      ['done', 'settling', 'settling'],
      'an interrupted attempt is owed a look after the grace',
    );
    assert.equal(await second.untilNextDueMs(roomFor(10)), GRACE_MS, 'the whole grace, from the open');
    const repeat = await second.acceptDelivery('m1', { items: [itemOf('done')], quarantine: [] });
    assert.deepEqual([repeat.isRepeat, repeat.transfers[0]?.transferId], [true, done.lease.transferId]);
    await second.close();
  });
});

test('the classes of parked transfers are counted at a reopen, faults of a newer version among them', async () => {
  await withTemporaryFolder(async (directory) => {
    const first = await open(directory);
    await first.accept({ items: ['a', 'b', 'c', 'd'].map((key) => itemOf(key)), quarantine: [] });
    for (const { lease, source } of await first.claim(roomFor(4))) {
      await first.park(lease, parkWith(source.key === 'a' ? 'unexpected' : 'too_large'));
    }
    await first.close();
    const database = openDatabase(join(directory, 'queue.sqlite'));
    database
      .prepare(
        "UPDATE transfers SET fault_code = 'not_yet_known', " +
          "fault = replace(fault, 'too_large', 'not_yet_known') WHERE source_key = 'b'",
      )
      .run();
    database.close();
    const second = await open(directory);
    const classes = async (): Promise<unknown> =>
      (await second.parkedClasses()).map(({ faultCode, count }) => [faultCode, count]);
    assert.deepEqual(await classes(), [
      ['too_large', 2],
      ['unexpected', 2],
    ]);
    const filter = { faultCode: 'unexpected' } as const;
    assert.equal((await second.redriveClass({ filter, limit: 9, cursor: null })).redriven, 2);
    assert.deepEqual(await classes(), [['too_large', 2]]);
    await second.close();
  });
});

test('a step of redriving a class ends where no more fit, whatever the filter leaves out', async () => {
  await withTemporaryFolder(async (directory) => {
    const queue = await open(directory);
    const keys = Array.from({ length: 6_000 }, (_, index) =>
      index < 5_500 ? `skip/${index}` : `take/${index}`,
    );
    await queue.accept({ items: keys.map((key) => itemOf(key)), quarantine: [] });
    const claimed = await queue.claim(roomFor(keys.length));
    await Promise.all(claimed.map(({ lease }) => queue.park(lease, parkWith('access_denied'))));
    const steps: number[] = [];
    let cursor: string | null = null;
    do {
      const step: Awaited<ReturnType<TransferQueue['redriveClass']>> = await queue.redriveClass({
        filter: { keyPrefix: 'take/' },
        limit: 400,
        cursor,
      });
      steps.push(step.redriven);
      cursor = step.nextCursor;
    } while (cursor !== null);
    assert.deepEqual(steps, [0, 400, 100]);
    const all = await queue.redriveClass({ filter: {}, limit: 100_000, cursor: null });
    assert.equal(all.redriven, 1_000, 'one transaction, however much is asked for');
    await queue.close();
  });
});

test('what an earlier process left cannot be put in order: refused with the name of the file, and free again', async () => {
  await withTemporaryFolder(async (directory) => {
    const first = await open(directory);
    await acceptOne(first, 'a');
    await claimOne(first);
    await first.close();
    const path = join(directory, 'queue.sqlite');
    const database = openDatabase(path);
    database.exec("CREATE TRIGGER full BEFORE UPDATE ON transfers BEGIN SELECT RAISE(ABORT, 'no room'); END");
    database.close();
    await assert.rejects(open(directory), /The queue database .*queue\.sqlite cannot be used: no room/);
    const again = openDatabase(path);
    again.exec('DROP TRIGGER full');
    again.close();
    const second = await open(directory);
    assert.equal((await claimOne(second)).source.key, 'a');
    await second.close();
  });
});

test('a due time that a wrong clock left in the far future is pulled in at open', async () => {
  await withTemporaryFolder(async (directory) => {
    const clock = new ManualClock();
    clock.jump(365 * 86_400_000);
    const first = await open(directory, clock);
    await acceptOne(first, 'a');
    await first.retry((await claimOne(first)).lease, retryIn(60_000));
    await first.close();
    clock.jump(-365 * 86_400_000);
    const second = await open(directory, clock);
    assert.equal(await second.untilNextDueMs(roomFor(10)), MAX_DELAY_MS);
    await second.close();
  });
});

test('whatever was accepted before kill -9 is there afterwards, and the file is free at once', async () => {
  await withTemporaryFolder(async (directory) => {
    const child = startProcess('accept', directory);
    const [, ...ids] = await linesOf(child, (lines) => lines.length > 60);
    await kill(child);
    const queue = await open(directory);
    for (const id of ids) assert.equal((await show(queue, id)).status, 'queued');
    assert((await queue.claim(roomFor(1_000))).length >= ids.length);
    await queue.close();
  });
});

test('a second process on the same file refuses to start and says why', async () => {
  await withTemporaryFolder(async (directory) => {
    const child = startProcess('hold', directory);
    try {
      assert.deepEqual(await linesOf(child, () => true), ['open']);
      await assert.rejects(open(directory), /queue\.sqlite cannot be used: another process is using it/);
    } finally {
      await kill(child);
    }
    const queue = await open(directory);
    const other = startProcess('hold', directory);
    const [refusal] = await linesOf(other, () => true);
    assert.match(refusal ?? '', /^refused: .*One process owns the file/);
    await once(other, 'close');
    await assert.rejects(open(directory), /another process is using it/, 'nor twice in one process');
    await acceptOne(queue, 'a');
    await queue.close();
  });
});

test('operations handed in together share one transaction', async () => {
  await withTemporaryFolder(async (directory) => {
    const path = join(directory, 'queue.sqlite');
    const queue = await open(directory);
    let before = commitsIn(path);
    await Promise.all(Array.from({ length: 200 }, (_, index) => acceptOne(queue, `key-${index}`)));
    assert.equal(commitsIn(path) - before, 1);
    const claimed = await queue.claim(roomFor(200));
    before = commitsIn(path);
    await Promise.all(claimed.map(({ lease }) => queue.finish(lease, REPLICATED)));
    assert.equal(commitsIn(path) - before, 1);
    assert.deepEqual((await queue.counts()).byStatus, { queued: 0, copying: 0, settling: 0, parked: 0 });
    await queue.close();
  });
});

test('a filter that few rows match is answered whole, however many rows lie between', async () => {
  await withTemporaryFolder(async (directory) => {
    const queue = await open(directory);
    const keys = Array.from({ length: 12_000 }, (_, index) =>
      index % 5_500 === 3 ? `rare/${index}` : `k/${index}`,
    );
    await queue.accept({ items: keys.map((key) => itemOf(key)), quarantine: [] });
    const first = await queue.list({ filter: { keyPrefix: 'rare/' }, cursor: null, limit: 2 });
    const keysOf = (page: typeof first): string[] => page.transfers.map(({ source }) => source.key);
    assert.deepEqual(keysOf(first), ['rare/11003', 'rare/5503']);
    const second = await queue.list({ filter: { keyPrefix: 'rare/' }, cursor: first.nextCursor, limit: 2 });
    assert.deepEqual(keysOf(second), ['rare/3']);
    assert.equal(second.nextCursor, null);
    await queue.close();
  });
});

test('a checkpoint survives the process, sealed, also under the id of a follow-up', async () => {
  await withTemporaryFolder(async (directory) => {
    const sealer = openCheckpointSealer(Buffer.alloc(32, 1));
    const report = { bytesDone: 40, sizeBytes: 100, checkpoint: checkpointOf(40) };
    const first = await open(directory, new ManualClock(), sealer);
    await acceptOne(first, 'a');
    const { lease } = await claimOne(first);
    await first.progress(lease, report);
    await acceptOne(first, 'a');
    const path = join(directory, 'queue.sqlite');
    assert.equal(readFileSync(`${path}-wal`).includes('secret-session'), false);
    await first.close();
    assert.equal(readFileSync(path).includes('secret-session'), false);

    const second = await open(directory, new ManualClock(), sealer);
    const taken = await claimOne(second);
    assert.notEqual(taken.lease.transferId, lease.transferId);
    assert.deepEqual(taken.checkpoint, report.checkpoint);
    await second.close();

    const otherKey = await open(directory, new ManualClock(), openCheckpointSealer(Buffer.alloc(32, 2)));
    assert.equal((await claimOne(otherKey)).checkpoint, null, 'another key: the upload begins again');
    await otherKey.close();
  });
});

test('without a sealer no checkpoint is stored', async () => {
  await withTemporaryFolder(async (directory) => {
    const queue = await open(directory);
    await acceptOne(queue, 'a');
    const { lease } = await claimOne(queue);
    const report = { bytesDone: 40, sizeBytes: 100, checkpoint: checkpointOf(40) };
    assert.equal(await queue.progress(lease, report), true);
    await queue.retry(lease, retryIn(0));
    assert.equal((await claimOne(queue)).checkpoint, null);
    await queue.close();
    assert.equal(readFileSync(join(directory, 'queue.sqlite')).includes('secret-session'), false);
  });
});

test('the data folder and the file are readable by their owner only', async (context) => {
  if (process.platform === 'win32') return context.skip('file modes do not exist here');
  await withTemporaryFolder(async (parent) => {
    const directory = join(parent, 'deep', 'data');
    const queue = await open(directory);
    await acceptOne(queue, 'a');
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    assert.equal(statSync(join(directory, 'queue.sqlite')).mode & 0o777, 0o600);
    assert.equal(statSync(join(directory, 'queue.sqlite-wal')).mode & 0o777, 0o600);
    await queue.close();
  });
});

test('a database behind a link is opened, and the log beside the file itself is the one that is synced', async () => {
  await withTemporaryFolder(async (directory) => {
    const disk = join(directory, 'disk');
    const data = join(directory, 'data');
    await (await open(disk)).close();
    await mkdir(data);
    await symlink(join(disk, 'queue.sqlite'), join(data, 'queue.sqlite'));
    const queue = await open(data);
    await queue.accept({ items: [itemOf('a')], quarantine: [] });
    assert.deepEqual((await readdir(data)).sort(), ['queue.sqlite']);
    assert.deepEqual((await readdir(disk)).sort(), ['queue.sqlite', 'queue.sqlite-wal']);
    await queue.close();
  });
});
