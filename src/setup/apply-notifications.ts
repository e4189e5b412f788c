// Carries a plan out: writes the whole document, reads it back and compares. S3 has no condition for this write, so
// what somebody else wrote between our read and our write is lost unseen; what comes after our write is seen and told.
import type {
  BucketNotifications,
  NotificationsWritten,
  NotificationStore,
} from '../core/bucket-notifications.ts';
import type { Clock } from '../core/clock.ts';
import { isSameDocument, missingFrom, type NotificationPlan } from './notification-plan.ts';

/**
 * `written`: S3 shows exactly what was written. `overtaken`: it shows something else, so that somebody else wrote
 * meanwhile; `isOursThere` says whether all that was to be added is there and all that was to go is gone.
 * `not_shown`: S3 still shows what was there before. `refused`: nothing was written.
 */
export type Applied =
  | { readonly kind: 'written' }
  | {
      readonly kind: 'overtaken';
      readonly isOursThere: boolean;
      readonly found: BucketNotifications;
    }
  | { readonly kind: 'not_shown' }
  | { readonly kind: 'refused'; readonly by: Exclude<NotificationsWritten, { kind: 'written' }> };

export interface ApplyParts {
  readonly notifications: NotificationStore;
  readonly clock: Clock;
}

/** Settings of a bucket may take a moment until every server shows them. */
const LOOKS = 6;
const BETWEEN_LOOKS_MS = 1_000;

/** Writes `plan`, which was made from `before` just now. Throws the faults of the store. */
export async function applyNotifications(
  parts: ApplyParts,
  request: { readonly bucket: string; readonly before: BucketNotifications; readonly plan: NotificationPlan },
  signal: AbortSignal,
): Promise<Applied> {
  const { notifications, clock } = parts;
  const { bucket, before, plan } = request;
  const written = await notifications.write(bucket, plan.after, signal);
  if (written.kind !== 'written') return { kind: 'refused', by: written };
  for (let look = 1; ; look += 1) {
    const found = await notifications.read(bucket, signal);
    if (isSameDocument(found, plan.after)) return { kind: 'written' };
    if (!isSameDocument(found, before)) {
      const kept = { ...found, entries: plan.added };
      const isGone = missingFrom({ ...found, entries: plan.removed }, found).length === plan.removed.length;
      const isOursThere = isGone && missingFrom(kept, found).length === 0;
      return { kind: 'overtaken', isOursThere, found };
    }
    if (look === LOOKS) return { kind: 'not_shown' };
    await clock.sleep(BETWEEN_LOOKS_MS, signal);
  }
}
