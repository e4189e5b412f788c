// A file that an earlier version left behind: what is in it means the same after the upgrade.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ManualClock } from '../../../test/contract/manual-clock.ts';
import { withTemporaryFolder } from '../../../test/contract/temporary-folder.ts';
import { GRACE_MS, LEASE_MS, receiptOf, roomFor } from '../../../test/contract/transfer-queue-samples.ts';
import { openSqliteQueue } from './sqlite-queue.ts';

const MIGRATIONS = fileURLToPath(new URL('../../../migrations/sqlite/', import.meta.url));
const APPLICATION_ID = 0x63637271;
const MIB = 2 ** 20;

interface OldRow {
  readonly id: string;
  readonly key: string;
  readonly status: 'queued' | 'copying' | 'done';
  readonly generation?: string;
  readonly sizeHint?: number;
  readonly dirtyId?: string;
}

/** A file of the first schema that had parked classes and notes, with these rows in their order. */
function writeOldFile(path: string, rows: readonly OldRow[]): void {
  const database = new DatabaseSync(path);
  const files = readdirSync(MIGRATIONS).sort().slice(0, 4);
  for (const file of files) database.exec(readFileSync(join(MIGRATIONS, file), 'utf8'));
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${files.length}`);
  const insert = database.prepare(
    `INSERT INTO transfers (id, rule_name, source_bucket, source_key, target_bucket, target_key, created_at, status,
      attempt_count, owed, is_settling, lease_token, wake_at, change_at, size_hint, dirty_id, dirty_change_at,
      dirty_created_at, bytes_done, receipt, updated_at, finished_at)
    VALUES (?, 'default', 'source', ?, 'target', ?, 1, ?, 0, 0, 0, 0, ?, 1, ?, ?, ?, ?, 0, ?, 1, ?)`,
  );
  for (const { id, key, status, generation, sizeHint, dirtyId } of rows) {
    const isDone = status === 'done';
    const dirtyAt = dirtyId === undefined ? null : 1;
    const receipt = generation === undefined ? null : JSON.stringify(receiptOf(generation));
    const values = [
      id,
      key,
      key,
      status,
      isDone ? null : 1,
      sizeHint ?? null,
      dirtyId ?? null,
      dirtyAt,
      dirtyAt,
    ];
    insert.run(...values, receipt, isDone ? 1 : null);
  }
  database.close();
}

test('receipts, sizes and changes of a file from before the lanes are found again', async () => {
  await withTemporaryFolder(async (directory) => {
    const path = join(directory, 'queue.sqlite');
    writeOldFile(path, [
      { id: 'a1', key: 'a', status: 'done', generation: '1' },
      { id: 'a2', key: 'a', status: 'done', generation: '2' },
      { id: 'b1', key: 'b', status: 'done', generation: '9' },
      { id: 'a3', key: 'a', status: 'done' },
      { id: 'a4', key: 'a', status: 'queued', sizeHint: 8 * MIB },
      { id: 'b2', key: 'b', status: 'done' },
      { id: 'c1', key: 'c', status: 'queued', sizeHint: 8 * MIB + 1 },
      { id: 'd1', key: 'd', status: 'copying', dirtyId: 'd2' },
    ]);
    const queue = await openSqliteQueue({
      path,
      clock: new ManualClock(),
      leaseMs: LEASE_MS,
      settleGraceMs: GRACE_MS,
      maxRetryDelayMs: 300_000,
      smallMaxBytes: 8 * MIB,
      sealer: null,
    });
    const item = {
      ruleName: 'default',
      source: { bucket: 'source', key: 'b' },
      target: { bucket: 't', key: 'b' },
    };
    const change = { ...item.source, kind: 'created', transport: 's3' } as const;
    const unknown = { occurredAtMs: null, sizeBytes: null, versionId: null, sequencer: null };
    await queue.accept({ items: [{ ...item, change: { ...change, ...unknown } }], quarantine: [] });
    const claimed = await queue.claim(roomFor(10));
    const seen = claimed.map(({ source, lane, lastReceipt }) => [source.key, lane, lastReceipt?.generation]);
    assert.deepEqual(
      seen.toSorted(([a], [b]) => String(a).localeCompare(String(b))),
      [
        ['a', 'small', '2'],
        ['b', 'small', '9'],
        ['c', 'large', undefined],
        ['d', 'small', undefined],
      ],
    );
    const d = claimed.find(({ source }) => source.key === 'd');
    assert.deepEqual([d?.lease.transferId, d?.isOwed], ['d2', true]);
    await queue.close();
  });
});
