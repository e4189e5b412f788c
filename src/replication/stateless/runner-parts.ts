// What every attempt of a shell without a queue of its own works with.
import type { Clock } from '../../core/clock.ts';
import type { Happenings } from '../../core/happenings.ts';
import type { MessageHappenings } from '../../core/message-happenings.ts';
import type { MessageToSend } from '../../core/message-queue.ts';
import type { Stores } from '../copy-object.ts';
import type { RecheckPolicy } from '../recheck.ts';
import type { FailurePolicy } from './after-failure.ts';
import type { AttemptSlots } from './attempt-slots.ts';
import type { MessageDocuments } from './carried.ts';
import type { HandOver } from './hand-over.ts';

/** Resolves when the queue has the message. */
export type SendMessage = (message: MessageToSend, signal: AbortSignal) => Promise<void>;

export interface RunnerParts {
  /** Their calls are noted in the health of the policy. */
  readonly stores: Stores & { readonly recheck: RecheckPolicy };
  readonly clock: Clock;
  readonly happenings: Happenings & MessageHappenings;
  readonly documents: MessageDocuments;
  /** Null where messages do not come from a queue: what would need another one then fails. */
  readonly send: SendMessage | null;
  /** Null where no service is configured. */
  readonly handOver: HandOver | null;
  readonly slots: AttemptSlots;
  readonly policy: FailurePolicy;
  /** After this no effect that somebody else sent, or that was not answered, can arrive any more. */
  readonly graceMs: number;
  /** The same for somebody else who had the message before, and may not know yet that it is no longer held. */
  readonly takeoverGraceMs: number;
  /** While a store is down a message waits here for so long, then in the queue; null: as long as it is held. */
  readonly longestWaitMs: number | null;
  /** Larger objects are handed over without a try; null where only time decides. */
  readonly maxCarriedBytes: number | null;
  /** Once aborted no attempt begins any more. */
  readonly stopping: AbortSignal;
}
