// Asks a message queue for changes without a pause: one long poll always, more beside it while messages keep coming,
// and none while nothing could be stored. What was received is handled beside the polls, so that nothing slow holds
// the next messages back.
import type { Random } from '../../core/clock.ts';
import { toFault } from '../../core/faults.ts';
import type { MessageIntakeState, PauseReason } from '../../core/message-intake.ts';
import { LONGEST_WAIT_SEC, MESSAGES_PER_CALL, type ReceivedMessage } from '../../core/message-queue.ts';
import type { IntakeGate } from '../../replication/intake-gate.ts';
import { MessageHandler, type MessageHandlerOptions, VISIBILITY_SEC } from './message-handler.ts';
import { QueueTrouble } from '../../replication/queue-trouble.ts';

/** Receives side by side while there is much to receive: what a queue gives at once, over a network that takes its time. */
export const MOST_RECEIVERS = 8;
/** Messages in hand above which no more are asked for; what was asked for already may come on top. */
const MOST_IN_HAND = 400;
/** The same for the bytes of their bodies. */
const MOST_BYTES_IN_HAND = 16 * 1024 * 1024;
/** A receiver beside the first one ends when nothing came for so long. */
const HELPER_WAIT_SEC = 1;
const PAUSE_LOOK_MS = 1_000;
const PROBE_STORE_MS = 5_000;
const ASK_FACTS_MS = 60_000;
/** At the end a receive may bring what the queue has given to it already: otherwise that would stay hidden. */
const LAST_ANSWER_MS = 500;
/** Kept of the grace of a shutdown for giving back what was not stored. */
const GIVE_BACK_SHARE_MS = 2_000;

export interface SqsPollerOptions extends Omit<MessageHandlerOptions, 'gate' | 'trouble' | 'cut'> {
  readonly queueUrl: string;
  readonly gate: MessageHandlerOptions['gate'] & Pick<IntakeGate, 'hostTroubles'>;
  readonly random: Random;
}

interface Pause {
  readonly sinceMs: number;
  readonly beganMs: number;
  readonly reason: PauseReason;
  readonly detail: string;
}

export class SqsPoller {
  readonly #options: SqsPollerOptions;
  readonly #trouble: QueueTrouble;
  readonly #handler: MessageHandler;
  readonly #stopping = new AbortController();
  readonly #cut = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #receivers = new Set<Promise<void>>();
  #asking: Promise<void> = Promise.resolve();
  /** Ends the receives that are under way. */
  #interrupt = new AbortController();
  #roomMade = Promise.withResolvers<void>();
  #pause: Pause | null = null;
  #inHand = 0;
  #bytesInHand = 0;
  #receivedAtMs: number | null = null;
  #waiting: number | null = null;
  #hasAnswered = false;

  constructor(options: SqsPollerOptions) {
    this.#options = options;
    this.#trouble = new QueueTrouble(options);
    this.#handler = new MessageHandler({ ...options, trouble: this.#trouble, cut: this.#cut.signal });
  }

  /** Begins to ask. Call once. */
  start(): void {
    this.#add('first');
    this.#asking = this.#askFacts();
  }

  state(): MessageIntakeState {
    const pause = this.#pause;
    return {
      queueUrl: this.#options.queueUrl,
      trouble: this.#trouble.told,
      pause: pause === null ? null : { sinceMs: pause.sinceMs, reason: pause.reason, detail: pause.detail },
      inHand: this.#inHand,
      receivedAtMs: this.#receivedAtMs,
      waiting: this.#waiting,
    };
  }

