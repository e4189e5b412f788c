// The notes of a queue database alone, for processes that share what a service remembers and work on no queue. They make
// no table: a service that uses the database does.
import type { Clock } from '../../core/clock.ts';
import type { DurableNotes } from '../../core/durable-notes.ts';
import { cannotBeUsed, openPool, openSession, readDatabaseUrl } from './connect.ts';
import { Database } from './database.ts';
import { PostgresNotes } from './postgres-notes.ts';

/** Changes of one note follow each other anyway. */
const CONNECTIONS = 2;
const TABLE = "SELECT to_regclass('replicator_notes') IS NOT NULL AS is_there";

export interface OpenNotes {
  readonly notes: DurableNotes;
  close(): Promise<void>;
}

/**
 * Opens the notes. Rejects with an Error that names the database, the reason and the remedy where it cannot be reached,
 * is not durable, or has no notes yet.
 */
export async function openPostgresNotes(options: {
  readonly url: string;
  readonly clock: Clock;
}): Promise<OpenNotes> {
  const { url, clock } = options;
  const address = readDatabaseUrl(url);
  try {
    const session = await openSession(address);
    try {
      const { rows } = await session.query<{ readonly is_there: boolean }>(TABLE);
      if (rows[0]?.is_there !== true)
        throw new Error('it has no tables yet. Start a service with this DATABASE_URL once: it makes them');
    } finally {
      await session.end();
    }
  } catch (error) {
    throw cannotBeUsed(address.shown, error);
  }
  const database = new Database({ pool: openPool(address, CONNECTIONS), shown: address.shown, clock });
  return { notes: new PostgresNotes(database), close: async () => database.close() };
}
