// Port: the durable home of transfers. A driver passes test/contract/transfer-queue.contract.ts.
//
// One live row (status other than done) per (rule, source object). What the rows promise:
// - accept resolves only when the change would survive a power cut.
// - the claim clears the dirty flag, in the same step that hands out the lease, before anybody looks anywhere.
// - a row waits in one of two lanes, by the size its object is known to have, so that neither waits for the other; in
//   each lane live work goes before background work, and of eight claims one is left to the latter.
// - finish, retry, park, release, renew and progress change the row only with the lease's current token; otherwise
//   they change nothing and answer false or `lease_lost`.
// - `owed` (an effect of ours may still land) stays with the row through every transition; only an attempt that was
//   claimed from `settling` and ends with owed=false clears it. A lease that expires makes the row owed.
// - a finish while owed leads to `settling`: due again after the grace, then claimed once more (isSettling=true).
// - the id of a transfer stands for one dirty period: changes before the claim share it, a change while copying gets
//   the id of the follow-up. When the attempt of a dirty row ends in any way, the old id becomes a done row (with its
//   outcome, or `superseded` where it had none) and the live row goes on, queued, under the follow-up's id, keeping
//   owed, attempt count and due time as the event says. A parked row that sees a change keeps its id.
import type { Change, MalformedRecord } from './change.ts';
import type { FaultCode, FaultRecord } from './faults.ts';
import type { ObjectLocation, SourceState } from './object.ts';
import type { Placement, TargetCondition, UploadSession } from './object-target.ts';
import type { Outcome, Receipt, Transfer, TransferStatus } from './transfer.ts';

/**
 * `large`: the object is known to be larger than the bound the queue was opened with, from an attempt or, where none
 * told, from the latest change. `small`: everything else, and every look after a grace, which seldom moves bytes.
 */
export type Lane = 'small' | 'large';

/**
 * `background`: every change that the transfer stands for came from a backfill or a reconcile. Any other change, and
 * the redrive of a single transfer, makes it `live` until its period ends.
 */
export type Priority = 'live' | 'background';

/** How much a claim may hand out: `total` transfers, of which at most `large` of the large lane. */
export interface ClaimRoom {
  readonly total: number;
  readonly large: number;
}

export interface AcceptItem {
  readonly ruleName: string;
  readonly source: ObjectLocation;
  readonly target: ObjectLocation;
  readonly change: Change;
}

/** What is taken in one transaction. */
export interface AcceptRequest {
  readonly items: readonly AcceptItem[];
  readonly quarantine: readonly MalformedRecord[];
}

export interface AcceptedTransfer {
  readonly transferId: string;
  /** True where the change joined a transfer that was waiting already, or became the follow-up of a running one. */
  readonly joined: boolean;
}

/** What became of a delivery that names itself. */
export interface DeliveryAnswer {
  /** True where a delivery of this id was taken before: nothing was taken now. */
  readonly isRepeat: boolean;
  /**
   * In the order of the items. Of a repeat: the transfer that stands for the item today, null where there is none (its
   * history was pruned, or the rule is newer than the delivery).
   */
  readonly transfers: readonly (AcceptedTransfer | null)[];
}

/** The fencing proof of a claim. `token` grows with every claim of the row. */
export interface Lease {
  readonly transferId: string;
  readonly token: number;
  /** By the monotonic clock. No effect may be sent after it. `renew` returns the later one. */
  readonly expiresAtMonotonicMs: number;
}

/** An upload session that takes nothing although its target answers: since when, in Unix ms, and how much it has. */
export interface UploadStall {
  readonly sinceMs: number;
  readonly persistedBytes: number;
}

/** Where a large upload stands, to continue after a crash. The session is a secret: encrypted at rest or not kept. */
export interface UploadCheckpoint {
  readonly session: UploadSession;
  /** When the session was opened: it does not live for ever. */
  readonly openedAtMs: number;
  /** Where the session ends up, whatever the rule says meanwhile. */
  readonly target: ObjectLocation;
  readonly placement: Placement;
  readonly condition: TargetCondition;
  /** The source state whose bytes are in the session; another state must never be appended. */
  readonly state: SourceState;
  /** Digest of the metadata the session was opened with. */
  readonly metadataDigest: string;
  /** Missing while the session takes bytes. */
  readonly stall?: UploadStall;
  readonly hashedBytes: number;
  /** CRC32C of the first `hashedBytes` bytes. */
  readonly crc32c: number;
  /** Saved state of the running source checksum at `hashedBytes`; null where there is none. */
  readonly sourceChecksumState: string | null;
}

