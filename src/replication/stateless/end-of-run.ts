// What has to happen before the messages of one object may be told an end: the message that has it looked at again
// after the grace (safeguards 26 and 27) or tried again later, or the service that takes it over. Whatever cannot be
// done ends as `unsent`, and the messages come back.
import { backoffMs } from '../../core/backoff.ts';
import { Fault, toFault } from '../../core/faults.ts';
import type { TransferRef } from '../../core/happenings.ts';
import { LONGEST_DELAY_SEC } from '../../core/message-queue.ts';
import type { Attempt, AttemptEnd } from '../attempt.ts';
import { afterFailure } from './after-failure.ts';
import { type Carried, type LookAgainReason, NOTHING_CARRIED } from './carried.ts';
import { changeOf, isTakenOver, type PartEnd, receiveCountOf, type RunPart } from './run-parts.ts';
import type { RunnerParts } from './runner-parts.ts';

const SETTLED: PartEnd = { kind: 'settled' };
const NEVER = new AbortController().signal;

/** The object and those who ask for it, as they are when an attempt has ended. */
export interface EndedRun {
  readonly ref: TransferRef;
  readonly joined: readonly RunPart[];
}

/** Once more by the same process, after a wait in which the messages are held. */
export interface SoonAgain {
  readonly kind: 'soon';
  readonly delayMs: number;
  readonly carried: Carried;
}

