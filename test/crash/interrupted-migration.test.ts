// A start that is killed while it brings the database of an older version to the newest schema: each step is there
// whole or not at all, and the next start goes on from it with every row.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { migrate } from '../../src/queues/sqlite/migrate.ts';
import { openDatabase } from '../../src/queues/sqlite/open-database.ts';
import { withTemporaryFolder } from '../contract/temporary-folder.ts';

const ROOT = join(import.meta.dirname, '../..');
const MIGRATIONS = join(ROOT, 'migrations/sqlite');
const PROCESS = join(ROOT, 'test/contract/transfer-queue-process.ts');
/** Enough for a migration to take longer than it takes to see that it began. */
const ROWS = 60_000;

async function migrationNames(): Promise<string[]> {
  return (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql')).toSorted();
}

/** A folder with the first migrations alone. */
async function firstMigrations(folder: string, count: number): Promise<string> {
  const directory = join(folder, `first-${count}`);
  await mkdir(directory);
  for (const name of (await migrationNames()).slice(0, count))
    await copyFile(join(MIGRATIONS, name), join(directory, name));
  return directory;
}

/** Names and texts of everything in the schema. */
function schemaOf(database: DatabaseSync): string {
  return JSON.stringify(database.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all());
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
}

/** The schema after each number of migrations, 0 at place 0. */
async function schemas(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (let count = 0; count <= (await migrationNames()).length; count += 1) {
    const database = new DatabaseSync(':memory:');
    migrate(database, await firstMigrations(folder, count));
    found.push(schemaOf(database));
    database.close();
  }
  return found;
}

/** A database as the first version left it, with many parked rows. */
async function makeFirstVersion(folder: string, path: string): Promise<void> {
  const database = new DatabaseSync(path);
  migrate(database, join(folder, 'first-1'));
  database.exec(`
    PRAGMA journal_mode = WAL;
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${ROWS})
    INSERT INTO transfers (id, rule_name, source_bucket, source_key, target_bucket, target_key, created_at, status,
      attempt_count, owed, is_settling, lease_token, change_at, bytes_done, fault_code, fault, updated_at)
    SELECT 'id-' || n, 'default', 'b', 'key-' || n, 't', 'key-' || n, n, 'parked', 1, 0, 0, 1, n, 0, 'access_denied',
      '{"code":"access_denied","message":"no","atMs":1,"details":{}}', n FROM numbers`);
  database.close();
}

/** Starts a queue process on the folder and kills it when the log was written to for the n-th time, or once it is open. */
async function killAtWrite(directory: string, nth: number): Promise<void> {
  let writes = 0;
  const child = spawn(process.execPath, [PROCESS, 'hold', directory], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  child.stdout.once('data', () => child.kill('SIGKILL'));
  const watcher = watch(directory, (_event, name) => {
    if (name === 'queue.sqlite-wal') writes += 1;
    if (writes >= nth) child.kill('SIGKILL');
  });
  const exited = once(child, 'exit');
  await exited;
  watcher.close();
}

test('kill -9 in the middle of a migration leaves whole steps only; the next start completes them', async () => {
  await withTemporaryFolder(async (folder) => {
    const known = await schemas(folder);
    const original = join(folder, 'original.sqlite');
    await makeFirstVersion(folder, original);
    const reached: number[] = [];
    for (const nth of [1, 2, 4, 8]) {
      const directory = join(folder, `data-${nth}`);
      const path = join(directory, 'queue.sqlite');
      await mkdir(directory);
      await copyFile(original, path);
      await killAtWrite(directory, nth);
      const left = new DatabaseSync(path);
      const version = versionOf(left);
      assert.equal(schemaOf(left), known[version], `The schema is that of version ${version}`);
      left.close();
      reached.push(version);
      const database = openDatabase(path);
      assert.equal(versionOf(database), known.length - 1);
      assert.equal(schemaOf(database), known.at(-1));
      assert.equal(database.prepare('SELECT count(*) AS rows FROM transfers').get()?.['rows'], ROWS);
      database.close();
    }
    assert.ok(
      reached.some((version) => version < known.length - 1),
      `At least one kill came before the last step: ${reached.join(', ')}`,
    );
  });
});
