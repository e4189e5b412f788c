// What this process could not hear of: the changes of others while its listening connection was down.
import type { CommitNews } from '../queue-listeners.ts';
import type { Database } from './database.ts';
import { lookup } from './lookups.ts';
import { text } from './rows.ts';

/** Notifications that were under way when the connection broke. */
const SLACK_MS = 5_000;

/** What ended in so many milliseconds up to now. Whoever waits for a transfer waits for its end. */
export async function missedChanges(
  database: Pick<Database, 'ask'>,
  deafMs: number,
  patienceMs: number,
): Promise<CommitNews> {
  const ended = await database.ask(lookup('endedSince', Math.ceil(deafMs) + SLACK_MS), patienceMs);
  return { transferIds: new Set(ended.map((columns) => text(columns, 'id'))), hasWork: true };
}