export class EndOfRun {
  readonly #parts: RunnerParts;
  /** An effect of this run was not answered, and nobody has looked after the grace; null while there is none. */
  #unanswered: Fault | null = null;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  get hasUnanswered(): boolean {
    return this.#unanswered !== null;
  }

  /** Notes what the attempt leaves behind, however it ended. */
  attemptEnded({ owed, unanswered }: Attempt): void {
    if (!owed) return;
    this.#unanswered =
      unanswered?.fault ??
      new Fault('target_error', 'An effect was sent, and nobody knows what became of it');
  }

  /** Both sides agree, as far as the last look can tell. */
  async well(run: EndedRun, attempt: Attempt, end: AttemptEnd, durationMs: number): Promise<PartEnd> {
    const { bytesMoved, note } = attempt;
    const facts = { isConfirmed: false, status: 'done', bytesMoved, durationMs, note };
    this.#parts.happenings.transferFinished({ ...run.ref, ...end, ...facts });
    return this.#settle(run);
  }

  /** The work is done here; one more look follows where an effect may still arrive. */
  async #settle(run: EndedRun): Promise<PartEnd> {
    const { happenings } = this.#parts;
    const graceMs = this.#owedGraceMs(run);
    if (graceMs === null) return SETTLED;
    const reason = this.hasUnanswered ? 'unanswered' : 'taken_over';
    const end = await this.#send(run, reason, graceMs, NOTHING_CARRIED, this.#unanswered);
    if (end.kind === 'settled')
      happenings.lookAgainSent({ ...run.ref, reason, delaySec: delaySecOf(graceMs) });
    return end;
  }

  /** How long something may still arrive that was sent before; null where nothing was, as far as anybody knows. */
  #owedGraceMs({ joined }: EndedRun): number | null {
    const { graceMs, takeoverGraceMs } = this.#parts;
    if (isTakenOver(joined)) return this.hasUnanswered ? Math.max(graceMs, takeoverGraceMs) : takeoverGraceMs;
    return this.hasUnanswered ? graceMs : null;
  }

  /** An attempt failed. */
  async badly(run: EndedRun, fault: Fault, carried: Carried): Promise<PartEnd | SoonAgain> {
    const { policy, happenings } = this.#parts;
    const next = afterFailure(policy, fault, carried);
    const { attemptCount } = next.carried;
    if (next.kind === 'leave') {
      const receiveCount = receiveCountOf(run.joined);
      happenings.transferLeft({ ...run.ref, fault, attemptCount, receiveCount });
      const delayMs = this.#owedGraceMs(run) ?? 0;
      return {
        kind: 'left',
        fault,
        resend: {
          change: changeOf(run.joined),
          ruleName: run.ref.ruleName,
          carried: next.carried,
          delayMs,
        },
      };
    }
    const { isSoon, isStoreDown } = next;
    const told = { ...run.ref, fault, attemptCount, isStoreDown };
    if (isSoon && !this.#parts.stopping.aborted) {
      happenings.transferRetrying({ ...told, retryInMs: next.delayMs });
      return { kind: 'soon', delayMs: next.delayMs, carried: next.carried };
    }
    const delayMs = await this.later(run, next.delayMs, next.carried, fault);
    if (typeof delayMs !== 'number') return delayMs;
    happenings.transferRetrying({ ...told, retryInMs: delayMs });
    return SETTLED;
  }

  /**
   * No time is left for it here, and nobody failed. Where there is a queue a copy of the message waits in it: the receipt
   * of one that is given back counts towards the dead letters, and next time there may be no more time than now.
   */
  async outOfTime(run: EndedRun, carried: Carried): Promise<PartEnd> {
    const { send, policy } = this.#parts;
    if (send === null) return { kind: 'interrupted' };
    const next: Carried = { ...carried, waitCount: carried.waitCount + 1 };
    const delayMs = backoffMs(policy.backoff, next.waitCount, policy.random.next(), null);
    const sent = await this.later(run, delayMs, next, null);
    return typeof sent === 'number' ? SETTLED : sent;
  }

  /** Has a copy of the message wait in the queue. Returns for how long; or the end where the queue did not take it. */
  async later(
    run: EndedRun,
    wantedMs: number,
    carried: Carried,
    because: Fault | null,
  ): Promise<number | PartEnd> {
    // The copy is the look after the grace as well where one is due: never two messages for one.
    const delayMs = Math.max(wantedMs, this.#owedGraceMs(run) ?? 0);
    const end = await this.#send(run, 'retry', delayMs, carried, because);
    return end.kind === 'settled' ? delaySecOf(delayMs) * 1000 : end;
  }

  /** The object is too much for this shell: the service takes it over, or a person has to know. */
  async handOver(run: EndedRun, reason: string, carried: Carried): Promise<PartEnd | SoonAgain> {
    const { handOver, documents, happenings } = this.#parts;
    if (handOver === null) return this.badly(run, new Fault('time_too_short', reason), carried);
    try {
      // Nothing is held any more where the time is up, and nothing has to be: a hint handed over twice does no harm.
      await handOver(documents.write(changeOf(run.joined), NOTHING_CARRIED, 'retry', null), NEVER);
    } catch (error) {
      return this.badly(run, toFault(error), carried);
    }
    happenings.transferHandedOver({ ...run.ref, reason });
    return this.#settle(run);
  }

  async #send(
    run: EndedRun,
    reason: LookAgainReason,
    delayMs: number,
    carried: Carried,
    because: Fault | null,
  ): Promise<PartEnd> {
    const { send, documents, happenings } = this.#parts;
    if (send === null)
      return { kind: 'unsent', fault: because ?? new Fault('unexpected', 'There is no queue to send to') };
    try {
      const body = documents.write(changeOf(run.joined), carried, reason, run.ref.ruleName);
      // Also where the time is up or the process stops: it is short, and saves others a look.
      await send({ body, delaySec: delaySecOf(delayMs) }, NEVER);
      return SETTLED;
    } catch (error) {
      happenings.workerTroubled({
        doing: `sending s3://${run.ref.source.bucket}/${run.ref.source.key} again`,
        error,
      });
      return { kind: 'unsent', fault: toFault(error) };
    }
  }
}

/** A delay as queues take it. */
export function delaySecOf(delayMs: number): number {
  return Math.min(LONGEST_DELAY_SEC, Math.max(0, Math.ceil(delayMs / 1000)));
}
