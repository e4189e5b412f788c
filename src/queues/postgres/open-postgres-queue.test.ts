// Which databases are refused, in which words, and what the user of the service needs there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openSharedQueue } from '../../../test/contract/open-shared-queue.ts';
import {
  acceptOne,
  claimOne,
  itemOf,
  parkWith,
  REPLICATED,
} from '../../../test/contract/transfer-queue-samples.ts';
import { startPostgresServer } from '../../../test/postgres-server.ts';
import { readDatabaseUrl } from './connect.ts';

const server = await startPostgresServer();

after(() => server.close());

/** The server's address with another user, password or database. */
function addressWith(parts: { user?: string; password?: string; database?: string; port?: string }): string {
  const url = new URL(server.url);
  url.username = parts.user ?? url.username;
  url.password = parts.password ?? url.password;
  url.pathname = parts.database ?? url.pathname;
  url.port = parts.port ?? url.port;
  return url.href;
}

async function assertRefused(url: string, words: RegExp): Promise<void> {
  await assert.rejects(openSharedQueue(url, { openPatienceMs: 300 }), (error: Error) => {
    assert.match(error.message, /^The queue database 127\.0\.0\.1:\d+\/\w+ cannot be used: /);
    assert.match(error.message, words);
    assert(!error.message.includes(new URL(url).password), 'never the password');
    return true;
  });
}

test('a database that is not there, a wrong password and a server that does not run are told apart', async () => {
  await assertRefused(addressWith({ database: 'nowhere' }), /"nowhere" does not exist. Create the database/);
  await assertRefused(
    addressWith({ password: 'wrong-password' }),
    /authentication failed.*Check user, password/,
  );
  await assertRefused(addressWith({ port: '1' }), /ECONNREFUSED.*Check host, port and network/);
});

test('a server that starts a little later is waited for', async (t) => {
  const later = await startPostgresServer();
  t.after(() => later.close());
  await later.shutDown('fast');
  const opening = openSharedQueue(later.url, { openPatienceMs: 30_000 });
  await later.start();
  const queue = await opening;
  await acceptOne(queue, 'a');
  await queue.close();
});

test('a schema of a newer version is refused, and left as it is', async () => {
  const url = await server.newSchema();
  await (await openSharedQueue(url)).close();
  await server.run('UPDATE replicator_schema SET version = 99', url);
  await assertRefused(
    url,
    /newer version \(schema 99, this program knows \d+\). Start the newer version again$/,
  );
  const rows = await server.run('SELECT version FROM replicator_schema', url);
  assert.deepEqual(rows, [{ version: 99 }]);
});

test('a migration that fails leaves nothing behind', async () => {
  const url = await server.newSchema();
  await server.run('CREATE TABLE replicator_notes (mine text)', url);
  await assertRefused(url, /"replicator_notes" already exists/);
  const tables = await server.run(
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'",
    url,
  );
  assert.deepEqual(tables, [{ relname: 'replicator_notes' }]);
});

test('a database of another encoding is refused', async () => {
  await server.run("CREATE DATABASE latin ENCODING 'SQL_ASCII' TEMPLATE template0");
  await assertRefused(
    addressWith({ database: 'latin' }),
    /keeps text as SQL_ASCII. Make one with ENCODING 'UTF8'$/,
  );
});

test('a server that does not sync its disk is refused; one that only answers too early is told to wait', async (t) => {
  const careless = await startPostgresServer(['-c', 'fsync=off', '-c', 'synchronous_commit=off']);
  t.after(() => careless.close());
  await assertRefused(careless.url, /fsync is off: an accepted change could be lost.*Set fsync = on/);
  await careless.run('ALTER SYSTEM SET fsync = on');
  // The flag of the command line has to go.
  const early = await startPostgresServer(['-c', 'synchronous_commit=off']);
  t.after(() => early.close());
  const queue = await openSharedQueue(early.url);
  const durable = await early.run(
    "SELECT count(*)::int AS found FROM pg_stat_activity WHERE application_name = 'cross-cloud-replicator'",
  );
  assert(Number(durable[0]?.['found']) > 0);
  await acceptOne(queue, 'a');
  await queue.close();
});

test('a user who may not make tables is told what to do; with the grants that are documented it works', async () => {
  await server.run("CREATE USER replicator PASSWORD 'secret-of-the-user'");
  await server.run('CREATE DATABASE shared');
  const asOwner = `${addressWith({ database: 'shared' })}?options=-c%20search_path%3Dreplicator`;
  const asUser = addressWith({ database: 'shared', user: 'replicator', password: 'secret-of-the-user' });
  await assertRefused(asUser, /permission denied for schema public. Grant what docs\/operations\.md lists/);
  await server.run('CREATE SCHEMA replicator', asOwner);
  await (await openSharedQueue(asOwner)).close();
  await server.run(documentedGrants(), asOwner);
  const queue = await openSharedQueue(asUser);
  assert.equal(queue.leadership.isLeader, true);
  await queue.acceptDelivery('m1', { items: [itemOf('a')], quarantine: [{ reason: 'no key', raw: '{}' }] });
  const { lease } = await claimOne(queue);
  await queue.finish(lease, REPLICATED);
  await acceptOne(queue, 'b');
  await queue.park((await claimOne(queue)).lease, parkWith('bug'));
  await queue.notes.write('a', 'x', null);
  await queue.checkWritable();
  assert.equal(await queue.prune({ beforeMs: Date.now() + 60_000, limit: 10 }), 2);
  assert.equal(await queue.forgetDeliveries({ beforeMs: Date.now() + 60_000, limit: 10 }), 1);
  assert.equal((await queue.counts()).byStatus.parked, 1);
  await queue.close();
});

/** The statements of the manual, word by word. */
function documentedGrants(): string {
  const manual = readFileSync(join(import.meta.dirname, '../../../docs/operations.md'), 'utf8');
  const grants = [...manual.matchAll(/^GRANT .*;$/gm)].map(([grant]) => grant);
  assert(grants.length >= 3, 'docs/operations.md lists the grants');
  return grants.join('\n');
}

test('sslmode means what it means to the tools of PostgreSQL', () => {
  const ssl = (query: string): unknown => {
    const { connectionString = '' } = readDatabaseUrl(
      `postgres://me:secret@db.example/replicator${query}`,
    ).client;
    return connectionString.replace('postgres://me:secret@db.example/replicator', '');
  };
  assert.equal(ssl(''), '');
  assert.equal(ssl('?sslmode=require'), '?sslmode=require&uselibpqcompat=true');
  assert.equal(ssl('?sslmode=no-verify'), '?sslmode=no-verify');
  assert.equal(ssl('?sslmode=verify-full&uselibpqcompat=false'), '?sslmode=verify-full&uselibpqcompat=false');
});