/** A stored upload that the queue does not keep any more. The checkpoint is null where this process cannot open it. */
export interface ForgottenUpload {
  readonly transferId: string;
  readonly checkpoint: UploadCheckpoint | null;
}

export interface ClaimedTransfer {
  readonly lease: Lease;
  readonly ruleName: string;
  readonly source: ObjectLocation;
  readonly target: ObjectLocation;
  /** The lane it waited in. */
  readonly lane: Lane;
  readonly priority: Priority;
  /** Failed attempts so far. */
  readonly attemptCount: number;
  /** True for the look after the grace: only such an attempt may clear `owed`. */
  readonly isSettling: boolean;
  /** An effect of an earlier attempt may have landed, or may still land. */
  readonly isOwed: boolean;
  /** Size the latest change claimed, a hint; null where unknown. */
  readonly sizeHintBytes: number | null;
  readonly changeAtMs: number;
  /** The newest receipt of any earlier transfer of this rule and key; null where there is none, or it was pruned. */
  readonly lastReceipt: Receipt | null;
  readonly checkpoint: UploadCheckpoint | null;
}

export type FinishAnswer =
  | { readonly kind: 'finished'; readonly status: Exclude<TransferStatus, 'copying' | 'parked'> }
  | { readonly kind: 'lease_lost' };

export interface TransferFilter {
  readonly status?: TransferStatus;
  readonly ruleName?: string;
  readonly faultCode?: FaultCode;
  readonly bucket?: string;
  readonly keyPrefix?: string;
  /** With `bucket`: exactly this key. */
  readonly key?: string;
}

/** Which parked transfers are meant; terms combine. */
export type ParkedFilter = Pick<TransferFilter, 'ruleName' | 'faultCode' | 'bucket' | 'keyPrefix'>;

/** The parked transfers of one rule that have one fault. */
export interface ParkedClass {
  readonly ruleName: string;
  readonly faultCode: FaultCode;
  readonly count: number;
  /** When the one that is parked longest was parked. */
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  /**
   * The one that is parked longest. Parked again it becomes the last, so that trying the example over and over goes
   * around the whole class.
   */
  readonly exampleTransferId: string;
}

export interface TransferPage {
  readonly transfers: readonly Transfer[];
  readonly nextCursor: string | null;
}

export interface QuarantinedRecord extends MalformedRecord {
  readonly id: string;
  readonly receivedAtMs: number;
  /** Length of the whole text in UTF-8; a listing shows only its beginning in `raw`. */
  readonly rawBytes: number;
}

/** Bytes of a quarantined record that a listing shows. */
export const QUARANTINE_PREVIEW_BYTES = 2_000;

/** Counts of live rows; the cost of asking does not grow with the backlog. */
export interface QueueCounts {
  readonly byStatus: Readonly<Record<Exclude<TransferStatus, 'done'>, number>>;
  readonly quarantined: number;
  /** The oldest change that work goes on for, parked rows not included; null where nothing is pending. */
  readonly oldestPendingChangeAtMs: number | null;
}

