// The long-running shell without a queue of its own: receives messages as long as attempts may begin, keeps what it
// holds hidden, and does with each message what the runner decided. Any number of these on one queue are correct.
import type { Clock, Random } from '../../core/clock.ts';
import { toFault } from '../../core/faults.ts';
import type { Happenings } from '../../core/happenings.ts';
import type { MessageIntakeHappenings, MessageQueueTrouble } from '../../core/message-intake.ts';
import {
  type MessageQueue,
  MESSAGES_PER_CALL,
  type MessageToSend,
  type ReceivedMessage,
} from '../../core/message-queue.ts';
import type { StoreState } from '../../core/store-state.ts';
import { QueueTrouble } from '../queue-trouble.ts';
import { SHUTDOWN } from '../record-end.ts';
import { GroupedCalls } from './grouped-calls.ts';
import type { HeldMessage } from './held-message.ts';
import { MessageHolder } from './message-holder.ts';
import type { MessageFate } from './message-runner.ts';
import type { Runner, RunnerOptions } from './open-runner.ts';

/** A receive waits so long for a first message: the longest that queues take. */
const LONG_POLL_SEC = 20;
/** Messages held at most, for each attempt that may run: most of them wait for one at the same object. */
const HELD_PER_ATTEMPT = 8;
/** Calls of one kind to the queue at the same time. */
const CALLS = 4;
const NEVER = new AbortController().signal;

export interface StatelessWorkerOptions {
  readonly queue: MessageQueue;
  /** For people. */
  readonly queueUrl: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly happenings: Pick<Happenings, 'workerTroubled'> &
    Pick<MessageIntakeHappenings, 'messageQueueDown' | 'messageQueueUp'>;
  /** Opens the runner that this worker drives. */
  readonly openRunner: (own: Required<Pick<RunnerOptions, 'send' | 'onFree'>>) => Runner;
  readonly maxConcurrency: number;
  readonly visibilitySec: number;
  readonly longestHoldMs: number;
  /** 20 by default. Much less than the visibility, which is counted from before the receive. */
  readonly longPollSec?: number;
}

/** A message that could not be deleted is tried again after this. */
const DELETE_AGAIN_MS = 5_000;

export class StatelessWorker {
  readonly #options: StatelessWorkerOptions;
  readonly #runner: Runner;
  readonly #holder: MessageHolder;
  readonly #trouble: QueueTrouble;
  readonly #stopping = new AbortController();
  readonly #deletes: GroupedCalls<ReceivedMessage>;
  readonly #returns: GroupedCalls<ReceivedMessage>;
  readonly #working = new Set<Promise<void>>();
  /** Messages that receives under way may still bring. */
  #asked = 0;
  #receiveCount = 0;
  #receivedAtMs: number | null = null;
  #loops: Promise<unknown> = Promise.resolve();
  #wake: () => void = () => {};

