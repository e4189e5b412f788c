// The look at the source after an effect, for shells where no queue serializes the attempts of one object. Two of them
// may work on one object at the same time, and the target's token cannot see two things: that an absent name was
// something meanwhile, and that the source went back to a state which another attempt found at the target and left
// alone. So whoever has changed the target looks whether the source still shows what the change was for; only then has
// it ended. Safeguards 18 to 22 in docs/decisions/020-look-again-without-a-queue.md.
import { mapMetadata, type MappedMetadata } from '../core/metadata-map.ts';
import { isSameState, type SourceState } from '../core/object.ts';
import type { ObjectSource } from '../core/object-source.ts';
import type { Rule } from '../core/rule.ts';
import type { Attempt, AttemptEnd, EffectKind } from './attempt.ts';

/** Says after which effects the source is looked at again. */
export interface RecheckPolicy {
  /** `bucket`: of the source. Asked when the effect was answered, with all that was seen of the bucket until then. */
  isNeeded(effect: EffectKind, rule: Rule, bucket: string): boolean;
}

/** A source state as one answer showed it, with what the rule makes of its metadata. */
export interface SeenState {
  readonly state: SourceState;
  readonly mapped: MappedMetadata;
}

/**
 * To be called with every effect that the target confirmed. `reason`: what the source showed, null where it showed
 * nothing. Resolves with `end` where the source still shows that, or where nobody has to look; null where it shows
 * something else, and both sides have to be looked at again.
 */
export async function afterEffect(
  stores: { readonly source: ObjectSource; readonly recheck?: RecheckPolicy },
  attempt: Attempt,
  effect: EffectKind,
  reason: SeenState | null,
  end: AttemptEnd,
): Promise<AttemptEnd | null> {
  const { rule, claimed } = attempt;
  if (stores.recheck?.isNeeded(effect, rule, claimed.source.bucket) !== true) return end;
  const look = await stores.source.look(claimed.source, attempt.signal);
  const isUnchanged =
    look.kind === 'absent'
      ? reason === null
      : reason !== null &&
        isSameState(look.state, reason.state) &&
        mapMetadata(look.state.metadata, rule.metadata).digest === reason.mapped.digest;
  if (isUnchanged) return end;
  attempt.landed = effect;
  return null;
}
