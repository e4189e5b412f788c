// Runs the parked transfers of a class again, a bounded step at a time.
import type { ParkedFilter } from '../../core/transfer-queue.ts';
import { cursorAfter } from '../page-cursor.ts';
import { EXAMINED_PARKED_ROWS, isMeant } from '../parked-tally.ts';
import type { RowChanges } from '../queue-listeners.ts';
import type { SteadyClock } from '../steady-clock.ts';
import { afterClassRedrive } from '../transfer-row.ts';
import type { TransferTable } from './transfer-table.ts';

/** Makes parked rows that match due at once, from a position on; at most `limit`, of a bounded number examined. */
export function redriveClass(
  { table, clock }: { readonly table: TransferTable; readonly clock: SteadyClock },
  request: { readonly filter: ParkedFilter; readonly limit: number; readonly after: number },
  changes: RowChanges,
): { readonly redriven: number; readonly nextCursor: string | null } {
  const now = clock.now();
  const { filter, limit, after } = request;
  const places = table.parkedAfter(after, EXAMINED_PARKED_ROWS);
  let redriven = 0;
  for (const place of places) {
    const row = isMeant(place, filter) ? table.bySeq(place.seq) : null;
    if (row === null) continue;
    table.replace(row, afterClassRedrive(row, now), changes);
    redriven += 1;
    if (redriven === limit) return { redriven, nextCursor: cursorAfter(place.seq) };
  }
  const last = places.length < EXAMINED_PARKED_ROWS ? undefined : places.at(-1);
  return { redriven, nextCursor: last === undefined ? null : cursorAfter(last.seq) };
}
