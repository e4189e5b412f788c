// Brings a database to the schema this program knows: numbered files, each applied once, all in one transaction. Of
// processes that start at once, one does it and the others wait for it.
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { readMigrations } from '../read-migrations.ts';
import { lockKey } from './lock-key.ts';

const MIGRATIONS = fileURLToPath(new URL('../../../migrations/postgres/', import.meta.url));
/** Work on a large table takes its time, and whoever waits for it waits as long. For the transaction it begins. */
export const LONG_WORK =
  "SET LOCAL statement_timeout = '10min'; SET LOCAL lock_timeout = '10min'; " +
  'SET LOCAL idle_in_transaction_session_timeout = 0';

/**
 * Applies the migrations that the database has not seen. Throws, and changes nothing, for a database of a newer
 * version; a migration that fails is rolled back whole.
 */
export async function migrate(session: pg.ClientBase): Promise<void> {
  const migrations = readMigrations(MIGRATIONS);
  // Without a lock: at most starts there is nothing to do, and then nothing is needed but to read.
  if ((await appliedTo(session, migrations.length)) === migrations.length) return;
  await session.query('BEGIN');
  try {
    await session.query(LONG_WORK);
    await session.query(`SELECT pg_advisory_xact_lock(${lockKey('migration')})`);
    const version = await appliedTo(session, migrations.length);
    for (const sql of migrations.slice(version)) await session.query(sql);
    if (version === 0)
      await session.query(
        'CREATE TABLE replicator_schema (version integer NOT NULL, changed_at timestamptz NOT NULL)',
      );
    else await session.query('DELETE FROM replicator_schema');
    await session.query('INSERT INTO replicator_schema VALUES ($1, clock_timestamp())', [migrations.length]);
    await session.query('COMMIT');
  } catch (error) {
    await session.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** How many migrations the database has seen; 0 for a new one. Throws where they are more than `known`. */
async function appliedTo(session: pg.ClientBase, known: number): Promise<number> {
  // From the catalogue itself: `to_regclass` may answer from what the session knew before it waited for the lock.
  const exists = await session.query<{ found: boolean }>(
    'SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace ' +
      "WHERE c.relname = 'replicator_schema' AND n.nspname = ANY(current_schemas(false))) AS found",
  );
  if (exists.rows[0]?.found !== true) return 0;
  const { rows } = await session.query<{ version: number }>('SELECT version FROM replicator_schema');
  const version = rows[0]?.version ?? 0;
  if (version > known) {
    throw new Error(
      `it was written by a newer version (schema ${version}, this program knows ${known}). ` +
        'Start the newer version again',
    );
  }
  return version;
}
