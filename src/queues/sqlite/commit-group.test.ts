import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CommitGroup } from './commit-group.ts';

interface Told {
  readonly commits: string[][];
  readonly losses: string[];
}

/** A group over a database in memory whose table refuses, at its commit, a child without a parent. */
function openGroup(
  context: TestContext,
  maxWeight = 100,
  sync: () => Promise<void> = async () => {},
): { readonly database: DatabaseSync; readonly group: CommitGroup<string[]>; readonly told: Told } {
  const database = new DatabaseSync(':memory:');
  context.after(() => database.close());
  database.exec(`
    CREATE TABLE parents (name TEXT PRIMARY KEY);
    CREATE TABLE children (name TEXT, parent TEXT REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
  `);
  const told: Told = { commits: [], losses: [] };
  const group = new CommitGroup<string[]>({
    database,
    assertFile: () => {},
    path: 'queue.sqlite',
    sync,
    onLost: ({ message }) => told.losses.push(message),
    maxWeight,
    newEffects: () => [],
    onCommitted: (effects) => told.commits.push(effects.flat()),
  });
  return { database, group, told };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await nextTurn();
}

function insertParent(database: DatabaseSync, name: string): (effects: string[]) => string {
  return (effects) => {
    database.prepare('INSERT INTO parents VALUES (?)').run(name);
    effects.push(name);
    return name;
  };
}

function parents(database: DatabaseSync): unknown[] {
  return database
    .prepare('SELECT name FROM parents ORDER BY name')
    .all()
    .map((row) => row['name']);
}

test('operations of one turn share one commit, and resolve after it', async (context) => {
  const { database, group, told } = openGroup(context);
  const running = ['a', 'b', 'c'].map((name) => group.run(1, insertParent(database, name)));
  assert.deepEqual(parents(database), [], 'nothing runs before the turn');
  assert.deepEqual(await Promise.all(running), ['a', 'b', 'c']);
  assert.equal(database.isTransaction, false);
  assert.deepEqual(told.commits, [['a', 'b', 'c']]);
});

test('a transaction is bounded: the rest follows in the next turns', async (context) => {
  const { database, group, told } = openGroup(context, 10);
  const weights = [4, 4, 4, 50, 1];
  await Promise.all(weights.map((weight, index) => group.run(weight, insertParent(database, String(index)))));
  assert.deepEqual(told.commits, [['0', '1'], ['2'], ['3'], ['4']]);
});

