// A look at the database from outside: whether it can be used for the queue, and what is there already. It changes nothing.
import type { DatabaseLook } from '../../core/database-look.ts';
import { cannotBeUsed, openSession, readDatabaseUrl } from './connect.ts';
import { refusePooler } from './pooler.ts';

const LOOK = `SELECT current_setting('server_version') AS version,
  has_schema_privilege(current_schema(), 'CREATE') AS may_create,
  count(*)::int AS tables,
  coalesce(bool_and(has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
    AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')), true) AS may_write
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname LIKE 'replicator\\_%'`;

interface LookRow {
  readonly version: string;
  readonly may_create: boolean;
  readonly tables: number;
  readonly may_write: boolean;
}

/**
 * Looks once, without patience. Rejects with an Error that names the database, the reason and the remedy where it cannot
 * be reached, refuses the user, or is one that the queue must not be kept in.
 */
export async function lookAtDatabase(url: string): Promise<DatabaseLook> {
  const address = readDatabaseUrl(url);
  try {
    const session = await openSession(address);
    try {
      await refusePooler(session, address);
      const { rows } = await session.query<LookRow>(LOOK);
      const [row] = rows;
      if (row === undefined) throw new Error('The server told nothing about its tables');
      return { version: row.version, tables: judge(row) };
    } finally {
      await session.end();
    }
  } catch (error) {
    throw cannotBeUsed(address.shown, error);
  }
}

function judge({ tables, may_write, may_create }: LookRow): DatabaseLook['tables'] {
  if (tables > 0) return may_write ? 'ready' : 'not_allowed';
  return may_create ? 'empty' : 'cannot_be_made';
}
