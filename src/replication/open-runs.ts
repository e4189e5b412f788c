// Backfills and reconciles put together over the stores and the queue.
import type { Clock, Random } from '../core/clock.ts';
import type { DurableNotes } from '../core/durable-notes.ts';
import type { Happenings } from '../core/happenings.ts';
import { ALWAYS_LEADER, type Leadership } from '../core/leadership.ts';
import type { Rule } from '../core/rule.ts';
import type { RunHappenings } from '../core/run-happenings.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';
import { scanExisting } from './backfill.ts';
import type { Stores } from './copy-object.ts';
import { LeaderDuty } from './leader-duty.ts';
import { findBuckets, scanDifferences } from './reconcile.ts';
import { ReconcileSchedule } from './reconcile-schedule.ts';
import type { Run, RunControl, RunKind } from './run.ts';
import { Runs } from './runs.ts';
import { SharedRuns, startTakingUp } from './shared-runs.ts';

export interface OpenRunsOptions {
  readonly rules: readonly Rule[];
  readonly queue: TransferQueue;
  readonly notes: DurableNotes;
  /** Whether this process works on them, or another one that shares the queue. */
  readonly leadership: Leadership;
  readonly stores: Pick<Stores, 'source' | 'target'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  readonly happenings: Happenings;
  readonly runHappenings: RunHappenings;
  /** Between two scheduled reconciles of a rule; null: only on request. */
  readonly reconcileIntervalMs: number | null;
  /** False while nothing should be added to the queue. */
  readonly mayFeed: () => boolean;
  /** A reconcile has counted the objects of ours that the whole rule has at the target. */
  readonly onCounted: (ruleName: string, objects: number) => Promise<void>;
}

export interface OpenRuns {
  readonly backfill: RunControl;
  readonly reconcile: RunControl;
  /** What is kept goes on at the next start. Resolves when nothing runs any more. */
  stop(): Promise<void>;
}

/** Goes on with the runs that are kept, while this process leads. Rejects where the notes cannot be read. */
export async function openRuns(options: OpenRunsOptions): Promise<OpenRuns> {
  const { notes, clock, newId } = options;
  const duty = await LeaderDuty.open({
    ...options,
    doing: 'going on with backfills and reconciles',
    begin: async () => workOnRuns(options),
  });
  const shared = (kind: RunKind): RunControl =>
    new SharedRuns({ kind, notes, clock, newId, leading: () => duty.work?.[kind] ?? null });
  return {
    backfill: shared('backfill'),
    reconcile: shared('reconcile'),
    stop: async () => duty.stop(),
  };
}

interface WorkedOn {
  readonly backfill: Runs;
  readonly reconcile: Runs;
  stop(): Promise<void>;
}

async function workOnRuns(options: OpenRunsOptions): Promise<WorkedOn> {
  const { stores, reconcileIntervalMs, onCounted, leadership, ...shared } = options;
  const { queue, clock } = shared;
  const schedule = await ReconcileSchedule.open({ ...shared, intervalMs: reconcileIntervalMs });
  const backfill = await Runs.open({
    ...shared,
    kind: 'backfill',
    scan: (request, signal) => scanExisting(stores.source, request, signal),
  });
  const { source, target } = stores;
  const reconcile = await Runs.open({
    ...shared,
    kind: 'reconcile',
    scan: (request, signal) => scanDifferences({ source, target, queue, clock }, request, signal),
    findBuckets: (rule, signal) => findBuckets(target, rule, signal),
    onEnded: async (run: Run) => {
      await schedule.ended(run);
      if (run.state !== 'completed') return;
      const { held, appeared, outcomes } = run.counts;
      await onCounted(run.ruleName, held + appeared - (outcomes.deleted ?? 0));
    },
  });
  schedule.start(reconcile);
  // A queue that only this process has is asked by nobody else.
  const others =
    leadership === ALWAYS_LEADER
      ? []
      : [backfill, reconcile].map((runs) => startTakingUp({ ...shared, kind: runs.kind, runs }));
  const parts = [schedule, backfill, reconcile, ...others];
  return {
    backfill,
    reconcile,
    stop: async () => void (await Promise.all(parts.map(async (part) => part.stop()))),
  };
}