test('an operation that fails is undone and rejects alone', async (context) => {
  const { database, group, told } = openGroup(context);
  const results = await Promise.allSettled([
    group.run(1, insertParent(database, 'a')),
    group.run(1, (effects) => {
      insertParent(database, 'lost')(effects);
      throw new Error('a bug');
    }),
    group.run(1, insertParent(database, 'a')),
    group.run(1, insertParent(database, 'b')),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(parents(database), ['a', 'b']);
  assert.deepEqual(told.commits, [['a', 'b']]);
});

test('a commit that fails rejects everybody, and nothing was taken', async (context) => {
  const { database, group, told } = openGroup(context);
  const orphan = (): unknown => database.prepare("INSERT INTO children VALUES ('x', 'nobody')").run();
  const results = await Promise.allSettled([
    group.run(1, insertParent(database, 'a')),
    group.run(1, orphan),
    group.run(1, insertParent(database, 'b')),
  ]);
  for (const result of results) {
    assert(result.status === 'rejected');
    assert.match(String(result.reason), /queue\.sqlite could not commit .*FOREIGN KEY.*nothing was taken/);
  }
  assert.deepEqual(parents(database), []);
  assert.deepEqual(told.commits, []);
  assert.equal(await group.run(1, insertParent(database, 'c')), 'c', 'the group goes on');
});

test('a full database rejects what did not fit and works again when there is space', async (context) => {
  const { database, group } = openGroup(context);
  const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count']);
  database.exec(`PRAGMA max_page_count = ${pages}`);
  const results = await Promise.allSettled([
    group.run(1, insertParent(database, 'a')),
    group.run(1, insertParent(database, 'x'.repeat(100_000))),
  ]);
  assert(results.some(({ status }) => status === 'rejected'));
  const kept = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  assert.deepEqual(parents(database), kept, 'exactly what was confirmed is there');
  database.exec('PRAGMA max_page_count = 10000');
  await group.run(1, insertParent(database, 'y'.repeat(100_000)));
});

test('closing commits what waits and refuses what comes later', async (context) => {
  const { database, group } = openGroup(context, 1);
  const running = ['a', 'b'].map((name) => group.run(1, insertParent(database, name)));
  await group.close();
  assert.deepEqual(parents(database), ['a', 'b']);
  assert.deepEqual(await Promise.all(running), ['a', 'b']);
  await assert.rejects(group.run(1, insertParent(database, 'c')), /closed/);
});

test('nobody is told before the sync; what comes meanwhile shares the next transaction', async (context) => {
  const syncs: (() => void)[] = [];
  const { database, group, told } = openGroup(context, 100, () => new Promise((done) => syncs.push(done)));
  const settled: string[] = [];
  const write = (name: string): Promise<unknown> =>
    group.run(1, insertParent(database, name)).then((value) => settled.push(value));
  const first = write('a');
  await until(() => syncs.length === 1);
  assert.deepEqual(parents(database), ['a'], 'it is committed');
  const others = [write('b'), write('c')];
  await nextTurn();
  assert.deepEqual([settled, told.commits, parents(database)], [[], [], ['a']]);
  syncs[0]?.();
  await first;
  assert.deepEqual([settled, told.commits], [['a'], [['a']]]);
  await until(() => syncs.length === 2);
  const closed = group.close();
  syncs[1]?.();
  await Promise.all([...others, closed]);
  assert.deepEqual(told.commits, [['a'], ['b', 'c']]);
});

test('what is read after `settled` is on the disk', async (context) => {
  const syncs: (() => void)[] = [];
  const { database, group } = openGroup(context, 100, () => new Promise((done) => syncs.push(done)));
  await group.settled();
  const written = group.run(1, insertParent(database, 'a'));
  await until(() => syncs.length === 1);
  let isSettled = false;
  const settled = group.settled().then(() => (isSettled = true));
  const next = group.run(1, insertParent(database, 'b'));
  await nextTurn();
  assert.equal(isSettled, false);
  syncs[0]?.();
  await settled;
  assert.deepEqual(parents(database), ['a'], 'the next transaction has not begun');
  await written;
  await until(() => syncs.length === 2);
  syncs[1]?.();
  await next;
});

test('a listener that throws is a bug, and the group goes on', async (context) => {
  const { database, group, told } = openGroup(context);
  const failures: unknown[] = [];
  const onRejection = (error: unknown): void => void failures.push(error);
  const commits = told.commits.push.bind(told.commits);
  told.commits.push = () => {
    throw new Error('a bug of a listener');
  };
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', onRejection);
  context.after(() => {
    process.removeListener('unhandledRejection', onRejection);
    for (const other of others) process.on('unhandledRejection', other);
  });
  assert.equal(await group.run(1, insertParent(database, 'a')), 'a');
  await until(() => failures.length === 1);
  assert.match(String(failures[0]), /a bug of a listener/);
  told.commits.push = commits;
  assert.equal(await group.run(1, insertParent(database, 'b')), 'b');
  await group.close();
});

test('after a sync that failed nothing is taken or read any more: what is on the disk is not known', async (context) => {
  let isBroken = true;
  const { database, group, told } = openGroup(context, 100, async () => {
    if (isBroken) throw new Error('EIO: i/o error, fdatasync');
  });
  const lost =
    /queue\.sqlite could not be synced \(EIO.* may not be on its disk\. .* start the service again/;
  const first = group.run(1, insertParent(database, 'a'));
  await assert.rejects(first, lost);
  assert.equal(told.losses.length, 1);
  assert.match(told.losses[0] ?? '', lost);
  isBroken = false;
  await assert.rejects(group.run(1, insertParent(database, 'b')), lost);
  await assert.rejects(group.settled(), lost);
  assert.deepEqual([told.commits, told.losses.length, parents(database)], [[], 1, ['a']]);
  await group.close();
});
