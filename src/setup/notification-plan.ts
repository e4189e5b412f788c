// What a bucket's notifications would become: ours added, replaced or removed, everybody else's exactly as they are.
// Where S3 would refuse the result, the plan says so and changes nothing.
import type { BucketNotifications, NotificationEntry } from '../core/bucket-notifications.ts';
import { reachCovers, reachesOverlap, reachOf, sharedEvents } from './notification-reach.ts';
import { isOwnEntry, OWN_ID_PREFIX, type WantedEntry } from './wanted-notifications.ts';

/** An entry of somebody else that S3 would not keep beside the wanted one. */
export interface NotificationConflict {
  readonly wanted: WantedEntry;
  readonly foreign: NotificationEntry;
  /** The event types of `wanted` that both announce. */
  readonly events: readonly string[];
}

export interface NotificationPlan {
  readonly added: readonly NotificationEntry[];
  /** Entries of ours that go, or that an added one of the same id replaces. */
  readonly removed: readonly NotificationEntry[];
  /** Entries of ours that are right as they are. */
  readonly unchanged: readonly NotificationEntry[];
  /** Wanted entries that somebody else's entry to the same destination makes unnecessary. */
  readonly covered: readonly { readonly wanted: WantedEntry; readonly by: NotificationEntry }[];
  /** What stays untouched: entries of others, and entries of ours for other rules. */
  readonly kept: readonly NotificationEntry[];
  readonly conflicts: readonly NotificationConflict[];
  /** The whole document after it. */
  readonly after: BucketNotifications;
}

/** How the wanted entries get into `current`. `wanted` do not overlap each other. */
export function planNotifications(
  current: BucketNotifications,
  wanted: readonly WantedEntry[],
): NotificationPlan {
  const own = current.entries.filter(isOwnEntry);
  const foreign = current.entries.filter((entry) => !isOwnEntry(entry));
  const unchanged: NotificationEntry[] = [];
  const covered: { wanted: WantedEntry; by: NotificationEntry }[] = [];
  const added: WantedEntry[] = [];
  for (const want of wanted) {
    const same = own.find((entry) => isSameEntry(entry, want.entry));
    const by = foreign.find((entry) => coversFor(entry, want));
    if (same !== undefined) unchanged.push(same);
    else if (by !== undefined) covered.push({ wanted: want, by });
    else added.push(want);
  }
  const names = new Set(wanted.map(({ entry }) => entry.id));
  const removed = own.filter(
    (entry) =>
      !unchanged.includes(entry) &&
      // A rule that was renamed left its entry in the way.
      (names.has(entry.id) || added.some(({ reach }) => reachesOverlap(reachOf(entry), reach))),
  );
  const conflicts = added.flatMap((want) =>
    foreign
      .filter((entry) => reachesOverlap(reachOf(entry), want.reach))
      .map((entry) => ({
        wanted: want,
        foreign: entry,
        events: sharedEvents(want.reach.events, entry.events),
      })),
  );
  const newEntries = added.map(({ entry }) => entry);
  const isRefused = conflicts.length > 0;
  return {
    added: newEntries,
    removed,
    unchanged,
    covered,
    kept: current.entries.filter((entry) => !unchanged.includes(entry) && !removed.includes(entry)),
    conflicts,
    after: isRefused ? current : without(current, removed, newEntries),
  };
}

/** How our entries get out of `current`; those of `ruleNames` alone, or all of them where it is null. */
export function planRemoval(
  current: BucketNotifications,
  ruleNames: readonly string[] | null,
): NotificationPlan {
  const ids = ruleNames === null ? null : new Set(ruleNames.map((name) => `${OWN_ID_PREFIX}${name}`));
  const removed = current.entries.filter(
    (entry) => isOwnEntry(entry) && (ids === null || ids.has(entry.id ?? '')),
  );
  return {
    added: [],
    removed,
    unchanged: [],
    covered: [],
    kept: current.entries.filter((entry) => !removed.includes(entry)),
    conflicts: [],
    after: without(current, removed, []),
  };
}

/** True where carrying the plan out would write something. */
export function changesAnything(plan: NotificationPlan): boolean {
  return plan.conflicts.length === 0 && plan.added.length + plan.removed.length > 0;
}

function without(
  current: BucketNotifications,
  removed: readonly NotificationEntry[],
  added: readonly NotificationEntry[],
): BucketNotifications {
  const kept = current.entries.filter((entry) => !removed.includes(entry));
  return { ...current, entries: [...kept, ...added] };
}

function coversFor(entry: NotificationEntry, { entry: want, reach }: WantedEntry): boolean {
  return entry.kind === want.kind && entry.arn === want.arn && reachCovers(reachOf(entry), reach);
}

/** True where two documents announce the same, in whatever order and letters they are written. */
export function isSameDocument(a: BucketNotifications, b: BucketNotifications): boolean {
  return a.hasEventBridge === b.hasEventBridge && missingFrom(a, b).length + missingFrom(b, a).length === 0;
}

/** The entries of `wanted` that `found` does not have. */
export function missingFrom(
  wanted: BucketNotifications,
  found: BucketNotifications,
): readonly NotificationEntry[] {
  return wanted.entries.filter((entry) => !found.entries.some((other) => isSameEntry(entry, other)));
}

function isSameEntry(a: NotificationEntry, b: NotificationEntry): boolean {
  return a.kind === b.kind && a.id === b.id && a.arn === b.arn && writtenReach(a) === writtenReach(b);
}

function writtenReach(entry: NotificationEntry): string {
  const { events, filter } = reachOf(entry);
  return JSON.stringify([events.toSorted(), filter.prefix, filter.suffix]);
}