export interface TransferQueue {
  /**
   * Takes changes and quarantined records in one transaction: all or nothing. The answers are in the order of
   * `items`. Throws when the store cannot take them durably; then nothing was taken.
   */
  accept(request: AcceptRequest): Promise<readonly AcceptedTransfer[]>;
  /**
   * As `accept`, for a delivery that its sender may repeat: the id is kept in the same transaction, and a delivery
   * whose id is kept changes nothing. The id is at most 200 characters, compared exactly. Of several at once with one
   * id, exactly one is taken. Throws as `accept` does; then the id is not kept either.
   */
  acceptDelivery(deliveryId: string, request: AcceptRequest): Promise<DeliveryAnswer>;
  /**
   * Due transfers, as many as there is room for: first of the large lane, then of the small one; in each live ones
   * before background ones (one of eight is a background one where any is due), and of these the oldest due first.
   * Expired leases are taken back before. A room that is not of whole numbers from zero throws a RangeError.
   */
  claim(room: ClaimRoom): Promise<readonly ClaimedTransfer[]>;
  /** Extends the lease; null where it was lost. */
  renew(lease: Lease): Promise<Lease | null>;
  /** Notes how far the attempt is; false where the lease was lost. A null checkpoint forgets the stored one. */
  progress(
    lease: Lease,
    report: {
      readonly bytesDone: number;
      readonly sizeBytes: number;
      readonly checkpoint: UploadCheckpoint | null;
    },
  ): Promise<boolean>;
  finish(
    lease: Lease,
    end: {
      readonly outcome: Outcome;
      readonly receipt: Receipt | null;
      readonly owed: boolean;
      /** Where the attempt worked, if elsewhere than the row says: the rule may map anew since the change came. */
      readonly target?: ObjectLocation;
    },
  ): Promise<FinishAnswer>;
  /** Back to queued, due in `delayMs`. `countsAsAttempt` false: the store was down, or nobody failed. */
  retry(
    lease: Lease,
    end: {
      readonly fault: FaultRecord;
      readonly delayMs: number;
      readonly countsAsAttempt: boolean;
      readonly owed: boolean;
    },
  ): Promise<boolean>;
  /** Parks the row, or queues it again (due in `delayMsIfDirty`) where a change arrived since the claim. */
  park(
    lease: Lease,
    end: { readonly fault: FaultRecord; readonly owed: boolean; readonly delayMsIfDirty: number },
  ): Promise<'parked' | 'queued' | 'lease_lost'>;
  /** Gives the row back untouched where nobody failed: no attempt counted, checkpoint kept. Due at once by default. */
  release(lease: Lease, end: { readonly owed: boolean; readonly delayMs?: number }): Promise<boolean>;
  /**
   * Makes one transfer due at once, whatever its status; attempts start at zero. The id in the answer is the one to
   * follow (a done transfer gets a new one; a copying one the follow-up's). Null where the id is unknown.
   */
  redrive(transferId: string): Promise<{ readonly transferId: string } | null>;
  /**
   * One bounded step of redriving many: parked transfers that match become due at once, in the order in which they
   * began, attempts from zero, ids and what is owed kept. At most `limit` in one transaction, which also examines a
   * bounded number only: a step may redrive none and still have a cursor, so go on until there is none. A transfer
   * that is parked anew behind the cursor is not met twice. An unknown cursor or limit throws a RangeError.
   */
  redriveClass(request: {
    readonly filter: ParkedFilter;
    readonly limit: number;
    /** `nextCursor` of the step before; null for the first. */
    readonly cursor: string | null;
  }): Promise<{ readonly redriven: number; readonly nextCursor: string | null }>;
  /**
   * Milliseconds until a claim with this room has something to do (0: now): a row of a lane with room is due, or a
   * lease expires. Null where there is nothing to wait for.
   */
  untilNextDueMs(room: ClaimRoom): Promise<number | null>;
  /** Calls `listener` whenever rows may have become due. Returns the function that ends it. */
  onWork(listener: () => void): () => void;
  /** By id, also ids of finished periods and of follow-ups that have not begun. */
  get(transferId: string): Promise<Transfer | null>;
  /** Calls `listener` after each commit that changed a transfer's status, with the ids. Returns the end function. */
  onChanged(listener: (transferIds: readonly string[]) => void): () => void;
  /**
   * Newest first. A page may be short, even empty, and still have a cursor: go on until there is none. An unknown
   * cursor or limit is an error of the caller and throws a RangeError.
   */
  list(request: {
    readonly filter: TransferFilter;
    readonly cursor: string | null;
    readonly limit: number;
  }): Promise<TransferPage>;
  /** Newest first, each with the beginning of its text. */
  listQuarantine(request: { readonly cursor: string | null; readonly limit: number }): Promise<{
    readonly records: readonly QuarantinedRecord[];
    readonly nextCursor: string | null;
  }>;
  counts(): Promise<QueueCounts>;
  /** Resolves while changes can be taken durably; rejects with the reason while they cannot (disk full, file gone). */
  checkWritable(): Promise<void>;
  /** One quarantined record with its whole text; null where the id is unknown. */
  getQuarantined(id: string): Promise<QuarantinedRecord | null>;
  /**
   * What is parked, by rule and fault, by name of the fault and then of the rule. The cost of asking grows with the
   * number of classes, not of transfers.
   */
  parkedClasses(): Promise<readonly ParkedClass[]>;
  /** Removes done rows and quarantined records finished or received before `beforeMs`, a bounded number a call; returns how many. */
  prune(request: { readonly beforeMs: number; readonly limit: number }): Promise<number>;
  /** Forgets ids of deliveries taken before `beforeMs`, the oldest first, at most `limit`; returns how many. */
  forgetDeliveries(request: { readonly beforeMs: number; readonly limit: number }): Promise<number>;
  /**
   * Forgets the checkpoints of rows that wait or are parked and changed in no way since `beforeMs`, the longest
   * untouched first, at most `limit`; returns them, for whoever gives their sessions up. In one step with the claims:
   * no attempt gets a checkpoint that was returned here.
   */
  forgetStaleUploads(request: {
    readonly beforeMs: number;
    readonly limit: number;
  }): Promise<readonly ForgottenUpload[]>;
  close(): Promise<void>;
}
