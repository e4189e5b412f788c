// Port: what a source bucket announces and to whom. The store keeps one document for the whole bucket and a write
// replaces all of it without a condition, so that whoever writes has to have read it just before.

export type DestinationKind = 'function' | 'queue' | 'topic';

/** One part of a filter, exactly as the store has it: its name in any case, its value encoded. */
export interface FilterRule {
  readonly name: string;
  readonly value: string;
}

export interface NotificationEntry {
  readonly kind: DestinationKind;
  /** Null where the store tells none. */
  readonly id: string | null;
  readonly arn: string;
  /** Types such as `s3:ObjectCreated:*`. */
  readonly events: readonly string[];
  /** Null where the entry has no filter at all. */
  readonly filterRules: readonly FilterRule[] | null;
}

export interface BucketNotifications {
  readonly entries: readonly NotificationEntry[];
  /** True where the bucket sends everything to EventBridge as well. */
  readonly hasEventBridge: boolean;
}

/** A destination that the store would not accept, and why, in its words; null where it gives none. */
export interface RefusedDestination {
  readonly arn: string;
  readonly reason: string | null;
}

/**
 * `overlap`: two entries announce the same events of the same objects. `destination`: the store may not send to a
 * destination, or does not find it; `refused` is empty where it did not say which. Nothing was written then.
 */
export type NotificationsWritten =
  | { readonly kind: 'written' }
  | { readonly kind: 'overlap'; readonly message: string }
  | {
      readonly kind: 'destination';
      readonly message: string;
      readonly refused: readonly RefusedDestination[];
    };

/** Every method throws a Fault (`access_denied`, `source_bucket_missing`, ...) or the signal's reason. None retries. */
export interface NotificationStore {
  read(bucket: string, signal: AbortSignal): Promise<BucketNotifications>;
  /** Replaces all that is configured on the bucket. */
  write(
    bucket: string,
    notifications: BucketNotifications,
    signal: AbortSignal,
  ): Promise<NotificationsWritten>;
}
