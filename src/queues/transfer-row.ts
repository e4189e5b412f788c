// A row of the queue and what changes, claims and redrives make of it. Pure: the drivers load a row, ask here
// what becomes of it, and store the answer; so every driver means the same. Ends of attempts: attempt-end.ts.
import type { FaultRecord } from '../core/faults.ts';
import type { ObjectLocation } from '../core/object.ts';
import {
  nextStatus,
  type Outcome,
  type Receipt,
  type Transfer,
  type TransferStatus,
} from '../core/transfer.ts';
import type {
  AcceptItem,
  ClaimedTransfer,
  Lane,
  Priority,
  UploadCheckpoint,
} from '../core/transfer-queue.ts';
import { dueAfter, type QueueTime } from './steady-clock.ts';

/** The dirty period that begins when the running attempt ends: what arrived since its claim. */
export interface FollowUp {
  readonly id: string;
  /** Time of the oldest change since the claim, in Unix milliseconds. */
  readonly changeAtMs: number;
  readonly sizeHintBytes: number | null;
  readonly priority: Priority;
  readonly createdAtMs: number;
}

/** `Checkpoint` is the form in which a driver keeps upload checkpoints. */
export interface TransferRow<Checkpoint> {
  readonly id: string;
  readonly ruleName: string;
  readonly source: ObjectLocation;
  readonly target: ObjectLocation;
  readonly status: TransferStatus;
  readonly attemptCount: number;
  /** An effect of an earlier attempt may still land. */
  readonly isOwed: boolean;
  /** The running attempt was claimed from `settling`. */
  readonly isSettling: boolean;
  readonly leaseToken: number;
  /** Steady milliseconds: when a waiting row is due, when a copying row's lease ends; null at rest. */
  readonly wakeAtMs: number | null;
  /** The oldest change that no finished attempt covers, those in the follow-up included. */
  readonly changeAtMs: number;
  readonly sizeHintBytes: number | null;
  readonly priority: Priority;
  /** Not null means dirty. */
  readonly followUp: FollowUp | null;
  /** What an attempt learnt; null where none did, or where a change told another size since. */
  readonly sizeBytes: number | null;
  readonly bytesDone: number;
  readonly checkpoint: Checkpoint | null;
  readonly outcome: Outcome | null;
  readonly fault: FaultRecord | null;
  readonly receipt: Receipt | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly finishedAtMs: number | null;
}

/** What a row must know of a change or a redrive. */
export interface Arrival {
  readonly changeAtMs: number;
  readonly sizeHintBytes: number | null;
  readonly priority: Priority;
  /** Where the rule maps the object now; null for a redrive, which knows no rule. */
  readonly target: ObjectLocation | null;
}

/** A change as it counts for a row: by its own time, else by its acceptance. No change comes from the future. */
export function arrivalOf(
  { change, target }: Pick<AcceptItem, 'change' | 'target'>,
  now: QueueTime,
): Arrival {
  const changeAtMs = Math.min(change.occurredAtMs ?? now.wallMs, now.wallMs);
  const isBackground = change.transport === 'backfill' || change.transport === 'reconcile';
  return {
    changeAtMs,
    sizeHintBytes: change.sizeBytes,
    priority: isBackground ? 'background' : 'live',
    target,
  };
}

/** A redrive of one transfer, as a change of now: somebody waits for it. */
export function redriveArrival(sizeHintBytes: number | null, now: QueueTime): Arrival {
  return { changeAtMs: now.wallMs, sizeHintBytes, priority: 'live', target: null };
}

/** The lane a row waits in; up to `smallMaxBytes` is small. */
export function laneOf(
  { status, sizeBytes, sizeHintBytes }: Pick<TransferRow<unknown>, 'status' | 'sizeBytes' | 'sizeHintBytes'>,
  smallMaxBytes: number,
): Lane {
  if (status === 'settling') return 'small';
  return (sizeBytes ?? sizeHintBytes ?? 0) > smallMaxBytes ? 'large' : 'small';
}

/** Live where either is: work that stands for both. */
export function joinPriority(a: Priority, b: Priority): Priority {
  return a === 'live' || b === 'live' ? 'live' : 'background';
}

