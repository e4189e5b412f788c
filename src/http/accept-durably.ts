// The one place where the API hands changes to the intake: what cannot be stored durably is refused, whole, with a
// time to come back.
import type { ParsedChanges } from '../core/change.ts';
import type { IntakeAnswer } from '../replication/accept-change.ts';
import type { RouteDeps } from './http-deps.ts';
import { RequestProblem } from './problem.ts';

const RETRY_AFTER_SEC = 5;

/** Resolves when everything is stored. Throws `queue_unavailable`, and then nothing was taken. */
export async function acceptDurably(
  deps: Pick<RouteDeps, 'acceptChanges'>,
  parsed: ParsedChanges,
): Promise<IntakeAnswer> {
  try {
    return await deps.acceptChanges(parsed);
  } catch (cause) {
    throw new RequestProblem('queue_unavailable', 'Nothing of this request was accepted.', {
      cause,
      headers: { 'retry-after': String(RETRY_AFTER_SEC) },
    });
  }
}
