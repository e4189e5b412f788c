// All attempts at one object for the messages that ask for it, one attempt after another. A message may join until the
// first look of an attempt; who comes later gets an attempt of its own, because what it tells of may be newer than
// that look (safeguard 23). An end is told only after the last look (22), and after the message that has to follow it
// is in the queue. What an end needs beside that: end-of-run.ts.
import { Fault } from '../../core/faults.ts';
import type { ObjectLocation } from '../../core/object.ts';
import { mapTarget, type Rule } from '../../core/rule.ts';
import type { TransferRef } from '../../core/happenings.ts';
import type { ClaimedTransfer, Lane } from '../../core/transfer-queue.ts';
import { Attempt, type AttemptEnd, LaneFull, LeaseLost } from '../attempt.ts';
import { converge } from '../converge.ts';
import { NameResting } from '../name-spacing.ts';
import { faultOf, SHUTDOWN } from '../record-end.ts';
import type { Slot } from './attempt-slots.ts';
import { type Carried, NOTHING_CARRIED } from './carried.ts';
import { type EndedRun, EndOfRun, type SoonAgain } from './end-of-run.ts';
import {
  carriedOf,
  changeOf,
  endsByOf,
  hadItsTime,
  isOutOfTime,
  leaseEndOf,
  type PartEnd,
  type RunPart,
  wasPutOff,
} from './run-parts.ts';
import type { RunnerParts } from './runner-parts.ts';

/** Messages of one object held at most while an attempt of others at it goes on, which may take hours. */
const MOST_LATER = 20;
/** A large object goes back into the queue for so long where too many others wait for room already. */
const LANE_FULL_MS = 60_000;
const INTERRUPTED: PartEnd = { kind: 'interrupted' };
const SETTLED: PartEnd = { kind: 'settled' };

/** The object is larger than this shell copies, or its copy takes longer than there is time. */
class TooMuchHere extends Error {
  override readonly name = 'TooMuchHere';
}

export class ObjectRun {
  readonly #parts: RunnerParts;
  readonly #rule: Rule;
  readonly #source: ObjectLocation;
  readonly #target: ObjectLocation;
  /** Those whose end the attempts under way decide. */
  #joined: RunPart[] = [];
  /** Those that came after the first look of the attempt under way. */
  #later: RunPart[] = [];
  #isLooking = false;
  #lane: Lane = 'small';
  #carried: Carried = NOTHING_CARRIED;
  #end: EndOfRun;
  /** Aborted when none of the joined messages is held any more. */
  #alive = new AbortController();

  constructor(parts: RunnerParts, rule: Rule, source: ObjectLocation) {
    this.#parts = parts;
    this.#rule = rule;
    this.#source = source;
    this.#target = mapTarget(rule, source);
    this.#end = new EndOfRun(parts);
  }

  /** True where so many wait for the next attempt that one more had better not be held until then. */
  get isCrowded(): boolean {
    return this.#later.length >= MOST_LATER;
  }

