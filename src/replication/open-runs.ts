// Backfills and reconciles put together over the stores and the queue.
import type { Clock, Random } from '../core/clock.ts';
import type { DurableNotes } from '../core/durable-notes.ts';
import type { Happenings } from '../core/happenings.ts';
import type { Rule } from '../core/rule.ts';
import type { RunHappenings } from '../core/run-happenings.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';
import { scanExisting } from './backfill.ts';
import type { Stores } from './copy-object.ts';
import { Runs } from './runs.ts';

export interface OpenRunsOptions {
  readonly rules: readonly Rule[];
  readonly queue: TransferQueue;
  readonly notes: DurableNotes;
  readonly stores: Pick<Stores, 'source' | 'target'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  readonly happenings: Happenings;
  readonly runHappenings: RunHappenings;
}

export interface OpenRuns {
  readonly backfill: Runs;
  /** What is kept goes on at the next start. Resolves when nothing runs any more. */
  stop(): Promise<void>;
}

/** Goes on with the runs that are kept. Rejects where the notes cannot be read. */
export async function openRuns(options: OpenRunsOptions): Promise<OpenRuns> {
  const { stores, ...shared } = options;
  const backfill = await Runs.open({
    ...shared,
    kind: 'backfill',
    scan: (request, signal) => scanExisting(stores.source, request, signal),
  });
  return {
    backfill,
    stop: () => backfill.stop(),
  };
}
