// Claims due transfers, runs their attempts side by side, keeps their leases alive, and writes down how each ended.
// Every decision about retrying is made here and nowhere else.
import type { Clock, Random } from '../core/clock.ts';
import { backoffMs, type BackoffPolicy } from '../core/backoff.ts';
import { Fault, recordOfFault, toFault } from '../core/faults.ts';
import type { Happenings, TransferRef } from '../core/happenings.ts';
import { mapTarget, type Rule, ruleMatches } from '../core/rule.ts';
import type { ClaimedTransfer, Lease, TransferQueue } from '../core/transfer-queue.ts';
import { Attempt, type AttemptEnd, LeaseLost } from './attempt.ts';
import { converge } from './converge.ts';
import type { Stores } from './copy-object.ts';

/** How often progress is written and leases are looked after. */
const HEARTBEAT_MS = 500;
/** A store that is down is asked again at most this rarely, so that its return is noticed soon. */
const STORE_DOWN_CAP_MS = 15_000;
/** Without work and without anything due, the queue is asked again after this. */
const IDLE_MS = 60_000;

export interface WorkerOptions {
  readonly queue: TransferQueue;
  readonly rules: readonly Rule[];
  readonly stores: Stores;
  readonly clock: Clock;
  readonly random: Random;
  readonly happenings: Happenings;
  readonly maxConcurrency: number;
  /** Counted failures after which a transfer is parked. */
  readonly maxAttempts: number;
  readonly backoff: BackoffPolicy;
  readonly leaseMs: number;
}

interface Running {
  readonly attempt: Attempt;
  readonly abort: AbortController;
  isBeating: boolean;
}

const SHUTDOWN = new Error('The worker is shutting down');

export class Worker {
  readonly #options: WorkerOptions;
  /** One entry for each attempt. A row whose lease ran out may have two: the old one is told to give up. */
  readonly #running = new Set<Running>();
  /** Everything begun and not yet written down, parked rows without an attempt included. */
  readonly #unfinished = new Set<Promise<void>>();
  readonly #stopClaiming = new AbortController();
  #wake: () => void = () => {};
  #claiming: Promise<void> = Promise.resolve();
  #beating: Promise<void> = Promise.resolve();
  #endWork: () => void = () => {};
  #storeDownStreak = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Begins claiming. Call once. */
  start(): void {
    this.#endWork = this.#options.queue.onWork(() => this.#wake());
    this.#claiming = this.#claimLoop();
    this.#beating = this.#heartbeatLoop();
  }

