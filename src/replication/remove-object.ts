// Mirrors a proved absence: deletes the target object at exactly the state that was looked at before.
import type { TargetToken } from '../core/object.ts';
import type { Attempt, AttemptEnd } from './attempt.ts';
import type { Stores } from './copy-object.ts';

/** Deletes at `token`. Null: the target changed or nobody answered, look again. */
export async function removeObject(
  stores: Stores,
  attempt: Attempt,
  token: TargetToken,
): Promise<AttemptEnd | null> {
  const answer = await attempt.sendEffect('delete', () =>
    stores.target.remove(
      { location: attempt.target, token, deadlineMs: stores.effectDeadlineMs },
      attempt.signal,
    ),
  );
  return answer.kind === 'committed' ? { outcome: 'deleted', receipt: null } : null;
}
