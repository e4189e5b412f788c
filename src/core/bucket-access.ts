// Ports for looking at a deployment from outside, as the doctor does: what the buckets of both sides tell of
// themselves, and one small object put and taken away again. Nothing of a running service needs them.
import type { ObjectLocation } from './object.ts';

export type BucketVersioning = 'off' | 'enabled' | 'suspended';

/** Every method throws a Fault (`source_*`, `access_denied`, `wrong_region`, ...) or the signal's reason. */
export interface SourceBucketAccess {
  versioning(bucket: string, signal: AbortSignal): Promise<BucketVersioning>;
  /** Answers the version that was made; null in a bucket without versions. */
  put(location: ObjectLocation, body: Uint8Array, signal: AbortSignal): Promise<string | null>;
  /** Takes exactly this version away, so that no delete marker stays; null where the bucket has none. */
  remove(location: ObjectLocation, versionId: string | null, signal: AbortSignal): Promise<void>;
}

export interface TargetBucketFacts {
  readonly isVersioned: boolean;
  /** Seconds for which no object may be replaced or deleted; null where no policy says so. */
  readonly retentionSec: number | null;
  /** Seconds for which deleted and replaced objects are kept and paid for; 0: not kept; null: it did not tell. */
  readonly softDeleteSec: number | null;
}

/** Every method throws a Fault (`target_*`, `access_denied`, ...) or the signal's reason. */
export interface TargetBucketAccess {
  facts(bucket: string, signal: AbortSignal): Promise<TargetBucketFacts>;
  /**
   * Those of `permissions` that the caller has on the bucket; null where the store cannot be asked. Asking needs no
   * permission and changes nothing.
   */
  heldPermissions(
    bucket: string,
    permissions: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly string[] | null>;
}

/** Whose credentials these are; `unknown` where nobody can be asked, which is no trouble by itself. */
export type CallerIdentity =
  | { readonly kind: 'known'; readonly account: string; readonly arn: string }
  | { readonly kind: 'unknown'; readonly reason: string };
