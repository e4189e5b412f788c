// Runs the attempts of claimed transfers side by side, and sees each to its end. When to claim: claim-loop.ts; leases:
// lease-keeper.ts; what becomes of an attempt that ended: record-end.ts.
import { Fault } from '../core/faults.ts';
import type { TransferRef } from '../core/happenings.ts';
import { mapTarget, type Rule, ruleMatches } from '../core/rule.ts';
import type { StoreState } from '../core/store-state.ts';
import type { ClaimedTransfer, ClaimRoom } from '../core/transfer-queue.ts';
import { Attempt, LeaseLost } from './attempt.ts';
import { ClaimLoop } from './claim-loop.ts';
import { converge } from './converge.ts';
import type { Stores } from './copy-object.ts';
import { mostLarge } from './in-flight-limit.ts';
import { keepLeases, type Running } from './lease-keeper.ts';
import { cancelUnused } from './cancel-upload.ts';
import { EndRecorder, type EndRecorderOptions, SHUTDOWN } from './record-end.ts';
import { StoresHealth } from './store-health.ts';
import { watchSource, watchTarget } from './watched-stores.ts';

export interface WorkerOptions extends Omit<EndRecorderOptions, 'health'> {
  readonly rules: readonly Rule[];
  readonly stores: Stores;
  /** Attempts side by side at most; fewer while a store asks for fewer requests, or while more would bring nothing. */
  readonly maxConcurrency: number;
  /** As for `InFlightLimit`. */
  readonly busyShare?: () => number;
  readonly leaseMs: number;
}

