// One try at a transfer, as the use cases see it: what was claimed, whether an effect may still be sent, and what
// is owed. The worker owns it and decides from it how the row goes on.
import type { Clock } from '../core/clock.ts';
import { Fault } from '../core/faults.ts';
import type { ObjectLocation } from '../core/object.ts';
import type { EffectAnswer } from '../core/object-target.ts';
import type { Rule } from '../core/rule.ts';
import type { Outcome, Receipt } from '../core/transfer.ts';
import type { ClaimedTransfer, Lane, Lease, UploadCheckpoint } from '../core/transfer-queue.ts';
import type { UploadTooSlow } from './upload-pace.ts';

/** The lease ended, or is too close to its end to send an effect: somebody else owns the row, or will. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** The object turned out to be large, and as many large ones are being copied as may be at once. Nobody failed. */
export class LaneFull extends Error {
  override readonly name = 'LaneFull';
}

/** How an attempt that ran to its end came out; `receipt` is null where no object is left to prove. */
export interface AttemptEnd {
  readonly outcome: Outcome;
  readonly receipt: Receipt | null;
}

export type EffectKind = 'write' | 'metadata' | 'delete';

/** What the heartbeat writes down next. */
export interface ProgressReport {
  readonly bytesDone: number;
  readonly sizeBytes: number;
  readonly checkpoint: UploadCheckpoint | null;
}

/** An effect sent just before the lease ends must still leave this machine within it. */
const LEASE_MARGIN_MS = 2_000;

export class Attempt {
  readonly claimed: ClaimedTransfer;
  readonly rule: Rule;
  /** Mapped by the rule as it is now; the row may still show an older mapping. */
  readonly target: ObjectLocation;
  readonly signal: AbortSignal;
  lease: Lease;
  /** The lane whose slot it takes up. */
  lane: Lane;
  /** An effect was sent and nobody knows whether it happened. */
  owed = false;
  /** The last effect that nobody answered; agreement found later is then its doing. */
  unanswered: { readonly effect: EffectKind; readonly fault: Fault } | null = null;
  /** The last effect that was confirmed before the source showed another state; agreement later is its doing too. */
  landed: EffectKind | null = null;
  /** The stored upload session was used or given up; it is never looked at twice. */
  hasTriedCheckpoint = false;
  bytesMoved = 0;
  /** What `note` of the finishing event says; null where the outcome says it all. */
  note: string | null = null;
  /** Not yet written to the queue. */
  unsavedProgress: ProgressReport | null = null;
  readonly #clock: Clock;
  /** When it has to be over, in Unix milliseconds; null where only the life of an upload bounds it. */
  readonly endsByMs: number | null;
  readonly #hasLargeSlot: () => boolean;
  readonly #onLarge: (sizeBytes: number) => void;
  readonly #onResumed: (fromByte: number, sizeBytes: number, reason: string) => void;
  readonly #onTooSlow: (progress: ProgressReport, pace: UploadTooSlow) => void;

  constructor(options: {
    readonly claimed: ClaimedTransfer;
    readonly rule: Rule;
    readonly target: ObjectLocation;
    readonly signal: AbortSignal;
    readonly clock: Clock;
    /** True while one more large object may be copied. */
    readonly hasLargeSlot: () => boolean;
    /** Told before the first byte of a large object moves; may throw where it is too large for whoever runs this. */
    readonly onLarge?: (sizeBytes: number) => void;
    /** When the attempt has to be over, in Unix milliseconds; left out where nothing but the upload's life bounds it. */
    readonly endsByMs?: number;
    readonly onResumed: (fromByte: number, sizeBytes: number, reason: string) => void;
    readonly onTooSlow: (progress: ProgressReport, pace: UploadTooSlow) => void;
  }) {
    this.claimed = options.claimed;
    this.rule = options.rule;
    this.target = options.target;
    this.signal = options.signal;
    this.lease = options.claimed.lease;
    this.lane = options.claimed.lane;
    this.#clock = options.clock;
    this.endsByMs = options.endsByMs ?? null;
    this.#hasLargeSlot = options.hasLargeSlot;
    this.#onLarge = options.onLarge ?? (() => {});
    this.#onResumed = options.onResumed;
    this.#onTooSlow = options.onTooSlow;
  }

  /** Throws LeaseLost unless an effect may be sent now. */
  assertMaySend(): void {
    this.signal.throwIfAborted();
    if (this.#clock.monotonicMs() >= this.lease.expiresAtMonotonicMs - LEASE_MARGIN_MS) {
      throw new LeaseLost('The lease ends too soon to send an effect');
    }
  }

  /**
   * To be called before the first byte of a large object moves. An attempt that took it for small goes over to the
   * large lane; where that has no slot left, the size is noted and LaneFull thrown: the row then waits for one.
   */
  enterLargeLane(sizeBytes: number): void {
    this.#onLarge(sizeBytes);
    if (this.lane === 'large') return;
    if (!this.#hasLargeSlot()) {
      const checkpoint = this.hasTriedCheckpoint ? null : this.claimed.checkpoint;
      this.report({ bytesDone: checkpoint?.hashedBytes ?? 0, sizeBytes, checkpoint });
      throw new LaneFull(`The object has ${sizeBytes} bytes, and every slot for large objects is taken`);
    }
    this.lane = 'large';
  }

  /**
   * Throws the fault of an unanswered effect: after it one more look is allowed, and nothing is sent on top of it.
   * The next attempt, after its wait, sends again if it still has to.
   */
  assertAnswered(): void {
    if (this.unanswered !== null) throw this.unanswered.fault;
  }

  /**
   * Sends one effect. Until its answer proves something the attempt is owed, so that an abort or a thrown bug in
   * between cannot forget it. A thrown Fault is a definite refusal: nothing happened.
   */
  async sendEffect(effect: EffectKind, send: () => Promise<EffectAnswer>): Promise<EffectAnswer> {
    this.assertAnswered();
    this.assertMaySend();
    const owedBefore = this.owed;
    this.owed = true;
    try {
      const answer = await send();
      if (answer.kind === 'unanswered') this.unanswered = { effect, fault: answer.fault };
      else this.owed = owedBefore;
      return answer;
    } catch (error) {
      if (error instanceof Fault) this.owed = owedBefore;
      throw error;
    }
  }

  /** Notes progress; the worker's heartbeat writes the latest one. */
  report(progress: ProgressReport): void {
    this.unsavedProgress = progress;
  }

  /** Tells that an upload will not be finished in time. */
  tooSlow(progress: ProgressReport, pace: UploadTooSlow): void {
    this.#onTooSlow(progress, pace);
  }

  /** Tells that an upload goes on at `fromByte` instead of starting again. */
  resumed(fromByte: number, sizeBytes: number, reason: string): void {
    this.#onResumed(fromByte, sizeBytes, reason);
  }
}
