// A run: one pass over what a rule covers, which feeds the queue with what is there (a backfill) or with what differs
// (a reconcile). The words and numbers of a run; who works on it is in runs.ts.
import type { FaultRecord } from '../core/faults.ts';
import type { Outcome } from '../core/transfer.ts';

export type RunKind = 'backfill' | 'reconcile';

/**
 * `waiting`: another run of its kind lists first. `listing`: reads names and feeds the queue. `draining`: everything
 * is listed, and the transfers it fed have not all ended. The last three are ends.
 */
export type RunState = 'waiting' | 'listing' | 'draining' | 'completed' | 'failed' | 'cancelled';

export interface RunCounts {
  /** Source objects that the rule covers, as far as they were listed. */
  readonly listed: number;
  /** Objects at the target that carry our stamp for a source object of the rule, as far as they were listed. */
  readonly held: number;
  /** Changes given to the queue. */
  readonly fed: number;
  /** Objects that differ and that a transfer was under way for, or parked: nothing was fed for them. */
  readonly pending: number;
  /** Of what was fed: not at the target, other than at the source, at the target only. */
  readonly missing: number;
  readonly different: number;
  readonly orphans: number;
  /** Fed, and changed so shortly before the listing that its own notification may still be on its way. */
  readonly fresh: number;
  /** At the target only, and left there: the rule ignores deletes, or the object is not ours to delete. */
  readonly kept: number;
  /** Of what was fed, parked ones included. */
  readonly ended: number;
  readonly parked: number;
  /** Of a reconcile: transfers that did change the target, so that a change was lost before. */
  readonly healed: number;
  /** Of what was missing: copied by now. */
  readonly appeared: number;
  readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
}

export interface Run {
  readonly id: string;
  readonly kind: RunKind;
  readonly ruleName: string;
  /** Where it lists, in this order; null while that is not known yet: the rule is for every bucket. */
  readonly buckets: readonly string[] | null;
  /** Start of the source keys that it is about. */
  readonly prefix: string;
  readonly state: RunState;
  readonly trigger: 'request' | 'schedule';
  /** Everything up to and with `after` of this bucket is done; null: nothing of it. */
  readonly position: { readonly bucketIndex: number; readonly after: string | null };
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly counts: RunCounts;
  /** What it failed for, or what it waits for while it lists; null where nothing is in its way. */
  readonly fault: FaultRecord | null;
}

/** What a run is about: part of one rule. */
export interface RunScope {
  readonly ruleName: string;
  readonly buckets: readonly string[] | null;
  readonly prefix: string;
}

/** The runs of one kind, as the API uses them. */
export interface RunControl {
  /** Newest first. */
  list(): readonly Run[] | Promise<readonly Run[]>;
  /** Null where the id is unknown. */
  get(id: string): Run | null | Promise<Run | null>;
  /** Begins a run, or answers the one of the same scope that is still listing. Durable when it resolves. */
  start(scope: RunScope, trigger: Run['trigger']): Promise<Run>;
  /** Ends a run; what it fed goes on. Null where the id is unknown. */
  cancel(id: string): Promise<Run | null>;
}

/** Something to feed: a source key, and what the listings say of it. */
export interface Found {
  readonly key: string;
  /** As the source's listing tells; null where the source has no such object. */
  readonly sizeBytes: number | null;
  readonly kind: 'existing' | 'missing' | 'different' | 'orphan';
  readonly isFresh: boolean;
}

/** A step of a listing. */
export interface ScanPage {
  /** The last source key that this step covers: a scan that begins behind it misses nothing. */
  readonly after: string;
  readonly found: readonly Found[];
  /** What this step adds. */
  readonly counts: Partial<Pick<RunCounts, 'listed' | 'held' | 'pending' | 'kept'>>;
}

export const NO_COUNTS: RunCounts = {
  listed: 0,
  held: 0,
  fed: 0,
  pending: 0,
  missing: 0,
  different: 0,
  orphans: 0,
  fresh: 0,
  kept: 0,
  ended: 0,
  parked: 0,
  healed: 0,
  appeared: 0,
  outcomes: {},
};

/** `counts` with these numbers added. */
export function addCounts(
  counts: RunCounts,
  more: Partial<Record<Exclude<keyof RunCounts, 'outcomes'>, number>>,
): RunCounts {
  const sum: Record<string, number> = {};
  for (const [name, count] of Object.entries(more)) {
    sum[name] = counts[name as Exclude<keyof RunCounts, 'outcomes'>] + count;
  }
  return { ...counts, ...sum };
}

/** True where the run needs no more work: it can only be looked at. */
export function hasRunEnded({ state }: Run): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled';
}

/** A run as it begins: nothing is listed yet. */
export function waitingRun(begin: {
  readonly scope: RunScope;
  readonly trigger: Run['trigger'];
  readonly kind: RunKind;
  readonly id: string;
  readonly createdAtMs: number;
}): Run {
  const { scope, trigger, kind, id, createdAtMs } = begin;
  return {
    ...scope,
    id,
    kind,
    state: 'waiting',
    trigger,
    position: { bucketIndex: 0, after: null },
    createdAtMs,
    startedAtMs: null,
    endedAtMs: null,
    counts: NO_COUNTS,
    fault: null,
  };
}

/** A run for every bucket may have found out meanwhile which those are. */
export function isSameScope(run: Run, { ruleName, prefix, buckets }: RunScope): boolean {
  if (run.ruleName !== ruleName || run.prefix !== prefix) return false;
  return buckets === null || run.buckets?.join('\0') === buckets.join('\0');
}
