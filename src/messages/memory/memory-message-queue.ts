// The reference of the message queue port: strict about receipts, visibility and dead letters, and as unreliable as
// a test wants it (order, doubled delivery, troubles). Time comes from its clock alone.
import type { Clock } from '../../core/clock.ts';
import { Fault } from '../../core/faults.ts';
import {
  LONGEST_VISIBILITY_SEC,
  type MessageFailure,
  type MessageQueue,
  type MessageQueueFacts,
  MESSAGES_PER_CALL,
  type MessageToSend,
  type ReceivedMessage,
} from '../../core/message-queue.ts';

export type MessageQueueCall = 'receive' | 'delete' | 'changeVisibility' | 'send' | 'facts';

export interface MemoryMessageQueueOptions {
  readonly clock: Clock;
  /** What `facts` tells; a receive says its own. */
  readonly visibilitySec?: number;
  /** Messages received as often as `maxReceiveCount` go there instead of being received once more. */
  readonly redrive?: { readonly maxReceiveCount: number; readonly deadLetters: MemoryMessageQueue };
  readonly isFifo?: boolean;
  /** Which of `count` messages that can be received is next, the longest sent being 0; 0 by default. */
  readonly choose?: (count: number) => number;
  /** True: the message is given and can be received at once again all the same. */
  readonly isDoubled?: (message: ReceivedMessage) => boolean;
  /** What a call fails with; null: it does not. */
  readonly trouble?: (call: MessageQueueCall) => Error | null;
}

interface Stored {
  readonly id: string;
  readonly body: string;
  readonly sentAtMs: number;
  receiveCount: number;
  receivedAtMs: number;
  visibleAtMs: number;
}

type Reference = Pick<ReceivedMessage, 'id' | 'receipt'>;

export class MemoryMessageQueue implements MessageQueue {
  readonly #options: MemoryMessageQueueOptions;
  readonly #clock: Clock;
  readonly #messages = new Map<string, Stored>();
  #sentCount = 0;
  #arrival = Promise.withResolvers<void>();

  constructor(options: MemoryMessageQueueOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  /** Messages in the queue, hidden ones included. */
  get size(): number {
    return this.#messages.size;
  }

  /** The bodies in the queue, hidden ones included, in the order of sending. */
  get bodies(): readonly string[] {
    return [...this.#messages.values()].map(({ body }) => body);
  }

  async receive(
    request: { readonly max: number; readonly waitSec: number; readonly visibilitySec: number },
    signal: AbortSignal,
  ): Promise<readonly ReceivedMessage[]> {
    const endMs = this.#nowMs() + request.waitSec * 1000;
    for (;;) {
      this.#begin('receive', signal);
      const received = this.#take(request.max, request.visibilitySec * 1000);
      const leftMs = endMs - this.#nowMs();
      if (received.length > 0 || leftMs <= 0) return received;
      await this.#untilSomething(leftMs, signal);
    }
  }

  async delete(messages: readonly Reference[], signal: AbortSignal): Promise<readonly MessageFailure[]> {
    this.#begin('delete', signal);
    return messages.flatMap((message) => {
      const stored = this.#messages.get(message.id);
      if (stored === undefined) return [];
      if (receiptOf(stored) !== message.receipt) return [stale(message.id)];
      this.#messages.delete(message.id);
      return [];
    });
  }

  async changeVisibility(
    messages: readonly (Reference & { readonly visibilitySec: number })[],
    signal: AbortSignal,
  ): Promise<readonly MessageFailure[]> {
    this.#begin('changeVisibility', signal);
    const nowMs = this.#nowMs();
    const failures = messages.flatMap(({ id, receipt, visibilitySec }): MessageFailure[] => {
      const stored = this.#messages.get(id);
      if (stored === undefined || receiptOf(stored) !== receipt || stored.visibleAtMs <= nowMs)
        return [stale(id)];
      const visibleAtMs = nowMs + visibilitySec * 1000;
      if (visibleAtMs > stored.receivedAtMs + LONGEST_VISIBILITY_SEC * 1000)
        return [{ id, reason: 'A message is hidden for 12 hours at most', isStale: false }];
      stored.visibleAtMs = visibleAtMs;
      return [];
    });
    this.#wake();
    return failures;
  }

  async send(messages: readonly MessageToSend[], signal: AbortSignal): Promise<void> {
    this.#begin('send', signal);
    if (this.#options.isFifo === true && messages.some(({ delaySec }) => delaySec > 0))
      throw new Fault('queue_refused', 'A FIFO queue takes no delay for a single message');
    if (messages.length > MESSAGES_PER_CALL)
      throw new Error(`A call takes ${MESSAGES_PER_CALL} messages, not ${messages.length}`);
    for (const { body, delaySec } of messages) this.#add(body, delaySec * 1000);
    this.#wake();
  }

  async facts(signal: AbortSignal): Promise<MessageQueueFacts> {
    this.#begin('facts', signal);
    const { isFifo = false, visibilitySec = 30, redrive } = this.#options;
    return {
      isFifo,
      visibilitySec,
      maxReceiveCount: redrive?.maxReceiveCount ?? null,
      // It forgets nothing.
      retentionSec: null,
      waiting: this.#visible().length,
    };
  }

  async close(): Promise<void> {}

  #nowMs(): number {
    return this.#clock.nowMs();
  }

  #begin(call: MessageQueueCall, signal: AbortSignal): void {
    signal.throwIfAborted();
    const trouble = this.#options.trouble?.(call) ?? null;
    if (trouble !== null) throw trouble;
  }

  #add(body: string, delayMs: number): void {
    this.#sentCount += 1;
    const sentAtMs = this.#nowMs();
    const id = `message-${this.#sentCount}`;
    const visibleAtMs = sentAtMs + delayMs;
    this.#messages.set(id, { id, body, sentAtMs, receiveCount: 0, receivedAtMs: 0, visibleAtMs });
  }