  /** Begins no receive any more; what was received is stored and deleted within the grace, or given back. */
  async stop(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    this.#stopping.abort();
    const isDone = new AbortController();
    const after = async (ms: number, end: () => void): Promise<void> =>
      clock.sleep(ms, isDone.signal).then(end, () => {});
    const timers = [
      after(Math.min(LAST_ANSWER_MS, graceMs / 4), () => this.#endReceives()),
      after(graceMs - Math.min(GIVE_BACK_SHARE_MS, graceMs / 2), () => this.#cut.abort()),
    ];
    await Promise.all([...this.#receivers, this.#asking]);
    await Promise.all(this.#running);
    isDone.abort();
    await Promise.all(timers);
  }

  #add(kind: 'first' | 'helper'): void {
    const receiver = this.#receive(kind).finally(() => this.#receivers.delete(receiver));
    this.#receivers.add(receiver);
  }

  /** Receives until the end; a helper, until nothing comes any more or something is in the way. */
  async #receive(kind: 'first' | 'helper'): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const isClear = await this.#untilClear(kind, signal);
      if (!isClear) return;
      const messages = await this.#ask(kind === 'first' ? LONGEST_WAIT_SEC : HELPER_WAIT_SEC);
      if (messages.length === 0 && kind === 'helper') return;
      if (messages.length > 0) this.#begin(messages);
      // A queue gives fewer than it could, also while thousands wait.
      const isBusy = messages.length > MESSAGES_PER_CALL / 2;
      if (isBusy && this.#receivers.size < MOST_RECEIVERS && !signal.aborted) this.#add('helper');
    }
  }

  /** True where a receive may begin now; false where this receiver is to end. */
  async #untilClear(kind: 'first' | 'helper', signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    try {
      for (;;) {
        signal.throwIfAborted();
        const isPaused = this.#look();
        if (kind === 'helper' && (isPaused || this.#trouble.isDown)) return false;
        if (isPaused) await this.#waitOutPause(signal);
        else if (this.#trouble.waitMs > 0) await clock.sleep(this.#trouble.waitMs, signal);
        else if (this.#inHand >= MOST_IN_HAND || this.#bytesInHand >= MOST_BYTES_IN_HAND)
          await this.#roomMade.promise;
        else return true;
      }
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  }

  /** Looks whether something forbids to take changes; tells the beginning and the end. */
  #look(): boolean {
    const { gate, clock, happenings } = this.#options;
    const [trouble] = gate.hostTroubles;
    const { storeProblem } = this.#handler;
    const problem =
      trouble ?? (storeProblem === null ? null : { reason: 'queue' as const, detail: storeProblem });
    const before = this.#pause;
    if (before !== null && before.reason !== problem?.reason) {
      this.#pause = null;
      const pausedForMs = clock.monotonicMs() - before.beganMs;
      happenings.messageIntakeResumed({ reason: before.reason, pausedForMs });
    }
    if (problem !== null && this.#pause === null) {
      this.#pause = { ...problem, sinceMs: clock.nowMs(), beganMs: clock.monotonicMs() };
      happenings.messageIntakePaused(problem);
    }
    return problem !== null;
  }

  async #waitOutPause(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    if (this.#pause?.reason !== 'queue') return clock.sleep(PAUSE_LOOK_MS, signal);
    await clock.sleep(PROBE_STORE_MS, signal);
    await this.#handler.probeStore();
  }

  async #ask(waitSec: number): Promise<readonly ReceivedMessage[]> {
    const { messages } = this.#options;
    // Whether the queue can be used is to show at once, and not at the end of a long poll.
    const ownWaitSec = this.#hasAnswered ? waitSec : 0;
    const request = { max: MESSAGES_PER_CALL, waitSec: ownWaitSec, visibilitySec: VISIBILITY_SEC };
    const { signal } = this.#interrupt;
    try {
      const received = await messages.receive(request, signal);
      this.#trouble.succeeded('receive');
      this.#tellBeginning();
      return received;
    } catch (error) {
      if (!signal.aborted) this.#trouble.failed('receive', toFault(error));
      return [];
    }
  }

  #tellBeginning(): void {
    if (this.#hasAnswered) return;
    this.#hasAnswered = true;
    const { queueUrl, happenings } = this.#options;
    happenings.messageIntakeBegan({ queueUrl });
  }

  #begin(messages: readonly ReceivedMessage[]): void {
    const bytes = messages.reduce((total, { body }) => total + Buffer.byteLength(body), 0);
    this.#inHand += messages.length;
    this.#bytesInHand += bytes;
    this.#receivedAtMs = this.#options.clock.nowMs();
    const handled = this.#handler.handle(messages).finally(() => {
      this.#running.delete(handled);
      this.#inHand -= messages.length;
      this.#bytesInHand -= bytes;
      this.#roomMade.resolve();
      this.#roomMade = Promise.withResolvers();
      if (this.#handler.storeProblem === null) return;
      // A long poll that is under way would be given the same messages again and again.
      this.#endReceives();
    });
    this.#running.add(handled);
  }

  #endReceives(): void {
    this.#interrupt.abort();
    this.#interrupt = new AbortController();
  }

  /** Asks now and then how many messages wait. That may be forbidden without any harm to the intake. */
  async #askFacts(): Promise<void> {
    const { messages, clock } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#waiting = await messages.facts(signal).then(
        ({ waiting }) => waiting,
        () => null,
      );
      await clock.sleep(ASK_FACTS_MS, signal).catch(() => {});
    }
  }
}
