// A queue file that somebody else wants too: one process owns it from its first to its last moment, whoever comes later
// is refused, and nobody waits for a lock that is never given.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openSqliteQueue } from '../../src/queues/sqlite/sqlite-queue.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import { acceptOne } from '../contract/transfer-queue-samples.ts';

async function inFolder(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'replicator-database-'));
  try {
    await run(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function openQueue(directory: string): Promise<Awaited<ReturnType<typeof openSqliteQueue>>> {
  return openSqliteQueue({
    directory,
    clock: SYSTEM_CLOCK,
    leaseMs: 30_000,
    settleGraceMs: 120_000,
    maxRetryDelayMs: 300_000,
    smallMaxBytes: 1_000,
    sealer: null,
  });
}

test('a program that wants to write into the queue file is locked out at once, and changes are taken meanwhile', async () => {
  await inFolder(async (directory) => {
    const queue = await openQueue(directory);
    const { transferId } = await acceptOne(queue, 'before');
    const stranger = new DatabaseSync(join(directory, 'queue.sqlite'), { timeout: 0 });
    assert.throws(() => stranger.exec('BEGIN IMMEDIATE'), /locked/);
    await acceptOne(queue, 'meanwhile');
    assert.throws(() => stranger.exec('DELETE FROM transfers'), /locked/);
    stranger.close();
    assert.equal((await queue.get(transferId))?.status, 'queued');
    assert.equal((await queue.counts()).byStatus.queued, 2);
    await queue.close();
  });
});

test('a queue file that another program holds is refused with the reason, and opens once it is free', async () => {
  await inFolder(async (directory) => {
    const first = await openQueue(directory);
    const { transferId } = await acceptOne(first, 'kept');
    await first.close();
    const stranger = new DatabaseSync(join(directory, 'queue.sqlite'));
    stranger.exec('BEGIN IMMEDIATE');
    await assert.rejects(openQueue(directory), /another process is using it/);
    stranger.exec('ROLLBACK');
    stranger.close();
    const second = await openQueue(directory);
    assert.equal((await second.get(transferId))?.status, 'queued');
    await second.close();
  });
});
