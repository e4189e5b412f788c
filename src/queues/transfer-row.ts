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
import type { AcceptItem, ClaimedTransfer, UploadCheckpoint } from '../core/transfer-queue.ts';
import { dueAfter, type QueueTime } from './steady-clock.ts';

/** The dirty period that begins when the running attempt ends: what arrived since its claim. */
export interface FollowUp {
  readonly id: string;
  /** Time of the oldest change since the claim, in Unix milliseconds. */
  readonly changeAtMs: number;
  readonly sizeHintBytes: number | null;
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
  /** Not null means dirty. */
  readonly followUp: FollowUp | null;
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
  /** Where the rule maps the object now; null for a redrive, which knows no rule. */
  readonly target: ObjectLocation | null;
}

/** A change as it counts for a row: by its own time, else by its acceptance. No change comes from the future. */
export function arrivalOf(
  { change, target }: Pick<AcceptItem, 'change' | 'target'>,
  now: QueueTime,
): Arrival {
  const changeAtMs = Math.min(change.occurredAtMs ?? now.wallMs, now.wallMs);
  return { changeAtMs, sizeHintBytes: change.sizeBytes, target };
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
  const sizeHintBytes = arrival.sizeHintBytes ?? row.sizeHintBytes;
  const target = arrival.target ?? row.target;
  if (row.status === 'queued') {
    // Its due time stays: a change must not cut the backoff of a throttled store short. Its attempts begin anew: they
    // were spent on what the object was before.
    const isKnown = changeAtMs === row.changeAtMs && sizeHintBytes === row.sizeHintBytes;
    if (isKnown && row.attemptCount === 0 && isSameLocation(target, row.target)) return row;
    return { ...row, target, changeAtMs, sizeHintBytes, attemptCount: 0, updatedAtMs: now.wallMs };
  }
  return {
    ...dueAtOnce(row, now),
    status,
    target,
    changeAtMs,
    sizeHintBytes,
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
  const status = nextStatus(row.status, 'redriven');
  if (row.status === 'copying') {
    return withFollowUp(row, { changeAtMs: now.wallMs, sizeHintBytes: null, target: null }, newId, now);
  }
  return { ...dueAtOnce(row, now), status, outcome: null, attemptCount: 0 };
}

/** A due row, handed out: the token grows, and whatever was dirty is covered by this attempt. */
export function afterClaim<Checkpoint>(
  row: TransferRow<Checkpoint>,
  leaseMs: number,
  now: QueueTime,
): TransferRow<Checkpoint> {
  return {
    ...row,
    status: nextStatus(row.status, 'claimed'),
    isSettling: row.status === 'settling',
    leaseToken: row.leaseToken + 1,
    wakeAtMs: dueAfter(now, leaseMs),
    followUp: null,
    updatedAtMs: now.wallMs,
  };
}

/** A row just claimed, as its worker gets it. `expiresAtMonotonicMs` is the end of the lease. */
export function toClaimed(
  row: TransferRow<unknown>,
  found: { readonly lastReceipt: Receipt | null; readonly checkpoint: UploadCheckpoint | null },
  expiresAtMonotonicMs: number,
): ClaimedTransfer {
  return {
    lease: { transferId: row.id, token: row.leaseToken, expiresAtMonotonicMs },
    ruleName: row.ruleName,
    source: row.source,
    target: row.target,
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

function withFollowUp<Checkpoint>(
  row: TransferRow<Checkpoint>,
  arrival: Arrival,
  newId: () => string,
  now: QueueTime,
): TransferRow<Checkpoint> {
  const known = row.followUp;
  const followUp: FollowUp = {
    id: known?.id ?? newId(),
    changeAtMs: Math.min(known?.changeAtMs ?? arrival.changeAtMs, arrival.changeAtMs),
    sizeHintBytes: arrival.sizeHintBytes ?? known?.sizeHintBytes ?? null,
    createdAtMs: known?.createdAtMs ?? now.wallMs,
  };
  // A change may be told out of order: the running row then carries its time as well, or the oldest pending
  // change would look younger than it is.
  return { ...row, followUp, changeAtMs: Math.min(row.changeAtMs, arrival.changeAtMs) };
}
