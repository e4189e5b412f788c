// Port: what backfills and reconciles have to tell. Telemetry turns each into a log line and metrics at once. No
// method throws or waits.
import type { Fault } from './faults.ts';
import type { Outcome } from './transfer.ts';

/** What every event of a run carries. */
export interface RunRef {
  readonly runId: string;
  readonly kind: 'backfill' | 'reconcile';
  readonly ruleName: string;
}

/** The numbers of a run so far, under the names that the API shows. */
export type ToldCounts = Readonly<Record<string, number>>;

export interface RunHappenings {
  runStarted(
    event: RunRef & {
      readonly buckets: readonly string[] | null;
      readonly prefix: string;
      readonly trigger: 'request' | 'schedule';
    },
  ): void;
  /** Found in the database at start: it goes on where it was. */
  runResumed(event: RunRef & { readonly listed: number }): void;
  /** A listing failed for a reason that passes; told once, until it goes on. */
  runPaused(event: RunRef & { readonly fault: Fault; readonly retryInMs: number }): void;
  /** What was in the way is gone. */
  runContinued(event: RunRef): void;
  /** A reconcile found, in one step, so many objects that differ and that nothing was under way for. */
  differencesFound(
    event: RunRef & { readonly missing: number; readonly different: number; readonly orphans: number },
  ): void;
  /** A transfer that a reconcile fed did change the target: a lost change, or an object from before the first reconcile. */
  differenceHealed(event: RunRef & { readonly transferId: string; readonly outcome: Outcome }): void;
  /** Known from before a restart. */
  reconcileKnown(event: { readonly ruleName: string; readonly completedAtMs: number }): void;
  runEnded(
    event: RunRef & {
      readonly state: 'completed' | 'failed' | 'cancelled';
      readonly counts: ToldCounts;
      readonly fault: Fault | null;
      readonly durationMs: number;
      readonly endedAtMs: number;
    },
  ): void;
}
