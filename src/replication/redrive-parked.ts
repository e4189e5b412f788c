// Runs parked transfers of a class again, all of them, in steps that are small enough for everybody else to get a
// turn in between. Whoever asks decides after each step whether to go on.
import type { ParkedFilter, TransferQueue } from '../core/transfer-queue.ts';

const ROWS_PER_STEP = 500;

/**
 * Makes every parked transfer that matches due at once. Each value is how many one step made due; what was made due
 * stays so where the caller stops early.
 */
export async function* redriveParked(
  queue: Pick<TransferQueue, 'redriveClass'>,
  filter: ParkedFilter,
): AsyncGenerator<number, void, void> {
  let cursor: string | null = null;
  do {
    const step: Awaited<ReturnType<TransferQueue['redriveClass']>> = await queue.redriveClass({
      filter,
      limit: ROWS_PER_STEP,
      cursor,
    });
    yield step.redriven;
    cursor = step.nextCursor;
  } while (cursor !== null);
}
