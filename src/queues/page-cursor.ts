// Cursors of the listings: the position of the last row of a page, as text that callers hand back unread.

/** The cursor for what comes after the row at this position. */
export function cursorAfter(position: number): string {
  return `p${position.toString(36)}`;
}

/**
 * The position a cursor stands for; null for the first page. Throws a RangeError for text that is no cursor:
 * that is an error of the caller.
 */
export function positionOf(cursor: string | null): number | null {
  if (cursor === null) return null;
  const position = /^p[0-9a-z]{1,10}$/.test(cursor) ? Number.parseInt(cursor.slice(1), 36) : Number.NaN;
  if (!Number.isSafeInteger(position)) throw new RangeError('The cursor of this listing is not known');
  return position;
}

/** Throws a RangeError unless `limit` is a whole number above zero. */
export function checkLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError('A limit is a whole number above zero');
}
