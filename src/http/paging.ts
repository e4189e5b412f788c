// Cursor paging, the same for every list.
import { z } from 'zod';
import { RequestProblem } from './problem.ts';

export const CursorSchema = z
  .string('must be given once')
  .min(1, 'must not be empty')
  .max(1024, 'is too long')
  .optional()
  .meta({ description: 'nextCursor of the page before, unchanged.' });

const LIMIT_TEXT = 'must be a whole number from 1 to 200';

export const LimitSchema = z.coerce
  .number(LIMIT_TEXT)
  .int(LIMIT_TEXT)
  .min(1, LIMIT_TEXT)
  .max(200, LIMIT_TEXT)
  .default(50)
  .meta({ description: 'Entries of a page.' });

/**
 * One page of a list. Throws `invalid_cursor` where the list works without the cursor and fails with it: a queue
 * only promises that an unknown cursor is an error, not which one.
 */
export async function pageOf<Page>(
  cursor: string | undefined,
  list: (cursor: string | null) => Promise<Page>,
): Promise<Page> {
  if (cursor === undefined) return list(null);
  try {
    return await list(cursor);
  } catch (cause) {
    await list(null);
    throw new RequestProblem('invalid_cursor', 'cursor: is not known', { cause });
  }
}
