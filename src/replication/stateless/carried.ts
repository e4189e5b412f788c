// What a message carries from one shell to the next beside the object it is about: how often its work was tried. Every
// shell understands the message without it.
import type { Change, ParsedChanges } from '../../core/change.ts';

/** Counted failures so far, and how often in a row the work had to wait for a store. Both only make pauses longer. */
export interface Carried {
  readonly attemptCount: number;
  readonly waitCount: number;
}

export const NOTHING_CARRIED: Carried = { attemptCount: 0, waitCount: 0 };

/**
 * Why a message is sent again. `taken_over`: the message was received before, so that an attempt of somebody else may
 * have sent an effect that is still on its way; `unanswered`: the same of an effect of one's own; `retry`: the work is
 * not done; `left`: one object of a message that the others of it are to be acknowledged without.
 */
export type LookAgainReason = 'taken_over' | 'unanswered' | 'retry' | 'left';

/** The bodies of messages: what the shell gives, since the shapes of AWS are known to the triggers alone. */
export interface MessageDocuments {
  /** Takes a body apart. Never throws: what is not understood is malformed. */
  read(body: string): {
    readonly parsed: ParsedChanges;
    readonly carried: Carried;
    /** The one rule that it is for; null for every rule that covers its objects. */
    readonly ruleName: string | null;
  };
  /**
   * An ordinary S3 notification of one object that every shell accepts. `carried` and `ruleName` come back from `read`.
   * Rules that cover the same object each send their own: one for all would multiply with every round.
   */
  write(change: Change, carried: Carried, reason: LookAgainReason, ruleName: string | null): string;
}
