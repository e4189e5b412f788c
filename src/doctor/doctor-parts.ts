// What the doctor asks, in its own words; src/open-doctor.ts fills it in.
import type { CallerIdentity, SourceBucketAccess, TargetBucketAccess } from '../core/bucket-access.ts';
import type { NotificationStore } from '../core/bucket-notifications.ts';
import type { Clock } from '../core/clock.ts';
import type { DatabaseLook } from '../core/database-look.ts';
import type { MessageQueue } from '../core/message-queue.ts';
import type { ObjectSource } from '../core/object-source.ts';
import type { ObjectTarget } from '../core/object-target.ts';
import type { Rule } from '../core/rule.ts';

export interface DoctorParts {
  readonly rules: readonly Rule[];
  readonly clock: Clock;
  /** A name that nobody else has. */
  readonly newId: () => string;
  /** Throws `credentials_*` where AWS refuses the credentials. */
  readonly callerIdentity: (signal: AbortSignal) => Promise<CallerIdentity>;
  readonly source: {
    /** For messages: `Amazon S3 in eu-central-1`, or an address. */
    readonly name: string;
    /** `https://host`, asked for its time. */
    readonly origin: string;
    readonly objects: ObjectSource;
    /** The same without the demand that the bucket belongs to the expected account. */
    readonly objectsOfAnyOwner: ObjectSource;
    readonly buckets: SourceBucketAccess;
    readonly notifications: NotificationStore;
  };
  readonly target: {
    readonly name: string;
    readonly origin: string;
    readonly objects: ObjectTarget;
    readonly buckets: TargetBucketAccess;
    /** Gets an access token; null where the target takes none. Throws `credentials_*`. */
    readonly authorize: (() => Promise<unknown>) | null;
  };
  /** The queue that is polled; null where none is configured. */
  readonly queue: {
    readonly url: string;
    /** Null where its address does not tell it. */
    readonly arn: string | null;
    readonly messages: MessageQueue;
  } | null;
  /** The database that keeps the queue; null where a file does. */
  readonly database: {
    /** Rejects with an Error that names the database, the reason and the remedy. Changes nothing. */
    readonly look: () => Promise<DatabaseLook>;
  } | null;
}

/** Names of objects that only the doctor makes. */
export const CANARY_FOLDER = '.replicator-doctor/';