  /**
   * Stops claiming, waits up to `graceMs` for running attempts, then aborts them and gives their rows back. Resolves
   * when nothing runs any more.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopClaiming.abort(SHUTDOWN);
    this.#wake();
    // A claim that was under way gives its rows back before the count of what runs is final.
    await this.#claiming;
    const graceOver = new AbortController();
    const deadline = this.#options.clock.sleep(graceMs, graceOver.signal).catch(() => {});
    await Promise.race([this.#allEnded(), deadline]);
    graceOver.abort(SHUTDOWN);
    for (const running of this.#running) running.abort.abort(SHUTDOWN);
    await this.#allEnded();
    await this.#beating;
    this.#endWork();
  }

  async #allEnded(): Promise<void> {
    await Promise.all(this.#unfinished);
  }

  async #claimLoop(): Promise<void> {
    const { signal } = this.#stopClaiming;
    while (!signal.aborted) {
      const wake = new Promise<void>((resolve) => (this.#wake = resolve));
      const waitMs = await this.#claimOnce(signal);
      if (waitMs > 0 && !signal.aborted) await this.#sleepUntil(wake, waitMs, this.#options.clock, signal);
    }
  }

  /** Claims what there is room for; returns how long nothing has to be done unless somebody wakes. */
  async #claimOnce(signal: AbortSignal): Promise<number> {
    const { queue, happenings, maxConcurrency } = this.#options;
    try {
      // An attempt's end wakes.
      const free = maxConcurrency - this.#running.size;
      if (free <= 0) return IDLE_MS;
      const claimed = await queue.claim(free);
      if (signal.aborted) {
        for (const { lease } of claimed) await queue.release(lease, { owed: false });
        return 0;
      }
      for (const transfer of claimed) this.#begin(transfer);
      if (claimed.length > 0) return 0;
      return Math.min((await queue.untilNextDueMs()) ?? IDLE_MS, IDLE_MS);
    } catch (error) {
      happenings.workerTroubled({ doing: 'claiming transfers', error });
      return STORE_DOWN_CAP_MS;
    }
  }

  async #sleepUntil(wake: Promise<void>, ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const either = AbortSignal.any([signal, woken.signal]);
    const timer = clock.sleep(ms, either).catch(() => {});
    await Promise.race([wake, timer]);
    woken.abort();
    await timer;
  }

  #begin(claimed: ClaimedTransfer): void {
    const { rules, clock, happenings } = this.#options;
    const rule = rules.find((candidate) => candidate.name === claimed.ruleName) ?? null;
    const target = rule === null ? claimed.target : mapTarget(rule, claimed.source);
    const { transferId } = claimed.lease;
    const ref: TransferRef = { transferId, ruleName: claimed.ruleName, source: claimed.source, target };
    if (rule === null) {
      const fault = ruleMissing(claimed.ruleName);
      this.#track(
        this.#record(ref, () => this.#park(ref, claimed.lease, claimed.attemptCount + 1, fault, false)),
      );
      return;
    }
    for (const older of this.#running) {
      // The row was taken over while its attempt still ran: the process stood still longer than a lease.
      if (older.attempt.lease.transferId === transferId)
        older.abort.abort(new LeaseLost('The lease ran out'));
    }
    const abort = new AbortController();
    const attempt = new Attempt({
      claimed,
      rule,
      target,
      signal: abort.signal,
      clock,
      onResumed: (fromByte, sizeBytes, reason) =>
        happenings.uploadResumed({ ...ref, fromByte, sizeBytes, reason }),
    });
    const running: Running = { attempt, abort, isBeating: false };
    this.#running.add(running);
    const { attemptCount, isSettling, isOwed } = claimed;
    happenings.transferStarted({ ...ref, attempt: attemptCount + 1, isSettling, isOwed });
    this.#track(
      this.#run(ref, attempt).finally(() => {
        this.#running.delete(running);
        this.#wake();
      }),
    );
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#unfinished.delete(tracked));
    this.#unfinished.add(tracked);
  }

  async #run(ref: TransferRef, attempt: Attempt): Promise<void> {
    const { clock, stores } = this.#options;
    const startedMs = clock.monotonicMs();
    try {
      const end = ruleMatches(attempt.rule, attempt.claimed.source)
        ? await converge(stores, attempt)
        : excluded(attempt);
      this.#storeDownStreak = 0;
      await this.#record(ref, () => this.#finish(ref, attempt, end, clock.monotonicMs() - startedMs));
    } catch (error) {
      // An aborted attempt ends for the reason it was aborted for, whatever a driver made of it.
      const reason: unknown = attempt.signal.aborted ? attempt.signal.reason : error;
      await this.#record(ref, () => this.#endBadly(ref, attempt, reason));
    }
  }

  /** The queue's own failure loses nothing: the lease runs out and the row is taken up again. */
  async #record(ref: TransferRef, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      this.#options.happenings.workerTroubled({
        doing: `writing down the end of transfer ${ref.transferId}`,
        error,
      });
    }
  }

  async #finish(ref: TransferRef, attempt: Attempt, end: AttemptEnd, durationMs: number): Promise<void> {
    const { queue, happenings } = this.#options;
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

  async #endBadly(ref: TransferRef, attempt: Attempt, error: unknown): Promise<void> {
    const { queue, clock, happenings } = this.#options;
    if (error instanceof LeaseLost) {
      happenings.leaseLost(ref);
      return;
    }
    await this.#saveProgress(attempt);
    if (error === SHUTDOWN) {
      const wasOurs = await queue.release(attempt.lease, { owed: attempt.owed });
      if (wasOurs) happenings.transferReleased(ref);
      else happenings.leaseLost(ref);
      return;
    }
    const fault = isBug(error) ? asBug(error) : toFault(error);
    const failedAttempts = attempt.claimed.attemptCount + 1;
    const isCounted = fault.disposition === 'retry' || fault.disposition === 'retry_now';
    if (fault.disposition === 'park' || (isCounted && failedAttempts >= this.#options.maxAttempts)) {
      await this.#park(ref, attempt.lease, failedAttempts, fault, attempt.owed);
      return;
    }
    const delayMs = this.#delayMs(fault, failedAttempts);
    const isOurs = await queue.retry(attempt.lease, {
      fault: recordOfFault(fault, clock.nowMs()),
      delayMs,
      countsAsAttempt: isCounted,
      owed: attempt.owed,
    });
    if (isOurs)
      happenings.transferRetrying({ ...ref, fault, attemptCount: failedAttempts, retryInMs: delayMs });
    else happenings.leaseLost(ref);
  }

  #delayMs(fault: Fault, failedAttempts: number): number {
    const { backoff, random } = this.#options;
    if (fault.disposition === 'retry_now') return 0;
    if (fault.disposition !== 'wait_for_store') {
      return backoffMs(backoff, failedAttempts, random.next(), fault.retryAfterMs);
    }
    this.#storeDownStreak += 1;
    const capMs = Math.min(backoff.capMs, STORE_DOWN_CAP_MS);
    return backoffMs(
      { baseMs: backoff.baseMs, capMs },
      this.#storeDownStreak,
      random.next(),
      fault.retryAfterMs,
    );
  }

  async #park(
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
      happenings.transferRetrying({ ...ref, fault, attemptCount, retryInMs: delayMs });
    else happenings.leaseLost(ref);
  }

  async #heartbeatLoop(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopClaiming;
    // Leases of attempts that finish during the shutdown grace are kept alive too.
    while (!signal.aborted || this.#running.size > 0) {
      if (this.#running.size === 0) {
        // The next look is one beat later at most; leases are longer than that.
        await clock.sleep(HEARTBEAT_MS, signal).catch(() => {});
        continue;
      }
      await clock.sleep(HEARTBEAT_MS, NEVER).catch(() => {});
      for (const running of this.#running) void this.#beat(running);
    }
  }

  async #beat(running: Running): Promise<void> {
    if (running.isBeating) return;
    running.isBeating = true;
    try {
      await this.#saveProgress(running.attempt);
      await this.#renewIfOld(running);
    } catch (error) {
      this.#options.happenings.workerTroubled({ doing: 'renewing a lease', error });
    } finally {
      running.isBeating = false;
    }
  }

  async #renewIfOld({ attempt, abort }: Running): Promise<void> {
    const { queue, clock, leaseMs } = this.#options;
    const leftMs = attempt.lease.expiresAtMonotonicMs - clock.monotonicMs();
    if (leftMs > (leaseMs * 2) / 3) return;
    const renewed = await queue.renew(attempt.lease);
    if (renewed === null) abort.abort(new LeaseLost('The lease was lost: another attempt owns the transfer'));
    else attempt.lease = renewed;
  }

  async #saveProgress(attempt: Attempt): Promise<void> {
    const progress = attempt.unsavedProgress;
    if (progress === null) return;
    attempt.unsavedProgress = null;
    try {
      await this.#options.queue.progress(attempt.lease, progress);
    } catch (error) {
      // A checkpoint that is to be forgotten must not survive because one write failed.
      attempt.unsavedProgress ??= progress;
      throw error;
    }
  }
}

const NEVER = new AbortController().signal;

function excluded(attempt: Attempt): AttemptEnd {
  attempt.note = 'The rule no longer covers this object.';
  return { outcome: 'skipped', receipt: null };
}

function ruleMissing(ruleName: string): Fault {
  return new Fault('rule_missing', `No rule named "${ruleName}" is configured`, { details: { ruleName } });
}

/** Errors that only a mistake of ours throws; a driver turns everything else into a Fault. */
function isBug(error: unknown): boolean {
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
