// The whole story of one source object: the rules that cover it, what both stores hold now, what the next look
// would do, and every transfer that is remembered.
import type { Outcome, Transfer } from '../core/transfer.ts';
import type { ObjectLocation, SourceState, TargetObject } from '../core/object.ts';
import type { FaultRecord } from '../core/faults.ts';

/** A side as it was found, or why it could not be looked at. */
export type SideNow<Present> =
  | { readonly kind: 'present'; readonly state: Present }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown'; readonly fault: FaultRecord };

export interface RuleExplanation {
  readonly ruleName: string;
  readonly target: ObjectLocation;
  readonly sourceNow: SideNow<SourceState>;
  readonly targetNow: SideNow<TargetObject>;
  /** What the next attempt would do, in words; null where a side is unknown. */
  readonly verdict: string | null;
  /** The outcome it would end with where nothing has to be moved; null otherwise. */
  readonly outcomeNow: Outcome | null;
  /** Newest first. */
  readonly transfers: readonly Transfer[];
}

export interface ObjectExplanation {
  readonly source: ObjectLocation;
  /** Empty where no rule covers the object; then `reason` says why. */
  readonly rules: readonly RuleExplanation[];
  readonly reason: string | null;
}

export type ExplainObject = (source: ObjectLocation, signal: AbortSignal) => Promise<ObjectExplanation>;
