import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withTemporaryFolder } from '../../../test/contract/temporary-folder.ts';
import { migrate } from './migrate.ts';
import { configure, openDatabase, prepareDataFolder } from './open-database.ts';

const PROCESS = fileURLToPath(new URL('../../../test/contract/transfer-queue-process.ts', import.meta.url));

/** A queue database with enough rows to have pages worth damaging. */
function makeFilled(path: string): void {
  const database = openDatabase(path);
  database.exec(`
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000)
    INSERT INTO quarantine (id, reason, raw, received_at) SELECT n, 'no key', hex(randomblob(50)), n FROM numbers
  `);
  database.close();
}

test('a damaged file is refused with its name and the remedy', async () => {
  await withTemporaryFolder(async (directory) => {
    const path = join(directory, 'queue.sqlite');
    makeFilled(path);
    const bytes = await readFile(path);
    bytes.fill(0xff, 4096 * 20, 4096 * 30);
    await writeFile(path, bytes);
    assert.throws(
      () => openDatabase(path),
      /queue\.sqlite cannot be used: it is damaged .*backup.*once more/s,
    );
  });
});

test('a file cut short, and one that is no database, are refused', async () => {
  await withTemporaryFolder(async (directory) => {
    const cut = join(directory, 'cut.sqlite');
    makeFilled(cut);
    await truncate(cut, 4096 * 10);
    assert.throws(() => openDatabase(cut), /cut\.sqlite cannot be used: it is damaged/);
    const noise = join(directory, 'noise.sqlite');
    await writeFile(noise, 'not a database at all '.repeat(1000));
    assert.throws(() => openDatabase(noise), /noise\.sqlite cannot be used: it is damaged/);
  });
});

test('a database of another program is refused and left as it was', async () => {
  await withTemporaryFolder(async (directory) => {
    const path = join(directory, 'other.sqlite');
    const other = new DatabaseSync(path);
    other.exec('CREATE TABLE things (name TEXT)');
    other.close();
    assert.throws(
      () => openDatabase(path),
      /other\.sqlite cannot be used: it is a database of another program/,
    );
    const again = new DatabaseSync(path);
    assert.deepEqual(
      again
        .prepare('SELECT name FROM sqlite_schema')
        .all()
        .map((row) => row['name']),
      ['things'],
    );
    again.close();
  });
});

test('a database of a newer version is refused', async () => {
  await withTemporaryFolder(async (directory) => {
    const path = join(directory, 'queue.sqlite');
    const database = openDatabase(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
    assert.throws(
      () => openDatabase(path),
      /written by a newer version \(schema 99, .*Start the newer version/,
    );
  });
});

test('a folder that cannot be written is refused with its name and the remedy', async (context) => {
  if (process.platform === 'win32') return context.skip('folder modes do not exist here');
  await withTemporaryFolder(async (parent) => {
    const directory = join(parent, 'data');
    await mkdir(directory);
    await chmod(parent, 0o755);
    await chmod(directory, 0o555);
    const child = spawn(process.execPath, [PROCESS, 'unprivileged', directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
    assert.match(
      output,
      /^refused: The (data folder|queue database) \S+data\S* cannot be .*belongs to the user/,
    );
  });
});

test('a place below a file is refused with its name', async () => {
  await withTemporaryFolder(async (directory) => {
    await writeFile(join(directory, 'file'), '');
    const path = join(directory, 'file', 'queue.sqlite');
    assert.throws(
      () => openDatabase(path),
      /file\/queue\.sqlite cannot be used: it cannot be read or written/,
    );
  });
});

test('durability is read back: a place without a write-ahead log is refused', () => {
  const database = new DatabaseSync(':memory:');
  assert.throws(() => configure(database), /journal_mode is memory and must be wal.*local disk/);
  database.close();
});

test('a migration that fails is rolled back whole and can be repeated', async () => {
  await withTemporaryFolder(async (directory) => {
    await writeFile(join(directory, '0001-first.sql'), 'CREATE TABLE first (name TEXT);');
    await writeFile(join(directory, '0002-second.sql'), 'CREATE TABLE second (name TEXT); SELECT nonsense;');
    const database = new DatabaseSync(':memory:');
    const state = (): unknown => [
      database.prepare('SELECT group_concat(name) AS names FROM sqlite_schema').get()?.['names'],
      database.prepare('PRAGMA user_version').get()?.['user_version'],
    ];
    assert.throws(() => migrate(database, directory), /nonsense/);
    assert.deepEqual(state(), ['first', 1]);
    await writeFile(join(directory, '0002-second.sql'), 'CREATE TABLE second (name TEXT);');
    migrate(database, directory);
    migrate(database, directory);
    assert.deepEqual(state(), ['first,second', 2]);
    await writeFile(join(directory, '0004-gap.sql'), '');
    assert.throws(() => migrate(database, directory), /0004-gap\.sql .* should have number 3/);
    database.close();
  });
});

test(
  'a data folder that holds other things keeps its mode; one of our own is private',
  { skip: process.platform === 'win32' ? 'Windows has no modes' : false },
  async () => {
    await withTemporaryFolder(async (folder) => {
      const shared = join(folder, 'shared');
      await mkdir(shared);
      await chmod(shared, 0o755);
      await writeFile(join(shared, 'somebody-elses'), '');
      prepareDataFolder(shared);
      assert.equal((await stat(shared)).mode & 0o777, 0o755);
      const own = join(folder, 'own');
      await mkdir(own);
      await chmod(own, 0o755);
      prepareDataFolder(own);
      assert.equal((await stat(own)).mode & 0o777, 0o700);
    });
  },
);
