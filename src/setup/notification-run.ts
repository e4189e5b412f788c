// One run over the buckets of the rules: reads what each announces, plans, and writes the plan where that was asked
// for. A bucket that fails keeps the others from nothing.
import type { BucketNotifications } from '../core/bucket-notifications.ts';
import { type Fault, toFault } from '../core/faults.ts';
import type { Rule } from '../core/rule.ts';
import { type Applied, type ApplyParts, applyNotifications } from './apply-notifications.ts';
import {
  changesAnything,
  type NotificationPlan,
  planNotifications,
  planRemoval,
} from './notification-plan.ts';
import { type Destination, rulesOfBucket, wantedEntries } from './wanted-notifications.ts';

export interface NotificationRequest {
  readonly buckets: readonly string[];
  /** All of the configuration: what one of them needs may be in an entry that it shares with others. */
  readonly rules: readonly Rule[];
  /** Only what these rules need, or what was added for them; null: all. */
  readonly ruleNames: readonly string[] | null;
  /** Null: what this command added goes. */
  readonly destination: Destination | null;
  readonly isApplied: boolean;
}

/** What became of one bucket. `applied` is null where nothing was to be written. */
export type BucketRun = {
  readonly bucket: string;
  readonly ruleNames: readonly string[];
} & (
  | { readonly kind: 'failed'; readonly fault: Fault }
  | {
      readonly kind: 'planned';
      readonly before: BucketNotifications;
      readonly plan: NotificationPlan;
      readonly applied: Applied | null;
    }
);

/** Plans, and writes where `isApplied`. Throws the signal's reason when it is aborted. */
export async function* runNotifications(
  parts: ApplyParts,
  request: NotificationRequest,
  signal: AbortSignal,
): AsyncGenerator<BucketRun> {
  for (const bucket of request.buckets) {
    const rules = rulesOfBucket(request.rules, bucket);
    const about = { bucket, ruleNames: rules.map(({ name }) => name) };
    try {
      const before = await parts.notifications.read(bucket, signal);
      const plan = planOf(before, rules, request);
      const isDue = request.isApplied && changesAnything(plan);
      const applied = isDue ? await applyNotifications(parts, { bucket, before, plan }, signal) : null;
      yield { ...about, kind: 'planned', before, plan, applied };
    } catch (error) {
      signal.throwIfAborted();
      yield { ...about, kind: 'failed', fault: toFault(error) };
    }
  }
}

function planOf(
  before: BucketNotifications,
  rules: readonly Rule[],
  { destination, ruleNames }: NotificationRequest,
): NotificationPlan {
  if (destination === null) return planRemoval(before, ruleNames);
  const wanted = wantedEntries(rules, destination);
  return planNotifications(
    before,
    wanted.filter((one) => ruleNames === null || one.ruleNames.some((name) => ruleNames.includes(name))),
  );
}
