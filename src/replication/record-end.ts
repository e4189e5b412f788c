// Writes down how an attempt ended: finished, tried again later, parked, or given back at shutdown. Every decision
// about retrying is made here and nowhere else.
import { backoffMs, type BackoffPolicy } from '../core/backoff.ts';
import type { Clock, Random } from '../core/clock.ts';
import { Fault, recordOfFault, toFault } from '../core/faults.ts';
import type { Happenings, TransferRef } from '../core/happenings.ts';
import type { Lease, TransferQueue } from '../core/transfer-queue.ts';
import { type Attempt, type AttemptEnd, LaneFull, LeaseLost } from './attempt.ts';
import { saveProgress } from './lease-keeper.ts';
import { NameResting } from './name-spacing.ts';
import { LONGEST_PROBE_MS } from './store-breaker.ts';
import type { StoresHealth } from './store-health.ts';
import { WaitStreaks } from './wait-streaks.ts';

/** What waits for a store that is down is not claimed before it is up again; then everything goes on at once. */
const STORE_DOWN_MS = 1_000;

/** The reason of an abort at shutdown: nobody failed. */
export const SHUTDOWN = new Error('The worker is shutting down');

export interface EndRecorderOptions {
  readonly queue: TransferQueue;
  readonly clock: Clock;
  readonly random: Random;
  readonly happenings: Happenings;
  /** Counted failures after which a transfer is parked. */
  readonly maxAttempts: number;
  readonly backoff: BackoffPolicy;
  readonly health: StoresHealth;
}

/** The one place that acts on dispositions. */
export class EndRecorder {
  readonly #options: EndRecorderOptions;
  /** How often each object was given back in a row because its store could not be used. */
  readonly #waits = new WaitStreaks();

  constructor(options: EndRecorderOptions) {
    this.#options = options;
  }

  /** An attempt that ran to its end. */
  async finish(ref: TransferRef, attempt: Attempt, end: AttemptEnd, durationMs: number): Promise<void> {
    const { queue, happenings } = this.#options;
    this.#waits.end(ref);
    const answer = await queue.finish(attempt.lease, { ...end, owed: attempt.owed, target: attempt.target });
    if (answer.kind === 'lease_lost') {
      happenings.leaseLost(ref);
      return;
    }
    const { bytesMoved, note } = attempt;
    // A last look that only confirms leaves the row with the outcome that it confirms: that is what is told.
    const kept = attempt.claimed.isSettling ? ((await queue.get(ref.transferId))?.outcome ?? null) : null;
    const outcome = kept ?? end.outcome;
    const isConfirmed = outcome !== end.outcome;
    const { status } = answer;
    happenings.transferFinished({
      ...ref,
      ...end,
      outcome,
      isConfirmed,
      status,
      bytesMoved,
      durationMs,
      note,
    });
  }

  /** An attempt that threw: the error is a fault, a bug, or the reason it was aborted for. */
  async endBadly(ref: TransferRef, attempt: Attempt, error: unknown): Promise<void> {
    const { queue, clock, happenings, health } = this.#options;
    if (error instanceof LeaseLost) {
      happenings.leaseLost(ref);
      return;
    }
    await saveProgress(queue, attempt);
    if (error === SHUTDOWN || error instanceof LaneFull) {
      const wasOurs = await queue.release(attempt.lease, { owed: attempt.owed });
      if (wasOurs)
        happenings.transferReleased({ ...ref, reason: error === SHUTDOWN ? 'shutdown' : 'lane_full' });
      else happenings.leaseLost(ref);
      return;
    }
    if (error instanceof NameResting) {
      const end = { owed: attempt.owed, delayMs: error.restMs };
      if (await queue.release(attempt.lease, end))
        happenings.transferSpaced({ ...ref, retryInMs: error.restMs });
      else happenings.leaseLost(ref);
      return;
    }
    const fault = faultOf(error);
    const failedAttempts = attempt.claimed.attemptCount + 1;
    const isWaiting =
      fault.disposition === 'wait_for_store' || (health.ownerOf(fault)?.isWaitedOut(fault) ?? false);
    const isCounted = !isWaiting && fault.disposition !== 'park';
    if (fault.disposition === 'park' || (isCounted && failedAttempts >= this.#options.maxAttempts)) {
      await this.park(ref, attempt.lease, failedAttempts, fault, attempt.owed);
      return;
    }
    const isStoreDown = fault.disposition === 'wait_for_store' && health.isDown;
    const delayMs = this.#delayMs(ref, fault, failedAttempts, { isWaiting, isStoreDown });
    const isOurs = await queue.retry(attempt.lease, {
      fault: recordOfFault(fault, clock.nowMs()),
      delayMs,
      countsAsAttempt: isCounted,
      owed: attempt.owed,
    });
    if (isOurs)
      happenings.transferRetrying({
        ...ref,
        fault,
        attemptCount: failedAttempts,
        retryInMs: delayMs,
        isStoreDown,
      });
    else happenings.leaseLost(ref);
  }

  #delayMs(
    ref: TransferRef,
    fault: Fault,
    failedAttempts: number,
    { isWaiting, isStoreDown }: { readonly isWaiting: boolean; readonly isStoreDown: boolean },
  ): number {
    const { backoff, random, health } = this.#options;
    if (isStoreDown) return Math.floor(Math.min(backoff.capMs, STORE_DOWN_MS) * random.next());
    const capMs = isWaiting ? Math.min(backoff.capMs, LONGEST_PROBE_MS) : backoff.capMs;
    const failures = isWaiting ? this.#waits.next(ref) : failedAttempts;
    const ownMs =
      fault.disposition === 'retry_now'
        ? 0
        : backoffMs({ baseMs: backoff.baseMs, capMs }, failures, random.next(), fault.retryAfterMs);
    const turnMs = health.ownerOf(fault)?.budget.take() ?? 0;
    return Math.max(ownMs, Math.min(turnMs, capMs));
  }

  /** Parks a row for a person; where a change arrived meanwhile, it is tried again instead. */
  async park(
    ref: TransferRef,
    lease: Lease,
    attemptCount: number,
    fault: Fault,
    owed: boolean,
  ): Promise<void> {
    const { queue, clock, happenings, backoff, random } = this.#options;
    const delayMs = backoffMs(backoff, attemptCount, random.next(), fault.retryAfterMs);
    const answer = await queue.park(lease, {
      fault: recordOfFault(fault, clock.nowMs()),
      owed,
      delayMsIfDirty: delayMs,
    });
    if (answer === 'parked') happenings.transferParked({ ...ref, fault, attemptCount });
    else if (answer === 'queued')
      happenings.transferRetrying({ ...ref, fault, attemptCount, retryInMs: delayMs, isStoreDown: false });
    else happenings.leaseLost(ref);
  }
}

/** What an attempt threw, as a fault. */
export function faultOf(error: unknown): Fault {
  return isBug(error) ? asBug(error) : toFault(error);
}

/** Errors that only a mistake of ours throws; a driver turns everything else into a Fault. */
export function isBug(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof ReferenceError ||
    error instanceof RangeError ||
    (error instanceof Error && error.name === 'AssertionError')
  );
}

function asBug(error: unknown): Fault {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new Fault('bug', message, { cause: error });
}