  /** True where it shares an attempt, or waits for the one under way. */
  join(part: RunPart): boolean {
    (this.#isLooking ? this.#later : this.#joined).push(part);
    part.message.signal.addEventListener('abort', this.#onMessageOver);
    this.#onMessageOver();
    return this.#joined.length + this.#later.length > 1;
  }

  /**
   * Tells every part its end; to be called once, after the first join. `onIdle` is called when nobody asks for the
   * object any more: from then on nobody may join.
   */
  async run(onIdle: () => void): Promise<void> {
    while (this.#joined.length > 0) {
      this.#carried = carriedOf(this.#joined);
      this.#end = new EndOfRun(this.#parts);
      const sizeBytes = changeOf(this.#joined).sizeBytes ?? 0;
      this.#lane = sizeBytes > this.#parts.stores.chunkBytes ? 'large' : 'small';
      const end = await this.#untilEnd();
      const ended = this.#joined;
      this.#joined = this.#later;
      this.#later = [];
      this.#isLooking = false;
      for (const { message, resolve } of ended) {
        message.signal.removeEventListener('abort', this.#onMessageOver);
        resolve(end);
      }
    }
    onIdle();
  }

  readonly #onMessageOver = (): void => {
    const signals = this.#joined.map(({ message }) => message.signal);
    if (signals.length > 0 && signals.every(({ aborted }) => aborted))
      this.#alive.abort(signals.at(-1)?.reason);
  };

  async #untilEnd(): Promise<PartEnd> {
    for (;;) {
      this.#alive = new AbortController();
      this.#onMessageOver();
      try {
        const end = await this.#attempt();
        if (end !== null) return end;
      } catch (error) {
        return this.#cutShort(error);
      }
      this.#letJoin();
    }
  }

  /** The next attempt begins with looks of its own: whoever came meanwhile shares it. */
  #letJoin(): void {
    this.#isLooking = false;
    this.#joined.push(...this.#later.splice(0));
  }

  /** One attempt, from the wait for its slot on. Null: another one follows at once. Throws what cut it short. */
  async #attempt(): Promise<PartEnd | null> {
    const { stopping, clock, stores } = this.#parts;
    const mayBegin = AbortSignal.any([this.#alive.signal, stopping]);
    const slot = await this.#slot(mayBegin);
    if (slot instanceof Fault) return this.#goOn(await this.#end.badly(this.#ended(), slot, this.#carried));
    const beganMonotonicMs = clock.monotonicMs();
    let attempt: Attempt;
    let result: { readonly end: AttemptEnd } | { readonly error: unknown };
    try {
      mayBegin.throwIfAborted();
      this.#isLooking = true;
      attempt = this.#begin(slot);
      try {
        result = { end: await converge(stores, attempt) };
      } catch (error) {
        // An aborted attempt ends for the reason it was aborted for, whatever a driver made of it.
        result = { error: attempt.signal.aborted ? attempt.signal.reason : error };
      }
    } finally {
      slot.release();
    }
    this.#end.attemptEnded(attempt);
    if ('end' in result)
      return this.#end.well(this.#ended(), attempt, result.end, clock.monotonicMs() - beganMonotonicMs);
    return this.#failed(attempt, result.error, beganMonotonicMs);
  }

  /** A fault: a store is down, and the messages had better wait for it in the queue. */
  async #slot(mayBegin: AbortSignal): Promise<Slot | Fault> {
    const { slots, longestWaitMs } = this.#parts;
    return longestWaitMs === null
      ? slots.acquire(this.#lane, mayBegin)
      : slots.acquireUnlessDown(this.#lane, mayBegin, longestWaitMs);
  }

  #begin(slot: Slot): Attempt {
    const { clock, happenings, handOver, maxCarriedBytes } = this.#parts;
    const ref = this.#ref();
    const abort = new AbortController();
    const { attemptCount } = this.#carried;
    const isOwed = this.#end.hasUnanswered;
    happenings.transferStarted({
      ...ref,
      attempt: attemptCount + 1,
      isSettling: false,
      isOwed,
      isProbe: slot.isProbe,
    });
    return new Attempt({
      claimed: this.#claimed(slot.lane, ref.transferId),
      rule: this.#rule,
      target: this.#target,
      signal: AbortSignal.any([this.#alive.signal, abort.signal]),
      clock,
      hasLargeSlot: () => slot.enterLarge(),
      onLarge: (sizeBytes) => {
        if (maxCarriedBytes !== null && sizeBytes > maxCarriedBytes)
          throw new TooMuchHere(`It has ${sizeBytes} bytes, and at most ${maxCarriedBytes} are copied here`);
      },
      endsByMs: clock.nowMs() + endsByOf(this.#joined) - clock.monotonicMs(),
      onResumed: (fromByte, sizeBytes, reason) =>
        happenings.uploadResumed({ ...ref, fromByte, sizeBytes, reason }),
      onTooSlow: ({ bytesDone, sizeBytes }, pace) => {
        happenings.uploadTooSlow({ ...ref, bytesDone, sizeBytes, ...pace });
        // Where nobody takes it over it goes on: it may still become faster.
        if (handOver !== null) abort.abort(new TooMuchHere('At its pace the copy does not end in time'));
      },
    });
  }

  #claimed(lane: Lane, transferId: string): ClaimedTransfer {
    const joined = this.#joined;
    const { sizeBytes, occurredAtMs } = changeOf(joined);
    return {
      lease: {
        transferId,
        token: 0,
        // As long as one of the messages is held; it moves on as their visibility is extended.
        get expiresAtMonotonicMs() {
          return leaseEndOf(joined);
        },
      },
      ruleName: this.#rule.name,
      source: this.#source,
      target: this.#target,
      lane,
      priority: 'live',
      attemptCount: this.#carried.attemptCount,
      isSettling: false,
      isOwed: this.#end.hasUnanswered,
      sizeHintBytes: sizeBytes,
      changeAtMs: occurredAtMs ?? this.#parts.clock.nowMs(),
      lastReceipt: null,
      checkpoint: null,
    };
  }

  /** Null: another attempt follows at once. */
  async #failed(attempt: Attempt, error: unknown, beganMonotonicMs: number): Promise<PartEnd | null> {
    const { clock, handOver } = this.#parts;
    if (error instanceof LaneFull) return this.#waitForLane();
    const run = this.#ended();
    if (error instanceof NameResting)
      return this.#goOn({ kind: 'soon', delayMs: error.restMs, carried: this.#carried });
    if (error instanceof TooMuchHere)
      return this.#goOn(await this.#end.handOver(run, error.message, this.#carried));
    if (isOutOfTime(run.joined, error) && attempt.lane === 'large' && attempt.bytesMoved > 0) {
      // One that began late gets a time of its own, unless a service can have it now.
      const isLate = !hadItsTime(run.joined, clock.monotonicMs() - beganMonotonicMs);
      if (isLate && (handOver === null || !wasPutOff(run.joined))) return this.#cutShort(error);
      const end = await this.#end.handOver(run, 'The copy did not end in time', this.#carried);
      return end.kind === 'soon' ? this.#end.outOfTime(run, end.carried) : end;
    }
    if (isOutOfTime(run.joined, error) || error instanceof LeaseLost || error === SHUTDOWN)
      return this.#cutShort(error);
    return this.#goOn(await this.#end.badly(run, faultOf(error), this.#carried));
  }

  async #waitForLane(): Promise<PartEnd | null> {
    const { slots } = this.#parts;
    this.#lane = 'large';
    if (slots.waitingLarge < 2 * slots.mostLarge) return null;
    const sent = await this.#end.later(this.#ended(), LANE_FULL_MS, this.#carried, null);
    return typeof sent === 'number' ? SETTLED : sent;
  }

  async #goOn(next: PartEnd | SoonAgain): Promise<PartEnd | null> {
    if (next.kind !== 'soon') return next;
    const { clock, stopping } = this.#parts;
    this.#carried = next.carried;
    this.#letJoin();
    await clock.sleep(next.delayMs, AbortSignal.any([this.#alive.signal, stopping]));
    return null;
  }

  /** Nobody failed: whoever gets the messages next begins anew. */
  async #cutShort(reason: unknown): Promise<PartEnd> {
    const { happenings } = this.#parts;
    const ref = this.#ref();
    if (isOutOfTime(this.#joined, reason)) {
      happenings.transferGivenBack({ ...ref, reason: 'no_time' });
      return this.#end.outOfTime(this.#ended(), this.#carried);
    }
    if (reason instanceof LeaseLost) happenings.leaseLost(ref);
    else if (reason === SHUTDOWN) happenings.transferGivenBack({ ...ref, reason: 'shutdown' });
    else {
      const end = await this.#end.badly(this.#ended(), faultOf(reason), this.#carried);
      return end.kind === 'soon' ? INTERRUPTED : end;
    }
    return INTERRUPTED;
  }

  #ended(): EndedRun {
    return { ref: this.#ref(), joined: this.#joined };
  }

  #ref(): TransferRef {
    const transferId = this.#joined[0]?.message.id ?? '';
    return { transferId, ruleName: this.#rule.name, source: this.#source, target: this.#target };
  }
}
