// Port: a queue of messages with at-least-once delivery and visibility timeouts, such as SQS. A driver passes
// test/contract/message-queue.contract.ts.
//
// A received message is hidden from other receivers until its visibility ends; it comes back unless it was deleted.
// A receipt belongs to one receipt of one message: after the message was received again it may delete nothing.

/** Messages that one call takes or gives, at most. */
export const MESSAGES_PER_CALL = 10;
/** The longest that a receive waits for a message, in seconds. */
export const LONGEST_WAIT_SEC = 20;
/** The longest delay that a message can be sent with, in seconds. */
export const LONGEST_DELAY_SEC = 900;
/** A message can be hidden no longer than this in all, counted from its receipt; extensions do not reset it. */
export const LONGEST_VISIBILITY_SEC = 12 * 3600;

export interface ReceivedMessage {
  /** The same at every receipt of the message. */
  readonly id: string;
  /** Proof of this receipt, for the queue alone. */
  readonly receipt: string;
  readonly body: string;
  /** Receipts so far, this one included: more than 1 means that somebody else had it before. */
  readonly receiveCount: number;
  /** When it was sent, in Unix milliseconds; null where the queue told nothing. */
  readonly sentAtMs: number | null;
}

/** A message of a batch that the queue did not do what was asked for. */
export interface MessageFailure {
  readonly id: string;
  readonly reason: string;
  /** True where the receipt is of no use any more: the message was received again, or is gone. */
  readonly isStale: boolean;
}

export interface MessageToSend {
  readonly body: string;
  /** From 0 to LONGEST_DELAY_SEC. */
  readonly delaySec: number;
}

/** What the queue says of itself. */
export interface MessageQueueFacts {
  /** First in, first out: such a queue takes no delay for a single message. */
  readonly isFifo: boolean;
  /** Hidden for so long where a receive asks for nothing else. */
  readonly visibilitySec: number;
  /** Receipts after which a message goes to the queue for dead letters; null where there is none. */
  readonly maxReceiveCount: number | null;
  /** A message that nobody takes is lost after so long; null where the queue told nothing. */
  readonly retentionSec: number | null;
  /** About how many messages wait; null where the queue told nothing. */
  readonly waiting: number | null;
}

/**
 * Every method asks once: whoever calls decides whether and when to ask again. It throws the faults `queue_denied`,
 * `queue_missing`, `queue_unavailable`, `queue_refused`, `key_access_denied`, `clock_skewed`, `credentials_invalid`,
 * `credentials_expired`, `credentials_unavailable` or `unexpected`, and nothing else than those, the signal's reason
 * and bugs.
 */
export interface MessageQueue {
  /**
   * Waits up to `waitSec` (LONGEST_WAIT_SEC at most) for the first message; an empty list where none came. Messages of
   * a receive that was aborted may stay hidden for `visibilitySec`.
   */
  receive(
    request: { readonly max: number; readonly waitSec: number; readonly visibilitySec: number },
    signal: AbortSignal,
  ): Promise<readonly ReceivedMessage[]>;
  /** Takes up to MESSAGES_PER_CALL; answers those that were not deleted. One that is gone is no failure, or a stale one. */
  delete(
    messages: readonly Pick<ReceivedMessage, 'id' | 'receipt'>[],
    signal: AbortSignal,
  ): Promise<readonly MessageFailure[]>;
  /** Hides each for so long from now on (0: it can be received at once); answers those where that failed. */
  changeVisibility(
    messages: readonly (Pick<ReceivedMessage, 'id' | 'receipt'> & { readonly visibilitySec: number })[],
    signal: AbortSignal,
  ): Promise<readonly MessageFailure[]>;
  /**
   * Sends up to MESSAGES_PER_CALL; resolves when the queue has every one of them, else throws. Some may be sent then.
   * `queue_refused` where the queue takes no such message: one that is too large, a delay on a FIFO queue.
   */
  send(messages: readonly MessageToSend[], signal: AbortSignal): Promise<void>;
  facts(signal: AbortSignal): Promise<MessageQueueFacts>;
  close(): Promise<void>;
}
