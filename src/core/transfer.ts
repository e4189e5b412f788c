// A transfer: the durable unit of work "bring one target key into agreement with its source, under one rule".
// The table below is the only place that says which status follows which event; queue drivers read it.
//
//            change             change              change
//              |                (dirty)               |
//              v        claim     |      finish       v
//   new --> queued ------------> copying ----------> done
//             ^  ^                |  |  \
//             |  |  retry,release |  |   \ finish, owed
//             |  +----------------+  |    v
//             |                      |  settling --(grace over: claim)--> copying
//             |   change, redrive    v
//             +------------------- parked
import type { FaultRecord } from './faults.ts';
import type { ObjectLocation } from './object.ts';

export type TransferStatus = 'queued' | 'copying' | 'settling' | 'done' | 'parked';

/**
 * `finished_*` and `parked_dirty` name what else was true at the end of the attempt: a change had arrived since the
 * claim (dirty), or an effect is unanswered or the lease had changed hands (owed). Dirty wins over owed; owed then
 * stays with the row.
 */
export type TransferEvent =
  | 'change_arrived'
  | 'claimed'
  | 'finished'
  | 'finished_owed'
  | 'finished_dirty'
  | 'retry_scheduled'
  | 'parked'
  | 'parked_dirty'
  | 'released'
  | 'lease_expired'
  | 'redriven';

/** What only a running attempt can bring about. */
const NOT_RUNNING = {
  finished: 'refuse',
  finished_owed: 'refuse',
  finished_dirty: 'refuse',
  retry_scheduled: 'refuse',
  parked: 'refuse',
  parked_dirty: 'refuse',
  released: 'refuse',
  lease_expired: 'refuse',
} as const;

export const TRANSITIONS: Record<TransferStatus, Record<TransferEvent, TransferStatus | 'refuse'>> = {
  queued: { ...NOT_RUNNING, change_arrived: 'queued', claimed: 'copying', redriven: 'queued' },
  copying: {
    // The row becomes dirty: the running attempt may have looked before this change.
    change_arrived: 'copying',
    claimed: 'refuse',
    finished: 'done',
    finished_owed: 'settling',
    finished_dirty: 'queued',
    retry_scheduled: 'queued',
    parked: 'parked',
    parked_dirty: 'queued',
    released: 'queued',
    lease_expired: 'queued',
    // As a change: dirty.
    redriven: 'copying',
  },
  settling: { ...NOT_RUNNING, change_arrived: 'queued', claimed: 'copying', redriven: 'queued' },
  parked: { ...NOT_RUNNING, change_arrived: 'queued', claimed: 'refuse', redriven: 'queued' },
  // A change begins a new dirty period: a new transfer id.
  done: { ...NOT_RUNNING, change_arrived: 'queued', claimed: 'refuse', redriven: 'queued' },
};

/** The status that follows; throws where the table refuses, because then the caller has a bug. */
export function nextStatus(status: TransferStatus, event: TransferEvent): TransferStatus {
  const next = TRANSITIONS[status][event];
  if (next === 'refuse') throw new Error(`A transfer that is ${status} cannot take the event ${event}`);
  return next;
}

/** The expected ends of an attempt. */
export type Outcome =
  | 'replicated'
  | 'metadata_updated'
  | 'already_current'
  | 'deleted'
  | 'source_gone'
  | 'superseded'
  | 'skipped';

/** How far the bytes at the target are proved to be those of the source. */
export type VerifiedLevel = 'size' | 'transfer' | 'source';

/**
 * The proof kept for a finished transfer that left an object at the target. `sourceChecksum` is
 * `algorithm:base64`, null where the source keeps none. `lagMs`: from the change's own time, else its acceptance, to
 * the verified target. `droppedMetadata` names what the target does not carry.
 */
export interface Receipt {
  readonly etag: string;
  readonly versionId: string | null;
  readonly sizeBytes: number;
  readonly sourceChecksum: string | null;
  readonly crc32c: string | null;
  readonly generation: string;
  readonly verified: VerifiedLevel;
  readonly finishedAtMs: number;
  readonly lagMs: number;
  readonly droppedMetadata: readonly string[];
}

/** A transfer as it is shown. Null: not known or not reached yet. */
export interface Transfer {
  readonly id: string;
  readonly ruleName: string;
  readonly source: ObjectLocation;
  readonly target: ObjectLocation;
  readonly status: TransferStatus;
  readonly outcome: Outcome | null;
  readonly fault: FaultRecord | null;
  readonly attemptCount: number;
  readonly sizeBytes: number | null;
  readonly bytesDone: number;
  /** Time of the oldest change that no finished attempt covers yet (the change's own, else its acceptance). */
  readonly changeAtMs: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** When the next attempt is due; null unless queued or settling. */
  readonly nextAttemptAtMs: number | null;
  readonly receipt: Receipt | null;
}