/** The row of a new dirty period of a key that has no live row. */
export function newRow(
  item: Omit<AcceptItem, 'change'>,
  arrival: Arrival,
  id: string,
  now: QueueTime,
): TransferRow<never> {
  return {
    id,
    ruleName: item.ruleName,
    source: item.source,
    target: item.target,
    status: nextStatus('done', 'change_arrived'),
    attemptCount: 0,
    isOwed: false,
    isSettling: false,
    leaseToken: 0,
    wakeAtMs: dueAfter(now, 0),
    changeAtMs: arrival.changeAtMs,
    sizeHintBytes: arrival.sizeHintBytes,
    priority: arrival.priority,
    followUp: null,
    sizeBytes: null,
    bytesDone: 0,
    checkpoint: null,
    outcome: null,
    fault: null,
    receipt: null,
    createdAtMs: now.wallMs,
    updatedAtMs: now.wallMs,
    finishedAtMs: null,
  };
}

/** A live row that a change reached. The same object where nothing had to be noted. */
export function afterChange<Checkpoint>(
  row: TransferRow<Checkpoint>,
  arrival: Arrival,
  newId: () => string,
  now: QueueTime,
): TransferRow<Checkpoint> {
  const status = nextStatus(row.status, 'change_arrived');
  if (row.status === 'copying') return withFollowUp(row, arrival, newId, now);
  const changeAtMs = Math.min(row.changeAtMs, arrival.changeAtMs);
  const sizes = sizesAfter(row, arrival.sizeHintBytes);
  const priority = joinPriority(row.priority, arrival.priority);
  const target = arrival.target ?? row.target;
  if (row.status === 'queued') {
    // Its due time stays: a change must not cut the backoff of a throttled store short. Its attempts begin anew: they
    // were spent on what the object was before.
    const isKnown =
      changeAtMs === row.changeAtMs &&
      sizes.sizeHintBytes === row.sizeHintBytes &&
      priority === row.priority &&
      isSameLocation(target, row.target);
    if (isKnown && row.attemptCount === 0) return row;
    return { ...row, ...sizes, target, changeAtMs, priority, attemptCount: 0, updatedAtMs: now.wallMs };
  }
  return {
    ...dueAtOnce(row, now),
    ...sizes,
    status,
    target,
    changeAtMs,
    priority,
    outcome: null,
    attemptCount: 0,
  };
}

/** A live row that an operator wants to run now, attempts counted from zero. */
export function afterRedrive<Checkpoint>(
  row: TransferRow<Checkpoint>,
  newId: () => string,
  now: QueueTime,
): TransferRow<Checkpoint> {
  if (row.status === 'copying') return withFollowUp(row, redriveArrival(null, now), newId, now);
  return { ...afterClassRedrive(row, now), priority: 'live' };
}

/** A waiting row that is run again as one of many: due at once, attempts from zero, no more urgent than it was. */
export function afterClassRedrive<Checkpoint>(
  row: TransferRow<Checkpoint>,
  now: QueueTime,
): TransferRow<Checkpoint> {
  const status = nextStatus(row.status, 'redriven');
  return { ...dueAtOnce(row, now), status, outcome: null, attemptCount: 0 };
}

/** A row whose stored upload is given up: the next attempt begins with the first byte. */
export function afterForgottenUpload<Checkpoint>(row: TransferRow<Checkpoint>): TransferRow<Checkpoint> {
  return { ...row, checkpoint: null, bytesDone: 0 };
}

/**
 * A due row, handed out: the token grows, and whatever was dirty is covered by this attempt. The time in the token keeps
 * a claim that a failover of the database forgot apart from the one that is made in its place.
 */
export function afterClaim<Checkpoint>(
  row: TransferRow<Checkpoint>,
  leaseMs: number,
  now: QueueTime,
): TransferRow<Checkpoint> {
  return {
    ...row,
    status: nextStatus(row.status, 'claimed'),
    isSettling: row.status === 'settling',
    leaseToken: Math.max(row.leaseToken, now.wallMs) + 1,
    wakeAtMs: dueAfter(now, leaseMs),
    followUp: null,
    updatedAtMs: now.wallMs,
  };
}

/** A row just claimed, as its worker gets it. `expiresAtMonotonicMs` is the end of the lease. */
export function toClaimed(
  row: TransferRow<unknown>,
  found: {
    readonly lane: Lane;
    readonly lastReceipt: Receipt | null;
    readonly checkpoint: UploadCheckpoint | null;
  },
  expiresAtMonotonicMs: number,
): ClaimedTransfer {
  return {
    lease: { transferId: row.id, token: row.leaseToken, expiresAtMonotonicMs },
    ruleName: row.ruleName,
    source: row.source,
    target: row.target,
    lane: found.lane,
    priority: row.priority,
    attemptCount: row.attemptCount,
    isSettling: row.isSettling,
    isOwed: row.isOwed,
    sizeHintBytes: row.sizeHintBytes,
    changeAtMs: row.changeAtMs,
    lastReceipt: found.lastReceipt,
    checkpoint: found.checkpoint,
  };
}