  #visible(): Stored[] {
    const nowMs = this.#nowMs();
    return [...this.#messages.values()].filter(({ visibleAtMs }) => visibleAtMs <= nowMs);
  }

  #take(max: number, visibilityMs: number): ReceivedMessage[] {
    const { choose = () => 0, redrive } = this.#options;
    const received: ReceivedMessage[] = [];
    const waiting = this.#visible();
    while (received.length < max && waiting.length > 0) {
      const [stored] = waiting.splice(choose(waiting.length), 1);
      if (stored === undefined) throw new Error('A message was chosen that is not there');
      if (redrive !== undefined && stored.receiveCount >= redrive.maxReceiveCount) {
        this.#messages.delete(stored.id);
        redrive.deadLetters.#add(stored.body, 0);
        redrive.deadLetters.#wake();
      } else received.push(this.#give(stored, visibilityMs));
    }
    return received;
  }

  #give(stored: Stored, visibilityMs: number): ReceivedMessage {
    const nowMs = this.#nowMs();
    stored.receiveCount += 1;
    stored.receivedAtMs = nowMs;
    const { id, body, receiveCount, sentAtMs } = stored;
    const message = { id, receipt: receiptOf(stored), body, receiveCount, sentAtMs };
    stored.visibleAtMs = this.#options.isDoubled?.(message) === true ? nowMs : nowMs + visibilityMs;
    return message;
  }

  #wake(): void {
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }

  /** Until a message was sent or can be received again, at most so long. */
  async #untilSomething(longestMs: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#nowMs();
    const waits = [...this.#messages.values()].map(({ visibleAtMs }) => visibleAtMs - nowMs);
    const woken = new AbortController();
    const sleep = this.#clock.sleep(
      Math.min(longestMs, ...waits.filter((ms) => ms > 0)),
      AbortSignal.any([signal, woken.signal]),
    );
    try {
      await Promise.race([sleep, this.#arrival.promise]);
    } finally {
      woken.abort();
      await sleep.catch(() => {});
    }
    signal.throwIfAborted();
  }
}

function receiptOf({ id, receiveCount }: Stored): string {
  return `${id}#${receiveCount}`;
}

function stale(id: string): MessageFailure {
  return { id, reason: 'The receipt is not that of the last receive, or the message is gone', isStale: true };
}
