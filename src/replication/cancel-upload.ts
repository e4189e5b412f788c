// Cancels upload sessions that nobody will finish. Best effort: a session also ends by itself.
import { Fault } from '../core/faults.ts';
import type { UploadSession } from '../core/object-target.ts';
import type { Attempt } from './attempt.ts';
import type { Stores } from './copy-object.ts';

/** A stored upload that an attempt ended without: the end forgets it, so this is the last who knows its session. */
export async function cancelUnused(stores: Stores, attempt: Attempt): Promise<void> {
  const { checkpoint } = attempt.claimed;
  if (checkpoint === null || attempt.hasTriedCheckpoint) return;
  attempt.hasTriedCheckpoint = true;
  await cancelQuietly(stores, attempt, checkpoint.session);
}

/** An upload that nobody finishes is invisible and expires by itself, so a failing cancel fails nothing else. */
export async function cancelQuietly(stores: Stores, attempt: Attempt, session: UploadSession): Promise<void> {
  try {
    await stores.target.cancelUpload(session, attempt.signal);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
}
