// The messages that a process holds, kept hidden from others for as long as it works on them. A message whose time
// could not be extended is given up before it becomes visible: from then on somebody else may have it.
import type { Clock } from '../../core/clock.ts';
import type { Happenings } from '../../core/happenings.ts';
import { type MessageQueue, MESSAGES_PER_CALL, type ReceivedMessage } from '../../core/message-queue.ts';
import { LeaseLost } from '../attempt.ts';
import { HeldMessage, TimeIsUp } from './held-message.ts';

/** Messages are looked after so often within the time that they are hidden for. */
const BEATS = 8;
const NEVER = new AbortController().signal;

export interface MessageHolderOptions {
  readonly queue: Pick<MessageQueue, 'changeVisibility'>;
  readonly clock: Clock;
  readonly happenings: Pick<Happenings, 'workerTroubled'>;
  /** A message is hidden for so long, and again when half of it is over. */
  readonly visibilitySec: number;
  /** Work on a message has to be over so long after its receipt. */
  readonly longestHoldMs: number;
}

interface Holding {
  readonly received: ReceivedMessage;
  readonly message: HeldMessage;
  isBeating: boolean;
}

export class MessageHolder {
  readonly #options: MessageHolderOptions;
  readonly #held = new Set<Holding>();

  constructor(options: MessageHolderOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#held.size;
  }

  /** Begins to hold a message. `askedMonotonicMs`: before the request that received it was sent. */
  hold(received: ReceivedMessage, askedMonotonicMs: number): HeldMessage {
    const { visibilitySec, longestHoldMs } = this.#options;
    const message = new HeldMessage({
      ...received,
      heldSinceMonotonicMs: askedMonotonicMs,
      leaseEndsAtMonotonicMs: askedMonotonicMs + visibilitySec * 1000,
      endsByMonotonicMs: askedMonotonicMs + longestHoldMs,
    });
    this.#held.add({ received, message, isBeating: false });
    return message;
  }

  /** Its fate is done: nothing extends it any more. */
  drop(message: HeldMessage): void {
    for (const holding of this.#held) if (holding.message === message) this.#held.delete(holding);
  }

  /** Ends all work on everything that is held. */
  endAll(reason: Error): void {
    for (const { message } of this.#held) message.end(reason);
  }

  /** Looks after what is held until `stopping` is aborted and nothing is held any more. */
  async keep(stopping: AbortSignal): Promise<void> {
    const { clock, visibilitySec } = this.#options;
    const beatMs = (visibilitySec * 1000) / BEATS;
    while (!stopping.aborted || this.#held.size > 0) {
      await clock.sleep(beatMs, this.#held.size === 0 ? stopping : NEVER).catch(() => {});
      this.#beat();
    }
  }

  #beat(): void {
    const { clock, visibilitySec } = this.#options;
    const nowMs = clock.monotonicMs();
    const due: Holding[] = [];
    for (const holding of this.#held) {
      const { message, isBeating } = holding;
      if (message.signal.aborted) continue;
      const leftMs = message.leaseEndsAtMonotonicMs - nowMs;
      if (leftMs <= 0)
        message.end(new LeaseLost('The message was not extended in time: somebody else may have it'));
      else if (nowMs >= message.endsByMonotonicMs)
        message.end(new TimeIsUp('The message can be held no longer'));
      else if (!isBeating && leftMs <= visibilitySec * 500) due.push(holding);
    }
    for (let from = 0; from < due.length; from += MESSAGES_PER_CALL)
      void this.#extend(due.slice(from, from + MESSAGES_PER_CALL));
  }

  async #extend(holdings: readonly Holding[]): Promise<void> {
    const { queue, clock, happenings, visibilitySec } = this.#options;
    for (const holding of holdings) holding.isBeating = true;
    const askedMs = clock.monotonicMs();
    try {
      const request = holdings.map(({ received }) => ({ ...received, visibilitySec }));
      const failures = new Map(
        (await queue.changeVisibility(request, NEVER)).map((failure) => [failure.id, failure]),
      );
      for (const { received, message } of holdings) {
        const failure = failures.get(received.id);
        if (failure === undefined) message.extended(askedMs + visibilitySec * 1000);
        else if (failure.isStale) message.end(new LeaseLost(`The message was lost: ${failure.reason}`));
      }
    } catch (error) {
      happenings.workerTroubled({ doing: 'extending the time of messages', error });
    } finally {
      for (const holding of holdings) holding.isBeating = false;
    }
  }
}