/** The row as it is shown. */
export function toTransfer(row: TransferRow<unknown>, now: QueueTime): Transfer {
  const isWaiting = row.status === 'queued' || row.status === 'settling';
  return {
    id: row.id,
    ruleName: row.ruleName,
    source: row.source,
    target: row.target,
    status: row.status,
    outcome: row.outcome,
    fault: row.fault,
    attemptCount: row.attemptCount,
    sizeBytes: row.sizeBytes ?? row.sizeHintBytes,
    bytesDone: row.bytesDone,
    changeAtMs: row.changeAtMs,
    createdAtMs: row.createdAtMs,
    updatedAtMs: row.updatedAtMs,
    // Due times are kept on the steady clock; people read the wall's.
    nextAttemptAtMs:
      isWaiting && row.wakeAtMs !== null ? Math.round(now.wallMs + row.wakeAtMs - now.steadyMs) : null,
    receipt: row.receipt,
  };
}

/** The follow-up of a running attempt, as it is shown before it begins. Its due time is not known yet. */
export function followUpTransfer(row: TransferRow<unknown>, followUp: FollowUp): Transfer {
  return {
    id: followUp.id,
    ruleName: row.ruleName,
    source: row.source,
    target: row.target,
    status: nextStatus('done', 'change_arrived'),
    outcome: null,
    fault: null,
    attemptCount: 0,
    sizeBytes: followUp.sizeHintBytes,
    bytesDone: 0,
    changeAtMs: followUp.changeAtMs,
    createdAtMs: followUp.createdAtMs,
    updatedAtMs: followUp.createdAtMs,
    nextAttemptAtMs: null,
    receipt: null,
  };
}

/** The id that stands for what arrived last: the follow-up's while an attempt runs. */
export function idToFollow(row: TransferRow<unknown>): string {
  return row.followUp?.id ?? row.id;
}

function isSameLocation(a: ObjectLocation, b: ObjectLocation): boolean {
  return a.bucket === b.bucket && a.key === b.key;
}

function dueAtOnce<Checkpoint>(row: TransferRow<Checkpoint>, now: QueueTime): TransferRow<Checkpoint> {
  return { ...row, wakeAtMs: dueAfter(now, 0), updatedAtMs: now.wallMs };
}

/** A size that a change tells is newer than what an attempt learnt, unless it told the same before that attempt. */
function sizesAfter(
  row: Pick<TransferRow<unknown>, 'sizeBytes' | 'sizeHintBytes'>,
  toldBytes: number | null,
): Pick<TransferRow<never>, 'sizeBytes' | 'sizeHintBytes'> {
  const { sizeBytes, sizeHintBytes } = row;
  if (toldBytes === null || toldBytes === sizeHintBytes) return { sizeBytes, sizeHintBytes };
  return { sizeBytes: null, sizeHintBytes: toldBytes };
}

/** The same object where the follow-up stands for the change already: a key that changes all the time costs no write. */
function withFollowUp<Checkpoint>(
  row: TransferRow<Checkpoint>,
  arrival: Arrival,
  newId: () => string,
  now: QueueTime,
): TransferRow<Checkpoint> {
  // A change may be told out of order: the running row then carries its time as well, or the oldest pending
  // change would look younger than it is.
  const changeAtMs = Math.min(row.changeAtMs, arrival.changeAtMs);
  const known = row.followUp;
  if (known === null) {
    const { sizeHintBytes, priority } = arrival;
    const followUp: FollowUp = {
      id: newId(),
      changeAtMs: arrival.changeAtMs,
      sizeHintBytes,
      priority,
      createdAtMs: now.wallMs,
    };
    return { ...row, followUp, changeAtMs };
  }
  const followUp: FollowUp = {
    ...known,
    changeAtMs: Math.min(known.changeAtMs, arrival.changeAtMs),
    sizeHintBytes: arrival.sizeHintBytes ?? known.sizeHintBytes,
    priority: joinPriority(known.priority, arrival.priority),
  };
  const isKnown =
    followUp.changeAtMs === known.changeAtMs &&
    followUp.sizeHintBytes === known.sizeHintBytes &&
    followUp.priority === known.priority &&
    changeAtMs === row.changeAtMs;
  return isKnown ? row : { ...row, followUp, changeAtMs };
}
