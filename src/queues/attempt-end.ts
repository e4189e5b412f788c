// What becomes of a copying row when its attempt ends. Pure, and the same for every driver.
//
// A row that became dirty meanwhile splits: the id of the attempt ends as a done row, and the work goes on, queued,
// under the follow-up's id. Everything that must not be forgotten (owed, fault, checkpoint) goes with the live row.
import type { FaultRecord } from '../core/faults.ts';
import type { ObjectLocation } from '../core/object.ts';
import type { FinishAnswer } from '../core/transfer-queue.ts';
import { nextStatus, type Outcome, type Receipt, type TransferEvent } from '../core/transfer.ts';
import { dueAfter, type QueueTime } from './steady-clock.ts';
import { type FollowUp, joinPriority, type TransferRow } from './transfer-row.ts';

export interface RowsAfterEnd<Checkpoint> {
  /** The row of the attempt's id. */
  readonly ended: TransferRow<Checkpoint>;
  /** The live row that takes over, where a change arrived since the claim; then `ended` is done. */
  readonly followUp: TransferRow<Checkpoint> | null;
}

interface FinishEnd {
  readonly outcome: Outcome;
  readonly receipt: Receipt | null;
  readonly owed: boolean;
  readonly target?: ObjectLocation;
}

interface RetryEnd {
  readonly fault: FaultRecord;
  readonly delayMs: number;
  readonly countsAsAttempt: boolean;
  readonly owed: boolean;
}

interface ParkEnd {
  readonly fault: FaultRecord;
  readonly owed: boolean;
  readonly delayMsIfDirty: number;
}

/** What a finished attempt makes of its row: done, settling while owed, or queued again where it is dirty. */
export function afterFinish<Checkpoint>(
  row: TransferRow<Checkpoint>,
  end: FinishEnd,
  settleGraceMs: number,
  now: QueueTime,
): RowsAfterEnd<Checkpoint> {
  // Only the look after the grace, ending without a new unanswered effect, clears what was owed before.
  const isOwed = row.isSettling ? end.owed : row.isOwed || end.owed;
  const { outcome, receipt, sizeBytes, bytesDone } = resultOf(row, end);
  const result: TransferRow<Checkpoint> = {
    ...row,
    outcome,
    receipt,
    sizeBytes,
    bytesDone,
    target: end.target ?? row.target,
    isSettling: false,
    followUp: null,
    checkpoint: null,
    fault: null,
    updatedAtMs: now.wallMs,
  };
  if (row.followUp !== null) {
    const followUp: TransferRow<Checkpoint> = {
      ...row,
      ...beginningOf(row.followUp),
      target: end.target ?? row.target,
      status: nextStatus(row.status, 'finished_dirty'),
      isOwed,
      isSettling: false,
      attemptCount: 0,
      fault: null,
      checkpoint: null,
      sizeBytes: null,
      bytesDone: 0,
      wakeAtMs: dueAfter(now, 0),
      // While owed, what this attempt did may still be undone: the older change is not covered either.
      changeAtMs: isOwed ? row.changeAtMs : row.followUp.changeAtMs,
      priority: isOwed ? joinPriority(row.priority, row.followUp.priority) : row.followUp.priority,
      updatedAtMs: now.wallMs,
    };
    return { ended: atRest(result, now), followUp };
  }
  if (isOwed) {
    const status = nextStatus(row.status, 'finished_owed');
    const wakeAtMs = dueAfter(now, settleGraceMs);
    return { ended: { ...result, status, isOwed, attemptCount: 0, wakeAtMs }, followUp: null };
  }
  return { ended: atRest(result, now), followUp: null };
}

/** The answer to a finish: what the live row became. */
export function finishAnswer(rows: RowsAfterEnd<unknown>): FinishAnswer {
  const { status } = rows.followUp ?? rows.ended;
  if (status === 'copying' || status === 'parked') throw new Error(`A finished transfer became ${status}`);
  return { kind: 'finished', status };
}

/** A failed attempt: queued again after a delay. The checkpoint stays, so that an upload can go on. */
export function afterRetry<Checkpoint>(
  row: TransferRow<Checkpoint>,
  end: RetryEnd,
  now: QueueTime,
): RowsAfterEnd<Checkpoint> {
  return backToQueue(row, 'retry_scheduled', now, {
    isOwed: row.isOwed || end.owed,
    attemptCount: row.attemptCount + (end.countsAsAttempt ? 1 : 0),
    fault: end.fault,
    wakeAtMs: dueAfter(now, end.delayMs),
  });
}