export class Worker {
  readonly #options: WorkerOptions;
  /** One entry for each attempt. A row whose lease ran out may have two: the old one is told to give up. */
  readonly #running = new Set<Running>();
  /** Everything begun and not yet written down, parked rows without an attempt included. */
  readonly #unfinished = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #claims: ClaimLoop;
  readonly #ends: EndRecorder;
  readonly #health: StoresHealth;
  /** The stores, each call of which is noted in the health. */
  readonly #stores: Stores;
  /** The last probe of a store that is down was a large object. */
  #wasProbeLarge = false;
  #beating: Promise<void> = Promise.resolve();

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { queue, clock, happenings, stores } = options;
    const health = new StoresHealth({
      ...options,
      isHeldBack: () => stores.byteBudget.isWaitedFor,
      onUp: () => this.#claims.wake(),
      countWaiting: () =>
        queue.counts().then(
          ({ byStatus }) => byStatus.queued,
          () => null,
        ),
    });
    this.#health = health;
    this.#stores = {
      ...stores,
      source: watchSource(stores.source, health.source),
      target: watchTarget(stores.target, health.target),
    };
    this.#ends = new EndRecorder({ ...options, health });
    this.#claims = new ClaimLoop({
      queue,
      clock,
      happenings,
      room: () => this.#room(),
      // Probes come one at a time. Large objects have the first turn: one that always fails would have every turn, and
      // what could show that the store is there again would wait behind it for ever.
      isSmallTurn: () => health.isDown && this.#wasProbeLarge,
      untilRoomMs: () => (health.msUntilRoom() > 0 ? health.msUntilRoom() : null),
      begin: (claimed) => this.#begin(claimed),
    });
  }

  /** Begins claiming. Call once. */
  start(): void {
    this.#claims.start();
    this.#beating = keepLeases({ ...this.#options, running: this.#running }, this.#stopping.signal);
  }

  /**
   * Stops claiming, waits up to `graceMs` for running attempts, then aborts them and gives their rows back. Resolves
   * when nothing runs any more.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort(SHUTDOWN);
    // A claim that was under way gives its rows back before the count of what runs is final.
    await this.#claims.stop();
    const graceOver = new AbortController();
    const deadline = this.#options.clock.sleep(graceMs, graceOver.signal).catch(() => {});
    await Promise.race([this.#allEnded(), deadline]);
    graceOver.abort(SHUTDOWN);
    for (const running of this.#running) running.abort.abort(SHUTDOWN);
    await this.#allEnded();
    await this.#beating;
  }

  /** What the answers to its requests tell about the two stores. */
  storeStates(): readonly StoreState[] {
    return this.#health.states();
  }

  async #allEnded(): Promise<void> {
    await Promise.all(this.#unfinished);
  }

  /** As many as both stores take. Beside large objects one small one may always run: those can take hours. */
  #room(): ClaimRoom {
    const runningCount = this.#running.size;
    const total = this.#health.room(runningCount);
    if (total > 0 || this.#health.isDown || this.#health.msUntilRoom() > 0)
      return { total, large: this.#largeSlotsLeft() };
    const isOneLeft = runningCount < this.#options.maxConcurrency;
    const areAllLarge = [...this.#running].every(({ attempt }) => attempt.lane === 'large');
    return { total: isOneLeft && areAllLarge ? 1 : 0, large: 0 };
  }

  /**
   * A quarter of the slots, and at least one, may hold large objects, which get the first slot that is free; small
   * ones may use all others.
   */
  #largeSlotsLeft(): number {
    let taken = 0;
    for (const { attempt } of this.#running) if (attempt.lane === 'large') taken += 1;
    return Math.max(0, mostLarge(this.#options.maxConcurrency) - taken);
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
        this.#record(ref, () => this.#ends.park(ref, claimed.lease, claimed.attemptCount + 1, fault, false)),
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
      hasLargeSlot: () => this.#largeSlotsLeft() > 0,
      onResumed: (fromByte, sizeBytes, reason) =>
        happenings.uploadResumed({ ...ref, fromByte, sizeBytes, reason }),
      onTooSlow: ({ bytesDone, sizeBytes }, pace) =>
        happenings.uploadTooSlow({ ...ref, bytesDone, sizeBytes, ...pace }),
    });
    const running: Running = { attempt, abort, isBeating: false };
    this.#running.add(running);
    const { attemptCount, isSettling, isOwed } = claimed;
    const isProbe = this.#health.isDown;
    if (isProbe) {
      this.#health.probeBegun();
      this.#wasProbeLarge = attempt.lane === 'large';
    }
    happenings.transferStarted({ ...ref, attempt: attemptCount + 1, isSettling, isOwed, isProbe });
    this.#track(this.#runToEnd(ref, running, isProbe));
  }

  async #runToEnd(ref: TransferRef, running: Running, isProbe: boolean): Promise<void> {
    try {
      await this.#run(ref, running.attempt);
    } finally {
      this.#running.delete(running);
      if (isProbe) this.#health.probeEnded();
      this.#claims.wake();
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#unfinished.delete(tracked));
    this.#unfinished.add(tracked);
  }

  async #run(ref: TransferRef, attempt: Attempt): Promise<void> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    try {
      if (!ruleMatches(attempt.rule, attempt.claimed.source)) throw ruleExcludes(attempt);
      const end = await converge(this.#stores, attempt);
      await cancelUnused(this.#stores, attempt);
      await this.#record(ref, () => this.#ends.finish(ref, attempt, end, clock.monotonicMs() - startedMs));
    } catch (error) {
      // An aborted attempt ends for the reason it was aborted for, whatever a driver made of it.
      const reason: unknown = attempt.signal.aborted ? attempt.signal.reason : error;
      await this.#record(ref, () => this.#ends.endBadly(ref, attempt, reason));
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
}

/** A rule that was narrowed by mistake must not make accepted changes look done. */
function ruleExcludes({ rule, claimed }: Attempt): Fault {
  const { bucket, key } = claimed.source;
  return new Fault(
    'rule_missing',
    `The rule "${rule.name}" does not cover s3://${bucket}/${key} any more; it did when the change was accepted`,
    { details: { ruleName: rule.name } },
  );
}

function ruleMissing(ruleName: string): Fault {
  return new Fault('rule_missing', `No rule named "${ruleName}" is configured`, { details: { ruleName } });
}
