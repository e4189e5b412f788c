// A change: "something happened to this source object". It is a hint from any transport and is never believed
// beyond the bucket and the key; what it claims of size, version or order only chooses the cheaper path.

/** What the transport said had happened. Only used for display and for choosing what to look at first. */
export type ChangeKind = 'created' | 'removed' | 'restored' | 'metadata' | 'requested';

/** How the change arrived, for logs and the timeline. */
export type ChangeTransport = 's3' | 'eventbridge' | 'api' | 'backfill' | 'reconcile';

/**
 * `key` is decoded already, exactly once, at the edge that knows the transport.
 * `occurredAtMs` is the change's own time in Unix milliseconds; null where the transport told none.
 * `sizeBytes`, `versionId`, `sequencer` are what the transport claimed; null where it claimed nothing.
 */
export interface Change {
  readonly bucket: string;
  readonly key: string;
  readonly kind: ChangeKind;
  readonly transport: ChangeTransport;
  readonly occurredAtMs: number | null;
  readonly sizeBytes: number | null;
  readonly versionId: string | null;
  readonly sequencer: string | null;
}

/** A record that could not be understood: kept word by word in the quarantine, never dropped. */
export interface MalformedRecord {
  readonly reason: string;
  /** The record as it came, as JSON text. */
  readonly raw: string;
}

/** A record that is understood and is no work: a test event, an event kind that changes no object. */
export interface IgnoredRecord {
  readonly reason: string;
}

/** Everything one document carried. Every record of the document is in exactly one of the three lists. */
export interface ParsedChanges {
  readonly changes: readonly Change[];
  readonly ignored: readonly IgnoredRecord[];
  readonly malformed: readonly MalformedRecord[];
}
