// Ports about the intake from a message queue: what became of each message, what is told, and what is shown of it.
import type { FaultRecord } from './faults.ts';
import type { RefusalReason } from './overload.ts';

/** What became of one receipt of a message. */
export const MESSAGE_RESULTS = [
  /** Stored: at least one change that a rule covers. */
  'accepted',
  /** No work: a test event, a bucket without a rule, an event of another service. */
  'ignored',
  /** Kept in the quarantine: nothing in it could be used, and something not be understood. */
  'quarantined',
  /** It came again although it was stored already. */
  'repeated',
  /** Could not be stored now and was left to come again. */
  'returned',
] as const;

export type MessageResult = (typeof MESSAGE_RESULTS)[number];

/** Why no messages are asked for although the queue answers. */
export type PauseReason = Extract<RefusalReason, 'disk_reserve' | 'event_loop' | 'queue'>;

/** A request that is denied may be one of two kinds; each has to succeed again by itself. */
export type MessageQueueRequest = 'receive' | 'delete';

/** A queue that cannot be used. `fault`: the latest failure. */
export interface MessageQueueTrouble {
  readonly sinceMs: number;
  readonly fault: FaultRecord;
}

/** What is known of the intake from one message queue; asking costs nothing and sends nothing. */
export interface MessageIntakeState {
  readonly queueUrl: string;
  /** Null while the queue can be used. */
  readonly trouble: MessageQueueTrouble | null;
  /** Null while messages are asked for. */
  readonly pause: { readonly sinceMs: number; readonly reason: PauseReason; readonly detail: string } | null;
  /** Messages received and neither acknowledged nor given back. */
  readonly inHand: number;
  /** When the last message came, by the wall clock; null where none has come yet. */
  readonly receivedAtMs: number | null;
  /** About how many messages wait in the queue; null where it does not tell. */
  readonly waiting: number | null;
}

/** No method throws or waits. */
export interface MessageIntakeHappenings {
  messagesHandled(result: MessageResult, count: number): void;
  /** So many messages are done with and could not be deleted: they come again. */
  messagesNotDeleted(count: number): void;
  /** The queue has given its first answer to a receive; told once for a process. */
  messageIntakeBegan(event: { readonly queueUrl: string }): void;
  /** The queue cannot be used from now on, because this kind of request fails; told once until it can. */
  messageQueueDown(
    event: MessageQueueTrouble & { readonly queueUrl: string; readonly call: MessageQueueRequest },
  ): void;
  messageQueueUp(event: { readonly queueUrl: string; readonly downForMs: number }): void;
  /** Nothing is asked for from now on; told once until it is. */
  messageIntakePaused(event: { readonly reason: PauseReason; readonly detail: string }): void;
  messageIntakeResumed(event: { readonly reason: PauseReason; readonly pausedForMs: number }): void;
}
