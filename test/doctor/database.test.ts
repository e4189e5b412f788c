// `replicator doctor` and the database of DATABASE_URL: fit for the queue or not, told with what to do, and left as it was.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { onPostgres } from '../postgres-server.ts';
import { startOwnCloud } from '../setup/own-cloud.ts';
import { openSharedQueue } from '../contract/open-shared-queue.ts';

interface DatabaseCheck {
  readonly state: string;
  readonly detail: string;
  readonly fix: string | null;
}

async function checked(t: TestContext, url: string): Promise<DatabaseCheck> {
  const cloud = await startOwnCloud(t);
  const { out } = await cloud.run(['doctor', '--json'], { DATABASE_URL: url });
  const { checks } = JSON.parse(out) as {
    readonly checks: readonly (DatabaseCheck & { readonly name: string })[];
  };
  const found = checks.filter(({ name }) => name === 'database');
  assert.equal(found.length, 1, out);
  return found[0] as DatabaseCheck;
}

/** The same address for another user. */
function asUser(url: string, user: string, password: string): string {
  const address = new URL(url);
  address.username = user;
  address.password = password;
  return address.href;
}

onPostgres((server) => {
  test('an empty schema is fine, and still empty afterwards', async (t) => {
    const url = await server.newSchema();
    const { state, detail } = await checked(t, url);
    assert.equal(state, 'ok');
    assert.match(detail, /^PostgreSQL \d+\S*, no tables yet; the first start makes them$/);
    const rows = await server.run(
      'SELECT count(*)::int AS n FROM pg_tables WHERE schemaname = current_schema()',
      url,
    );
    assert.deepEqual(rows, [{ n: 0 }]);
  });

  test('tables that a service made are fine; a user who may not write them is told what to grant', async (t) => {
    const url = await server.newSchema();
    const queue = await openSharedQueue(url);
    await queue.close();
    assert.match((await checked(t, url)).detail, /the tables may be read and written$/);

    const [{ schema } = { schema: '' }] = (await server.run(
      'SELECT current_schema() AS schema',
      url,
    )) as readonly {
      readonly schema: string;
    }[];
    await server.run(
      `CREATE ROLE reader LOGIN PASSWORD 'reads'; GRANT USAGE ON SCHEMA ${schema} TO reader;
       GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO reader`,
      url,
    );
    const { state, detail, fix } = await checked(t, asUser(url, 'reader', 'reads'));
    assert.equal(state, 'failed');
    assert.match(detail, /may not read and write all of them/);
    assert.match(fix ?? '', /^Grant SELECT, INSERT, UPDATE and DELETE/);
  });

  test('a wrong password is named with what to check, and never shown', async (t) => {
    const { state, detail } = await checked(t, asUser(server.url, 'postgres', 'mistyped-4711'));
    assert.equal(state, 'failed');
    assert.match(detail, /cannot be used: .*Check user, password and database in DATABASE_URL/);
    assert.doesNotMatch(detail, /mistyped-4711/);
  });

  test('a server that nobody reaches is named', async (t) => {
    const { state, detail } = await checked(t, 'postgres://somebody:secret@127.0.0.1:1/queue');
    assert.equal(state, 'failed');
    assert.match(
      detail,
      /^The queue database 127\.0\.0\.1:1\/queue cannot be used: .*whether the server runs$/,
    );
  });
});
