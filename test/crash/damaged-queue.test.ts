// The real service started on a queue that is damaged, somebody else's, of a newer version, on a disk that cannot be
// written, or owned by another process: it refuses, says why and what to do, ends with exit code 1, and changes nothing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { copyFile, mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openDatabase } from '../../src/queues/sqlite/open-database.ts';
import { withTemporaryFolder } from '../contract/temporary-folder.ts';
import { Choices } from '../model/choices.ts';
import { notification, SystemUnderTest } from '../system/service-under-test.ts';
import { startRefused } from './refused-start.ts';

const PAGE_BYTES = 4096;

/** A queue file with enough rows to have pages worth damaging. */
function makeFilled(path: string): void {
  const database = openDatabase(path);
  database.exec(`
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000)
    INSERT INTO quarantine (id, reason, raw, received_at) SELECT n, 'no key', hex(randomblob(50)), n FROM numbers
  `);
  database.close();
}

const TROUBLES: readonly {
  readonly what: string;
  readonly make: (path: string) => void | Promise<void>;
  readonly told: RegExp;
  /** Settings of the file are changed before it is known whose it is; its tables never are. */
  readonly mayChangeHeader?: boolean;
}[] = [
  {
    what: 'a file cut short',
    make: async (path) => {
      makeFilled(path);
      await truncate(path, PAGE_BYTES * 10);
    },
    told: /queue\.sqlite cannot be used: it is damaged .*backup.*once more/,
  },
  {
    what: 'noise over some pages',
    make: async (path) => {
      makeFilled(path);
      const bytes = await readFile(path);
      randomBytes(PAGE_BYTES * 12).copy(bytes, PAGE_BYTES * 18);
      await writeFile(path, bytes);
    },
    told: /queue\.sqlite cannot be used: it is damaged .*backup.*once more/,
  },
  {
    what: 'no database',
    make: async (path) => writeFile(path, 'not a database at all '.repeat(1000)),
    told: /queue\.sqlite cannot be used: it is damaged/,
  },
  {
    what: 'a database of another program',
    make: (path) => {
      const other = new DatabaseSync(path);
      other.exec('CREATE TABLE things (name TEXT)');
      other.close();
    },
    told: /queue\.sqlite cannot be used: it is a database of another program\. Name another file/,
    mayChangeHeader: true,
  },
  {
    what: 'a queue of a newer version',
    make: (path) => {
      const database = openDatabase(path);
      database.exec('PRAGMA user_version = 999');
      database.close();
    },
    told: /written by a newer version \(schema 999, .*Start the newer version again/,
  },
];

for (const { what, make, told, mayChangeHeader = false } of TROUBLES) {
  test(`the service refuses to start on ${what}: exit code 1, the reason, the remedy, the file as it was`, async () => {
    await withTemporaryFolder(async (folder) => {
      const path = join(folder, 'queue.sqlite');
      await make(path);
      const found = await readFile(path);
      const { code, output } = await startRefused(folder);
      assert.match(output, told);
      assert.equal(code, 1);
      const left = await readFile(path);
      const from = mayChangeHeader ? 100 : 0;
      assert.ok(left.subarray(from).equals(found.subarray(from)), 'The file was changed');
    });
  });
}

test('whatever bytes of a queue are overwritten, it opens or is refused as damaged; it never fails otherwise', async () => {
  const seed = randomInt(1_000_000_000);
  console.log(`seed ${seed}`);
  const choices = Choices.ofSeed(seed);
  await withTemporaryFolder(async (folder) => {
    const whole = join(folder, 'whole.sqlite');
    makeFilled(whole);
    const { length } = await readFile(whole);
    const ends = { opened: 0, refused: 0 };
    for (let round = 0; round < 200; round += 1) {
      const path = join(folder, `queue-${round}.sqlite`);
      await copyFile(whole, path);
      const bytes = await readFile(path);
      const noise = randomBytes(1 + choices.pick(3 * PAGE_BYTES));
      noise.copy(bytes, choices.chance(300) ? choices.pick(100) : choices.pick(length));
      await writeFile(path, bytes.subarray(0, choices.chance(300) ? choices.pick(length) : length));
      try {
        openDatabase(path).close();
        ends.opened += 1;
      } catch (error) {
        ends.refused += 1;
        assert.match(
          String(error),
          /cannot be used: (it is damaged|it is a database of another program|it was written by a newer version)/,
        );
      }
    }
    assert.ok(ends.refused > 50, JSON.stringify(ends));
  });
});

test('a second service on the same data folder refuses to start; the first one goes on, also after it', async () => {
  await using system = await SystemUnderTest.start({ SETTLE_GRACE_SEC: '1' });
  const { code, output } = await startRefused(join(system.folder, 'data'));
  assert.equal(code, 1);
  assert.match(
    output,
    /queue\.sqlite cannot be used: another process is using it\. One process owns the file/,
  );
  assert.equal((await system.service.post('/v1/events', notification(['k']))).status, 202);
  await system.service.kill();
  await system.restart();
  assert.equal((await system.ended('k')).outcome, 'source_gone', 'The lock went with its process');
});

test('the service refuses to start on a disk that can only be read, and says which folder', async (context) => {
  await withTemporaryFolder(async (folder) => {
    const disk = join(folder, 'disk');
    await mkdir(disk);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk], { encoding: 'utf8' });
    if (mounted.status !== 0) {
      const reason = mounted.error?.message ?? mounted.stderr.trim();
      console.warn(`SKIPPED: a disk that can only be read is NOT tested here: ${reason}`);
      context.skip(`no file system may be mounted: ${reason}`);
      return;
    }
    try {
      makeFilled(join(disk, 'queue.sqlite'));
      assert.equal(spawnSync('mount', ['-o', 'remount,ro', disk]).status, 0);
      const { code, output } = await startRefused(disk);
      assert.equal(code, 1);
      assert.match(
        output,
        /(data folder|queue database) \S*disk\S* cannot be .*belongs to the user of the service/,
      );
    } finally {
      spawnSync('umount', [disk]);
    }
  });
});
