// Brings a database file to the schema this program knows: numbered files, each applied once, in one transaction
// together with its number. A file once released never changes; a new one is added.
import type { DatabaseSync } from 'node:sqlite';
import { readMigrations } from '../read-migrations.ts';

/** Marks a SQLite file as a queue of this program ("ccrq"). */
const APPLICATION_ID = 0x63637271;

/**
 * Applies the migrations of `directory` that `database` has not seen. Throws, and changes nothing, for a file of
 * another program, a file of a newer version, or a gap in the numbers; a migration that fails is rolled back whole.
 */
export function migrate(database: DatabaseSync, directory: string): void {
  const migrations = readMigrations(directory);
  const version = readPragma(database, 'user_version');
  const isEmpty = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
  if (!isEmpty && readPragma(database, 'application_id') !== APPLICATION_ID) {
    throw new Error('it is a database of another program. Name another file');
  }
  if (version > migrations.length) {
    throw new Error(
      `it was written by a newer version (schema ${version}, this program knows ${migrations.length}). ` +
        'Start the newer version again',
    );
  }
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue;
    database.exec('BEGIN IMMEDIATE');
    try {
      database.exec(sql);
      database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
      database.exec(`PRAGMA user_version = ${index + 1}`);
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }
}

/** The value of a numeric pragma. */
function readPragma(database: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}
