// Mirrors a proved absence, where the brake lets it pass: deletes the target object at exactly the state that was
// looked at before. Where a person rejected the delete, the object is marked instead, so that it stays for good.
import { type BrakeTrip, SHARE_FLOOR } from '../core/delete-brake.ts';
import { ownStamp } from '../core/decide.ts';
import { Fault } from '../core/faults.ts';
import type { TargetObject } from '../core/object.ts';
import { writeStamp } from '../core/stamp.ts';
import { untilAborted } from '../core/until-aborted.ts';
import type { Attempt, AttemptEnd } from './attempt.ts';
import type { Stores } from './copy-object.ts';
import { afterEffect } from './recheck.ts';

/**
 * Deletes `object` at its token, or marks it as kept. Null: the target or the source changed, or nobody answered, look again. Throws
 * the fault `delete_brake` where the delete is held.
 */
export async function removeObject(
  stores: Stores,
  attempt: Attempt,
  object: TargetObject,
): Promise<AttemptEnd | null> {
  // Nothing is sent on top of an effect that nobody answered, so nothing is counted for it either.
  attempt.assertAnswered();
  const { token } = object;
  const { rule, target, claimed } = attempt;
  // Counted for nothing where it answers too late: that only makes the brake stricter.
  const asked = stores.deleteBrake.ask({ rule, target, token, changeAtMs: claimed.changeAtMs });
  const answer = await untilAborted(asked, attempt.signal);
  if (answer.kind === 'held') throw heldFault(attempt, answer.trip);
  if (answer.kind === 'keep') return keepObject(stores, attempt, object);
  const removed = await attempt.sendEffect('delete', () =>
    stores.target.remove({ location: target, token, deadlineMs: stores.effectDeadlineMs }, attempt.signal),
  );
  if (removed.kind !== 'committed') return null;
  return afterEffect(stores, attempt, 'delete', null, { outcome: 'deleted', receipt: null });
}

async function keepObject(
  stores: Stores,
  attempt: Attempt,
  object: TargetObject,
): Promise<AttemptEnd | null> {
  const stamp = ownStamp(attempt.claimed.source, object);
  if (stamp === null) throw new Error('Only what we wrote can be kept from a delete');
  const mark = writeStamp({ ...stamp, adopted: true, isKept: true });
  const metadata = { ...object.metadata, custom: { ...object.metadata.custom, ...mark } };
  const answer = await attempt.sendEffect('metadata', () =>
    stores.target.updateMetadata(
      { location: attempt.target, token: object.token, metadata, deadlineMs: stores.effectDeadlineMs },
      attempt.signal,
    ),
  );
  if (answer.kind !== 'committed' || answer.object === null) return null;
  if (ownStamp(attempt.claimed.source, answer.object)?.isKept !== true) {
    throw new Fault('target_answer_mismatch', 'The target did not keep the mark that protects the object', {
      details: { generation: answer.object.generation },
    });
  }
  attempt.note = 'The delete was rejected by a person: the object stays at the target.';
  return afterEffect(stores, attempt, 'metadata', null, { outcome: 'skipped', receipt: null });
}

function heldFault({ rule }: Attempt, trip: BrakeTrip): Fault {
  const { deletes, limit, windowMs, objects } = trip;
  const { count, sharePercent } = rule.deleteBrake;
  const share =
    limit === count
      ? ''
      : ` (${sharePercent} % of about ${objects + deletes} objects, ${SHARE_FLOOR} at least)`;
  const windowSec = windowMs / 1000;
  return new Fault(
    'delete_brake',
    `Rule "${rule.name}" deleted ${deletes} objects within ${windowSec} s and may delete ${limit}${share}. This object was not deleted, and no other is until a person decides`,
    { details: { ruleName: rule.name, deletes, limit, windowSec, objects } },
  );
}