  constructor(options: StatelessWorkerOptions) {
    this.#options = options;
    const { queue } = options;
    const group = { itemsPerCall: MESSAGES_PER_CALL, calls: CALLS };
    const sends = new GroupedCalls<MessageToSend>({ ...group, call: (items) => queue.send(items, NEVER) });
    this.#deletes = new GroupedCalls({ ...group, call: async (items) => this.#delete(items) });
    this.#returns = new GroupedCalls({
      ...group,
      call: async (items) => {
        // What cannot be given back comes back by itself.
        await queue.changeVisibility(
          items.map((item) => ({ ...item, visibilitySec: 0 })),
          NEVER,
        );
      },
    });
    this.#trouble = new QueueTrouble(options);
    this.#holder = new MessageHolder(options);
    this.#runner = options.openRunner({
      send: (message) => sends.add(message),
      onFree: () => this.#wake(),
    });
  }

  /** Begins receiving. Call once. */
  start(): void {
    const { signal } = this.#stopping;
    this.#loops = Promise.all([this.#receiveForever(signal), this.#holder.keep(signal)]);
  }

  /**
   * Stops receiving, gives back what has not begun, waits up to `graceMs` for what runs, then gives that back too.
   * Resolves when nothing runs and nothing is held any more.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort(SHUTDOWN);
    this.#runner.stop();
    this.#wake();
    const graceOver = new AbortController();
    const deadline = this.#options.clock.sleep(graceMs, graceOver.signal).catch(() => {});
    await Promise.race([this.#allEnded(), deadline]);
    graceOver.abort();
    this.#holder.endAll(SHUTDOWN);
    await this.#allEnded();
    await this.#loops;
  }

  /** What the answers to its requests tell about the two stores. */
  storeStates(): readonly StoreState[] {
    return this.#runner.storeStates();
  }

  /** What is known of the queue, and of what is held of it. */
  state(): {
    readonly trouble: MessageQueueTrouble | null;
    readonly inHand: number;
    readonly receivedAtMs: number | null;
  } {
    return { trouble: this.#trouble.told, inHand: this.#holder.count, receivedAtMs: this.#receivedAtMs };
  }

  async #allEnded(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  /** As many as there is room for, and no more than may be held. */
  #room(): number {
    const { maxConcurrency } = this.#options;
    const mayHold = maxConcurrency * HELD_PER_ATTEMPT - this.#holder.count - this.#asked;
    return Math.min(this.#runner.free - this.#asked, mayHold, MESSAGES_PER_CALL);
  }

  async #receiveForever(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const max = this.#trouble.waitMs > 0 ? 0 : this.#room();
      // Beside another receive only a full one, as few calls bring as much as many; and none beside one that finds out
      // whether the queue is there again.
      const mayJoin = max === MESSAGES_PER_CALL && !this.#trouble.isDown;
      if (max > 0 && (this.#receiveCount === 0 || mayJoin)) {
        this.#track(this.#receive(max, signal));
        continue;
      }
      await this.#sleepUntil(woken, signal);
    }
  }

  /** Until somebody wakes, or a store or the queue may be asked again. */
  async #sleepUntil(woken: Promise<void>, signal: AbortSignal): Promise<void> {
    const ms = Math.max(this.#trouble.waitMs, this.#runner.untilFreeMs ?? 0);
    if (ms === 0) return woken;
    const isWoken = new AbortController();
    const timer = this.#options.clock.sleep(ms, AbortSignal.any([signal, isWoken.signal])).catch(() => {});
    await Promise.race([woken, timer]);
    isWoken.abort();
    await timer;
  }

  async #receive(max: number, signal: AbortSignal): Promise<void> {
    const { queue, clock, visibilitySec, longPollSec = LONG_POLL_SEC } = this.#options;
    this.#asked += max;
    this.#receiveCount += 1;
    const askedMonotonicMs = clock.monotonicMs();
    let received: readonly ReceivedMessage[] = [];
    try {
      received = await queue.receive({ max, waitSec: longPollSec, visibilitySec }, signal);
      this.#trouble.succeeded('receive');
    } catch (error) {
      if (!signal.aborted) this.#trouble.failed('receive', toFault(error));
    } finally {
      this.#asked -= max;
      this.#receiveCount -= 1;
    }
    if (received.length > 0) this.#receivedAtMs = clock.nowMs();
    for (const message of received) this.#track(this.#work(message, askedMonotonicMs));
    this.#wake();
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#working.delete(tracked));
    this.#working.add(tracked);
  }

  async #work(received: ReceivedMessage, askedMonotonicMs: number): Promise<void> {
    const { happenings } = this.#options;
    const message = this.#holder.hold(received, askedMonotonicMs);
    try {
      await this.#settle(received, message, await this.#runner.run(message));
    } catch (error) {
      // Nothing is lost: the message comes back when it is not hidden any more.
      happenings.workerTroubled({ doing: `ending message ${received.id}`, error });
    } finally {
      this.#holder.drop(message);
      this.#wake();
    }
  }

  async #settle(received: ReceivedMessage, message: HeldMessage, fate: MessageFate): Promise<void> {
    if (fate.kind === 'acknowledge') await this.#acknowledge(received, message);
    if (fate.kind === 'give_back' && this.#isHeld(message)) await this.#returns.add(received);
  }

  /** A receipt that is no longer ours must not touch what somebody else is working on. */
  #isHeld(message: HeldMessage): boolean {
    return this.#options.clock.monotonicMs() < message.leaseEndsAtMonotonicMs;
  }

  /**
   * Tries as long as the message is held. One that is done and comes back is followed by another look each time, so
   * messages that cannot be deleted would multiply; held ones fill the room instead, and no more are received.
   */
  async #acknowledge(received: ReceivedMessage, message: HeldMessage): Promise<void> {
    const { clock, happenings } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 0; this.#isHeld(message); failures += 1) {
      try {
        await this.#deletes.add(received);
        return;
      } catch (error) {
        if (failures === 0)
          happenings.workerTroubled({ doing: `acknowledging message ${received.id}`, error });
      }
      if (signal.aborted) return;
      await clock.sleep(DELETE_AGAIN_MS, signal).catch(() => {});
    }
  }

  async #delete(messages: readonly ReceivedMessage[]): Promise<void> {
    const { queue, happenings } = this.#options;
    const failures = await queue.delete(messages, NEVER);
    // One that was received by somebody else meanwhile is looked after there.
    const failed = failures.filter(({ isStale }) => !isStale);
    for (const { id, reason } of failed)
      happenings.workerTroubled({ doing: `acknowledging message ${id}`, error: new Error(reason) });
  }
}