/** A failure that needs a person: parked; or queued again where it is dirty, since the change may be the cure. */
export function afterPark<Checkpoint>(
  row: TransferRow<Checkpoint>,
  end: ParkEnd,
  now: QueueTime,
): RowsAfterEnd<Checkpoint> {
  const isOwed = row.isOwed || end.owed;
  if (row.followUp !== null) {
    // As a parked row that sees a change: attempts count from zero.
    const wakeAtMs = dueAfter(now, end.delayMsIfDirty);
    return backToQueue(row, 'parked_dirty', now, { isOwed, attemptCount: 0, fault: end.fault, wakeAtMs });
  }
  const ended: TransferRow<Checkpoint> = {
    ...row,
    status: nextStatus(row.status, 'parked'),
    isOwed,
    isSettling: false,
    attemptCount: row.attemptCount + 1,
    fault: end.fault,
    wakeAtMs: null,
    updatedAtMs: now.wallMs,
  };
  return { ended, followUp: null };
}

/** Given back untouched: no attempt counted, due after the delay, at once where none is asked for. */
export function afterRelease<Checkpoint>(
  row: TransferRow<Checkpoint>,
  end: { readonly owed: boolean; readonly delayMs?: number },
  now: QueueTime,
): RowsAfterEnd<Checkpoint> {
  return backToQueue(row, 'released', now, {
    isOwed: row.isOwed || end.owed,
    attemptCount: row.attemptCount,
    fault: row.fault,
    wakeAtMs: dueAfter(now, end.delayMs ?? 0),
  });
}

/** Nobody ended the attempt: what it sent may still land, so the row is owed. */
export function afterLeaseExpiry<Checkpoint>(
  row: TransferRow<Checkpoint>,
  now: QueueTime,
): RowsAfterEnd<Checkpoint> {
  return backToQueue(row, 'lease_expired', now, {
    isOwed: true,
    attemptCount: row.attemptCount,
    fault: row.fault,
    wakeAtMs: dueAfter(now, 0),
  });
}

function backToQueue<Checkpoint>(
  row: TransferRow<Checkpoint>,
  event: TransferEvent,
  now: QueueTime,
  next: Pick<TransferRow<Checkpoint>, 'isOwed' | 'attemptCount' | 'fault' | 'wakeAtMs'>,
): RowsAfterEnd<Checkpoint> {
  const waiting: TransferRow<Checkpoint> = {
    ...row,
    ...next,
    status: nextStatus(row.status, event),
    isSettling: false,
    followUp: null,
    updatedAtMs: now.wallMs,
  };
  if (row.followUp === null) return { ended: waiting, followUp: null };
  const ended = atRest({ ...row, outcome: row.outcome ?? 'superseded', fault: null }, now);
  const priority = joinPriority(row.priority, row.followUp.priority);
  // What the change told is newer than what this attempt learnt.
  const sizeBytes = row.followUp.sizeHintBytes === null ? row.sizeBytes : null;
  return { ended, followUp: { ...waiting, ...beginningOf(row.followUp), priority, sizeBytes } };
}

/** The row of an id whose period is over. */
function atRest<Checkpoint>(row: TransferRow<Checkpoint>, now: QueueTime): TransferRow<Checkpoint> {
  return {
    ...row,
    status: nextStatus('copying', 'finished'),
    isOwed: false,
    isSettling: false,
    wakeAtMs: null,
    followUp: null,
    checkpoint: null,
    updatedAtMs: now.wallMs,
    finishedAtMs: now.wallMs,
  };
}

/** What a live row takes from the follow-up when its period begins. */
function beginningOf(
  followUp: FollowUp,
): Pick<TransferRow<never>, 'id' | 'sizeHintBytes' | 'createdAtMs' | 'followUp' | 'outcome' | 'receipt'> {
  const { id, sizeHintBytes, createdAtMs } = followUp;
  return { id, sizeHintBytes, createdAtMs, followUp: null, outcome: null, receipt: null };
}

function resultOf(
  row: TransferRow<unknown>,
  end: FinishEnd,
): Pick<TransferRow<never>, 'outcome' | 'receipt' | 'sizeBytes' | 'bytesDone'> {
  // The look after the grace usually only confirms. What happened under this id is what the first end said.
  const confirms =
    row.outcome !== null &&
    (end.outcome === 'already_current' || (end.outcome === 'source_gone' && row.outcome === 'deleted'));
  const sameObject = end.receipt === null || end.receipt.generation === row.receipt?.generation;
  const receipt = confirms && sameObject ? row.receipt : end.receipt;
  return {
    outcome: confirms ? row.outcome : end.outcome,
    receipt,
    sizeBytes: receipt?.sizeBytes ?? row.sizeBytes,
    bytesDone: end.outcome === 'replicated' && receipt !== null ? receipt.sizeBytes : row.bytesDone,
  };
}
