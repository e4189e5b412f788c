// Port: what replication has to tell, one method per business event. Telemetry turns each into a log line and
// metrics at once; tests assert on it. No method throws or waits.
import type { ChangeTransport } from './change.ts';
import type { BrakeTrip } from './delete-brake.ts';
import type { Fault, FaultCode } from './faults.ts';
import type { ObjectLocation } from './object.ts';
import type { StoreSide } from './store-state.ts';
import type { Outcome, Receipt } from './transfer.ts';

/** What every event of a transfer carries, so that one id leads through the whole log. */
export interface TransferRef {
  readonly transferId: string;
  readonly ruleName: string;
  readonly source: ObjectLocation;
  readonly target: ObjectLocation;
}

/** A class of parked transfers, and the one of them that is the example. */
interface ParkedClassRef {
  readonly transferId: string;
  readonly ruleName: string;
  readonly faultCode: FaultCode;
}

export interface Happenings {
  changeAccepted(
    event: TransferRef & { readonly transport: ChangeTransport; readonly joined: boolean },
  ): void;
  changeIgnored(event: { readonly reason: string; readonly source: ObjectLocation | null }): void;
  /** A delivery that was taken before came again: nothing was stored. `itemCount`: what it asks for. */
  deliveryRepeated(event: { readonly deliveryId: string; readonly itemCount: number }): void;
  recordQuarantined(event: { readonly reason: string; readonly rawStart: string }): void;
  transferStarted(
    event: TransferRef & {
      readonly attempt: number;
      readonly isSettling: boolean;
      readonly isOwed: boolean;
      /** A store is down, and this attempt is to find out whether it still is. */
      readonly isProbe: boolean;
    },
  ): void;
  uploadResumed(
    event: TransferRef & { readonly fromByte: number; readonly sizeBytes: number; readonly reason: string },
  ): void;
  /** At its pace the upload is not finished when its session ends. Told once an attempt. */
  uploadTooSlow(
    event: TransferRef & {
      readonly bytesDone: number;
      readonly sizeBytes: number;
      readonly neededMs: number;
      readonly leftMs: number;
    },
  ): void;
  /**
   * Stored uploads that nobody goes on with were given up: cancelled at the target, ended by themselves before, not
   * to be opened with the present key, or left to end by themselves because the target did not take the cancel.
   */
  uploadsSwept(event: {
    readonly cancelled: number;
    readonly expired: number;
    readonly unreadable: number;
    readonly left: number;
  }): void;
  /** `status` is what the row became: `settling` means one more look follows; `queued`, that a change waits. */
  transferFinished(
    event: TransferRef & {
      readonly outcome: Outcome;
      /** A last look after the grace found what the transfer had ended with before. */
      readonly isConfirmed: boolean;
      readonly status: string;
      readonly receipt: Receipt | null;
      readonly bytesMoved: number;
      readonly durationMs: number;
      /** One more sentence for people (why it was skipped, what to check); null where the outcome says it all. */
      readonly note: string | null;
    },
  ): void;
  transferRetrying(
    event: TransferRef & {
      readonly fault: Fault;
      readonly attemptCount: number;
      readonly retryInMs: number;
      /** It only waits for a store of which `storeDown` has told already. */
      readonly isStoreDown: boolean;
    },
  ): void;
  transferParked(event: TransferRef & { readonly fault: Fault; readonly attemptCount: number }): void;
  /** One of the parked transfers of a class, named by its id, is tried again as an example for all of them. */
  parkedRechecked(event: ParkedClassRef & { readonly count: number }): void;
  /** The example ended in another way than before: the rest of its class is run again. */
  parkedClassRedriven(event: ParkedClassRef & { readonly redriven: number }): void;
  /** From here on the deletes of this rule are held for a person. Told once for each trip. */
  brakeTripped(event: { readonly ruleName: string; readonly trip: BrakeTrip }): void;
  /** Given back, nobody having failed: at shutdown, or to wait among the large objects. */
  transferReleased(event: TransferRef & { readonly reason: 'shutdown' | 'lane_full' }): void;
  /** Given back because its target takes no change of this name yet. */
  transferSpaced(event: TransferRef & { readonly retryInMs: number }): void;
  leaseLost(event: TransferRef): void;
  /** A store counts as down from now on. `sinceMs`: the first failure, by the wall clock; `fault`: the latest. */
  storeDown(event: { readonly store: StoreSide; readonly sinceMs: number; readonly fault: Fault }): void;
  /**
   * The store answers again. `probeCount`: attempts that were made to find out; `waitingCount`: transfers queued
   * now, null where the queue does not answer.
   */
  storeUp(event: {
    readonly store: StoreSide;
    readonly sinceMs: number;
    readonly downForMs: number;
    readonly probeCount: number;
    readonly waitingCount: number | null;
  }): void;
  /** The worker itself failed (the queue's store answers with errors): nothing of a transfer is lost. */
  workerTroubled(event: { readonly doing: string; readonly error: unknown }): void;
}
