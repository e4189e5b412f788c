// A page of a list in memory, by the position of its entries.
import { checkLimit, cursorAfter, positionOf } from '../page-cursor.ts';

/** The part of a list, newest first, that comes after the cursor. Throws a RangeError for an unknown one. */
export function cutPage<Entry extends { readonly position: number }>(
  newestFirst: readonly Entry[],
  { cursor, limit }: { readonly cursor: string | null; readonly limit: number },
): { readonly page: readonly Entry[]; readonly nextCursor: string | null } {
  checkLimit(limit);
  const before = positionOf(cursor) ?? Number.POSITIVE_INFINITY;
  const rest = newestFirst.filter(({ position }) => position < before);
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return {
    page,
    nextCursor: last === undefined || page.length === rest.length ? null : cursorAfter(last.position),
  };
}
