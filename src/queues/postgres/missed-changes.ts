// What this process could not hear of: the changes of others while its listening connection was down.
import type { CommitNews } from '../queue-listeners.ts';
import type { Database } from './database.ts';
import { lookup } from './lookups.ts';
import { text } from './rows.ts';

/** A connection that died without a word is noticed after a beat and its timeout: what was told meanwhile is missed too. */
const SLACK_MS = 15_000;

/** What ended in so many milliseconds up to now. Whoever waits for a transfer waits for its end. */
export async function missedChanges(
  database: Pick<Database, 'ask'>,
  deafMs: number,
  patienceMs: number,
): Promise<CommitNews> {
  const ended = await database.ask(lookup('endedSince', Math.ceil(deafMs) + SLACK_MS), patienceMs);
  return { transferIds: new Set(ended.map((columns) => text(columns, 'id'))), hasWork: true };
}
