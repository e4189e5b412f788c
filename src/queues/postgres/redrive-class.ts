// Runs the parked transfers of a class again, a bounded step at a time: found first, then locked, and redriven where they
// still are what was found.
import type { ParkedFilter } from '../../core/transfer-queue.ts';
import type { OperationContext } from '../operations.ts';
import { cursorAfter } from '../page-cursor.ts';
import { classOf, EXAMINED_PARKED_ROWS, isMeant } from '../parked-tally.ts';
import type { RowChanges } from '../queue-listeners.ts';
import { knownFaultCode } from '../stored-fault.ts';
import { afterClassRedrive } from '../transfer-row.ts';
import type { Answer } from './database.ts';
import { integer, type PostgresRow, text } from './rows.ts';
import { fromStored } from './stored-text.ts';

interface RedriveStep {
  /** Places of the rows to redrive. */
  readonly seqs: readonly number[];
  readonly nextCursor: string | null;
}

/** What one step redrives of the parked rows that were found, which are in the order of their places. */
export function stepOf(found: Answer, filter: ParkedFilter, limit: number): RedriveStep {
  const seqs: number[] = [];
  for (const columns of found) {
    const place = {
      ruleName: fromStored(text(columns, 'rule_name')),
      faultCode: knownFaultCode(text(columns, 'fault_code')),
      bucket: fromStored(text(columns, 'source_bucket')),
      key: fromStored(text(columns, 'source_key')),
    };
    if (!isMeant(place, filter)) continue;
    const seq = integer(columns, 'seq');
    seqs.push(seq);
    if (seqs.length === limit) return { seqs, nextCursor: cursorAfter(seq) };
  }
  const last = found.length < EXAMINED_PARKED_ROWS ? undefined : found.at(-1);
  return { seqs, nextCursor: last === undefined ? null : cursorAfter(integer(last, 'seq')) };
}

/** Makes the locked rows due that still are parked and meant; returns how many. */
export function redriveRows(
  { table, clock }: OperationContext<PostgresRow>,
  request: { readonly rows: readonly PostgresRow[]; readonly filter: ParkedFilter },
  changes: RowChanges,
): number {
  let redriven = 0;
  for (const row of request.rows) {
    if (row.status !== 'parked' || !isMeant({ ...classOf(row), ...row.source }, request.filter)) continue;
    table.replace(row, afterClassRedrive(row, clock.now()), changes);
    redriven += 1;
  }
  return redriven;
}
