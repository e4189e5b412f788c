// Poolers that hand out another connection of the server for each transaction: how they are noticed. They mix the settings
// of sessions, and neither the lead nor notifications would hold.
import type pg from 'pg';
import { type DatabaseAddress, openSession } from './connect.ts';

/** Of one answer to the question, which must not hang. */
const ANSWER_TIMEOUT_MS = 5_000;

export const SHARED_BY_A_POOLER =
  'the address leads to a pooler that hands out another server connection for each transaction. Give the service a ' +
  'direct address, or one of a pooler in session mode';

/** Which process of the server answers a session. */
export async function backendOf(session: pg.Client): Promise<unknown> {
  // The types of `pg` do not know the timeout of a single query.
  const query = { text: 'SELECT pg_backend_pid() AS pid', query_timeout: ANSWER_TIMEOUT_MS };
  return (await session.query<{ readonly pid: unknown }>(query)).rows[0]?.pid;
}

/** Throws where the address leads to one: while somebody else is in a transaction, it has to give `session` another. */
export async function refusePooler(session: pg.Client, address: DatabaseAddress): Promise<void> {
  const other = await openSession(address);
  try {
    const before = await backendOf(session);
    await other.query('BEGIN');
    const backends = [before, await backendOf(other), await backendOf(session)];
    await other.query('ROLLBACK');
    if (new Set(backends).size !== 2 || backends[0] !== backends[2]) throw new Error(SHARED_BY_A_POOLER);
  } finally {
    await other.end();
  }
}
