// Can the queue be kept in the database that DATABASE_URL names?
import type { DatabaseLook } from '../core/database-look.ts';
import { type CheckResult, failed, ok, skipped, type Verdict } from './check-result.ts';
import type { DoctorParts } from './doctor-parts.ts';

/** One session, which reads only. */
export async function checkDatabase({ database }: DoctorParts): Promise<CheckResult> {
  const subject = { name: 'database', call: 'SELECT on a session of DATABASE_URL' };
  if (database === null)
    return {
      ...subject,
      call: null,
      ...skipped('Not looked at: DATABASE_URL is not set; the queue is a file'),
    };
  try {
    return { ...subject, ...verdictOf(await database.look()) };
  } catch (error) {
    // Why a database cannot be used is told with its remedy by whoever tried.
    const reason = error instanceof Error ? error.message : String(error);
    return {
      ...subject,
      ...failed(
        reason,
        'What the database must be: docs/operations.md, "Several processes on one database".',
      ),
    };
  }
}

function verdictOf({ version, tables }: DatabaseLook): Verdict {
  switch (tables) {
    case 'ready':
      return ok(`PostgreSQL ${version}, the tables may be read and written`);
    case 'empty':
      return ok(`PostgreSQL ${version}, no tables yet; the first start makes them`);
    case 'not_allowed':
      return failed(
        `PostgreSQL ${version} has the tables, and this user may not read and write all of them`,
        'Grant SELECT, INSERT, UPDATE and DELETE on them: docs/operations.md, "Several processes on one database".',
      );
    case 'cannot_be_made':
      return failed(
        `PostgreSQL ${version} has no tables in the first schema of the search path, and this user may not make them`,
        'Let the owner of the schema start the service once, or give this user CREATE on the schema.',
      );
  }
}
