// Port: what a shell has to tell that works straight from the messages of a queue, beside what replication tells
// anyway (happenings.ts). No method throws or waits.
import type { Fault } from './faults.ts';
import type { TransferRef } from './happenings.ts';

export interface MessageHappenings {
  /**
   * The object is sent to the queue once more: it is looked at again after `delaySec`. `taken_over`, `unanswered`: the
   * object is equal, and an effect that nobody knows of may still arrive; `left`: it failed, and goes on by itself.
   */
  lookAgainSent(
    event: TransferRef & {
      readonly reason: 'taken_over' | 'unanswered' | 'left';
      readonly delaySec: number;
    },
  ): void;
  /** It needs a person, or has failed too often: its message stays in the queue, whose dead-letter policy takes it. */
  transferLeft(
    event: TransferRef & {
      readonly fault: Fault;
      readonly attemptCount: number;
      readonly receiveCount: number;
    },
  ): void;
  /** The service took the object over, which this shell cannot copy; `reason` says why. */
  transferHandedOver(event: TransferRef & { readonly reason: string }): void;
  /** Given back to the queue, nobody having failed: the shell stops, or has no time left. */
  transferGivenBack(event: TransferRef & { readonly reason: 'shutdown' | 'no_time' }): void;
  /** A record of a message could not be understood: the message stays in the queue. */
  recordLeft(event: {
    readonly messageId: string;
    readonly receiveCount: number;
    readonly reason: string;
    readonly rawStart: string;
  }): void;
}
