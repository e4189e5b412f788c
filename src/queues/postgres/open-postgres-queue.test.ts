// Which databases are refused, in which words, and what the user of the service needs there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSharedQueue } from '../../../test/contract/open-shared-queue.ts';
import {
  acceptOne,
  checkpointOf,
  claimOne,
  itemOf,
  parkWith,
  REPLICATED,
} from '../../../test/contract/transfer-queue-samples.ts';
import { onPostgres, startPostgresServer } from '../../../test/postgres-server.ts';
import { makeCertificate } from '../../../sandbox/sns/self-made-certificate.ts';
import { SYSTEM_CLOCK } from '../../system-clock.ts';
import { openCheckpointSealer } from '../checkpoint-sealer.ts';
import { openSession, readDatabaseUrl } from './connect.ts';

onPostgres((server) => {
  /** The server's address with another user, password or database. */
  function addressWith(parts: {
    user?: string;
    password?: string;
    database?: string;
    port?: string;
  }): string {
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
    await assertRefused(
      addressWith({ database: 'nowhere' }),
      /"nowhere" does not exist. Create the database/,
    );
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

  test('a server that does not sync its disk is refused; one that answers before it has synced is told to wait', async (t) => {
    const careless = await startPostgresServer(['-c', 'fsync=off']);
    t.after(() => careless.close());
    await assertRefused(careless.url, /fsync is off: an accepted change could be lost.*Set fsync = on/);
    await server.run('ALTER ROLE postgres SET synchronous_commit = off');
    t.after(() => server.run('ALTER ROLE postgres RESET synchronous_commit'));
    const session = await openSession(readDatabaseUrl(server.url));
    const { rows } = await session.query('SHOW synchronous_commit');
    assert.deepEqual(rows, [{ synchronous_commit: 'on' }]);
    await session.end();
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

  test('a process whose clock is a year ahead forgets nothing that is young by the clock of the server', async (t) => {
    const year = 365 * 86_400_000;
    const sealer = openCheckpointSealer(Buffer.alloc(32, 7));
    const clock = { ...SYSTEM_CLOCK, nowMs: () => SYSTEM_CLOCK.nowMs() + year };
    const queue = await openSharedQueue(await server.newSchema(), { clock, sealer });
    t.after(() => queue.close());
    await queue.acceptDelivery('m1', { items: [itemOf('a')], quarantine: [{ reason: 'no key', raw: '{}' }] });
    await queue.finish((await claimOne(queue)).lease, REPLICATED);
    await acceptOne(queue, 'b');
    const { lease } = await claimOne(queue);
    await queue.progress(lease, { bytesDone: 1, sizeBytes: 2, checkpoint: checkpointOf(1) });
    await queue.park(lease, parkWith('bug'));
    const old = { beforeMs: clock.nowMs() - 60_000, limit: 10 };
    const forget = async () => [
      await queue.prune(old),
      await queue.forgetDeliveries(old),
      (await queue.forgetStaleUploads(old)).length,
    ];
    assert.deepEqual(await forget(), [0, 0, 0]);
    old.beforeMs += 120_000;
    assert.deepEqual(await forget(), [2, 1, 1]);
  });

  /** The statements of the manual, word by word. */
  function documentedGrants(): string {
    const manual = readFileSync(join(import.meta.dirname, '../../../docs/operations.md'), 'utf8');
    const grants = [...manual.matchAll(/^GRANT .*;$/gm)].map(([grant]) => grant);
    assert(grants.length >= 3, 'docs/operations.md lists the grants');
    return grants.join('\n');
  }

  test('sslmode means what it means to the tools of PostgreSQL', async (t) => {
    const dayMs = 86_400_000;
    const { pem, keyPem } = await makeCertificate({
      subject: 'localhost',
      dnsNames: ['localhost'],
      validFromMs: Date.now() - dayMs,
      validToMs: Date.now() + dayMs,
    });
    const encrypted = await startPostgresServer(['-c', 'ssl=on'], {
      'server.crt': pem,
      'server.key': keyPem,
    });
    t.after(() => encrypted.close());
    const folder = await mkdtemp(join(tmpdir(), 'replicator-authority-'));
    t.after(() => rm(folder, { recursive: true }));
    const root = join(folder, 'root.crt');
    await writeFile(root, pem);
    const isEncrypted = async (query: string): Promise<unknown> => {
      const session = await openSession(
        readDatabaseUrl(`${encrypted.url.replace('127.0.0.1', 'localhost')}${query}`),
      );
      const { rows } = await session.query<{ ssl: boolean }>(
        'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      );
      await session.end();
      return rows[0]?.ssl;
    };
    assert.equal(await isEncrypted(''), false);
    assert.equal(await isEncrypted('?sslmode=disable'), false);
    assert.equal(await isEncrypted('?sslmode=require'), true, 'whatever the certificate says');
    assert.equal(await isEncrypted('?sslmode=no-verify'), true);
    assert.equal(await isEncrypted(`?sslmode=verify-full&sslrootcert=${encodeURIComponent(root)}`), true);
    const unknown = `${encrypted.url.replace('127.0.0.1', 'localhost')}?sslmode=verify-full`;
    await assert.rejects(openSharedQueue(unknown, { openPatienceMs: 100 }), /self-signed certificate/);
    await assert.rejects(
      openSharedQueue(`${unknown}&sslrootcert=/no/such/file`),
      /DATABASE_URL cannot be used: ENOENT.*Correct its parameters/,
    );
    await assert.rejects(openSharedQueue('nonsense'), /DATABASE_URL is not an address/);
  });
});
