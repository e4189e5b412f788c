// Keeps effects on one name apart by as much as the target takes (Google Cloud Storage: about one a second). Only an
// effect waits: a look that finds nothing to do ends at once. The row goes back to the queue meanwhile, where all
// changes that arrive join it, so that one write follows for all of them.
import type { Attempt } from './attempt.ts';
import type { Stores } from './copy-object.ts';

/** The name was written a moment ago: the attempt goes back, due after `restMs`. Nobody failed. */
export class NameResting extends Error {
  override readonly name = 'NameResting';
  readonly restMs: number;

  constructor(restMs: number) {
    super(`The target takes the next change of this name in ${restMs} ms`);
    this.restMs = restMs;
  }
}

/** To be called before an effect on an object that is there. Throws NameResting where it would come too early. */
export function assertNameRested(stores: Stores, attempt: Attempt): void {
  attempt.assertAnswered();
  const { lastReceipt } = attempt.claimed;
  if (lastReceipt === null) return;
  const { sameNameIntervalMs } = stores.target.capabilities;
  const elapsedMs = stores.clock.nowMs() - lastReceipt.finishedAtMs;
  // A receipt from the future was written before the clock was set back: how long ago is unknown, and waiting for
  // the clock to catch up could take for ever. At worst the target asks for a pause itself.
  if (elapsedMs >= 0 && elapsedMs < sameNameIntervalMs) throw new NameResting(sameNameIntervalMs - elapsedMs);
}
