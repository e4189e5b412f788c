// Every driver of the notes under the contract; and what only a disk can show: notes survive a reopening.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryNotes } from '../../src/queues/memory/memory-notes.ts';
import { openSqliteQueue } from '../../src/queues/sqlite/sqlite-queue.ts';
import { promiseDurableNotes } from './durable-notes.contract.ts';
import { ManualClock } from './manual-clock.ts';
import { onPostgres } from '../postgres-server.ts';
import { openPostgresOnClock } from './postgres-on-clock.ts';
import { withTemporaryFolder } from './temporary-folder.ts';
import { GRACE_MS, LEASE_MS } from './transfer-queue-samples.ts';

promiseDurableNotes('memory', (body) => body(openMemoryNotes()));

promiseDurableNotes('SQLite', (body) =>
  withTemporaryFolder(async (directory) => {
    const storage = await openStorage(directory);
    try {
      await body(storage.notes);
    } finally {
      await storage.close();
    }
  }),
);

onPostgres((server) => {
  promiseDurableNotes('PostgreSQL', async (body) => {
    const storage = await openPostgresOnClock(server, new ManualClock());
    try {
      await body(storage.notes);
    } finally {
      await storage.close();
    }
  });
});

test('notes are there after the database was closed and opened again', () =>
  withTemporaryFolder(async (directory) => {
    const first = await openStorage(directory);
    await first.notes.write('a', 'kept', null);
    await first.close();
    const second = await openStorage(directory);
    assert.equal((await second.notes.read('a'))?.value, 'kept');
    await second.close();
    await assert.rejects(second.notes.read('a'), /closed/u);
  }));

function openStorage(directory: string): ReturnType<typeof openSqliteQueue> {
  return openSqliteQueue({
    directory,
    clock: new ManualClock(),
    leaseMs: LEASE_MS,
    settleGraceMs: GRACE_MS,
    maxRetryDelayMs: 300_000,
    smallMaxBytes: 1_000,
    sealer: null,
  });
}
