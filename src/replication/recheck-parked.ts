// Parked is not the end where the reason may go away without a word: a permission is granted, a bucket made, a quota
// raised. Every quarter of an hour one parked transfer of each such class is tried as an example; where its attempt
// ends in another way than before, the rest of its class is run again. So a class that stays broken costs one
// attempt a round, however many transfers it has.
import type { Clock } from '../core/clock.ts';
import type { FaultCode } from '../core/faults.ts';
import type { Happenings } from '../core/happenings.ts';
import type { ParkedClass, TransferQueue } from '../core/transfer-queue.ts';
import type { Transfer } from '../core/transfer.ts';
import { redriveParked } from './redrive-parked.ts';

const ROUND_MS = 900_000;

/** Faults of a store or an account, never of a single object: what cures one transfer cures the class. */
export const RECHECKED_FAULTS: ReadonlySet<FaultCode> = new Set<FaultCode>([
  'access_denied',
  'key_access_denied',
  'source_bucket_missing',
  'target_bucket_missing',
  'credentials_invalid',
  'quota_exhausted',
  // A rule that was wrong for a while.
  'rule_missing',
]);

interface RecheckDeps {
  readonly queue: TransferQueue;
  readonly clock: Clock;
  readonly happenings: Happenings;
}

/**
 * Begins rechecking, with a round at once: a restart is often part of the cure. `stop` ends it and resolves when
 * nothing runs any more; what was redriven by then stays so.
 */
export function startRechecking(deps: RecheckDeps): { stop(): Promise<void> } {
  const rechecking = new Rechecking(deps);
  const running = rechecking.run();
  return {
    async stop() {
      rechecking.abort();
      await running;
    },
  };
}

class Rechecking {
  readonly #deps: RecheckDeps;
  readonly #stopping = new AbortController();
  /** The class of each example whose attempt has not ended, by the id of its transfer. One for each class. */
  readonly #examples = new Map<string, ParkedClass>();
  readonly #judging = new Set<Promise<void>>();

  constructor(deps: RecheckDeps) {
    this.#deps = deps;
  }

  abort(): void {
    this.#stopping.abort();
  }

  async run(): Promise<void> {
    const { queue, clock } = this.#deps;
    const { signal } = this.#stopping;
    const unlisten = queue.onChanged((ids) => {
      for (const id of ids) if (this.#examples.has(id)) this.#judge(id);
    });
    while (!signal.aborted) {
      await this.#guarded(() => this.#round());
      await clock.sleep(ROUND_MS, signal).catch(() => {});
    }
    unlisten();
    await Promise.all(this.#judging);
  }

  async #round(): Promise<void> {
    const { queue, happenings } = this.#deps;
    // Ends that nobody told of: a transfer that is forgotten meanwhile, an error while it was judged.
    for (const id of this.#examples.keys()) this.#judge(id);
    for (const parked of await queue.parkedClasses()) {
      if (this.#stopping.signal.aborted) return;
      const { ruleName, faultCode, count } = parked;
      if (!RECHECKED_FAULTS.has(faultCode) || this.#isUnderWay(parked)) continue;
      const example = await queue.redrive(parked.exampleTransferId);
      if (example === null) continue;
      const { transferId } = example;
      this.#examples.set(transferId, parked);
      happenings.parkedRechecked({ transferId, ruleName, faultCode, count });
      // It may have ended before anybody listened for it.
      this.#judge(transferId);
    }
  }

  #isUnderWay({ ruleName, faultCode }: ParkedClass): boolean {
    return [...this.#examples.values()].some(
      (parked) => parked.ruleName === ruleName && parked.faultCode === faultCode,
    );
  }

  #judge(transferId: string): void {
    const judged = this.#guarded(() => this.#judgeNow(transferId)).finally(() => {
      this.#judging.delete(judged);
    });
    this.#judging.add(judged);
  }

  async #judgeNow(transferId: string): Promise<void> {
    const { queue, happenings } = this.#deps;
    const transfer = await queue.get(transferId);
    const parked = this.#examples.get(transferId);
    if (parked === undefined) return;
    const { ruleName, faultCode } = parked;
    const verdict = verdictOn(transfer, faultCode);
    if (verdict === 'waiting') return;
    this.#examples.delete(transferId);
    if (verdict !== 'cured') return;
    let redriven = 0;
    for await (const step of redriveParked(queue, { ruleName, faultCode })) {
      redriven += step;
      if (this.#stopping.signal.aborted) break;
    }
    if (redriven > 0) happenings.parkedClassRedriven({ transferId, ruleName, faultCode, redriven });
  }

  async #guarded(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#deps.happenings.workerTroubled({ doing: 'rechecking parked transfers', error });
    }
  }
}

/** What the example shows about its class; null is a transfer that is forgotten. */
function verdictOn(transfer: Transfer | null, faultCode: FaultCode): 'waiting' | 'cured' | 'not_shown' {
  if (transfer === null) return 'not_shown';
  const { status, outcome, fault } = transfer;
  if (status === 'queued' || status === 'copying') return 'waiting';
  if (status === 'parked') return fault?.code === faultCode ? 'not_shown' : 'cured';
  // Neither says that the stores were asked: the first stands for an attempt that failed while a change arrived, the
  // second for an object that the rule no longer covers.
  return outcome === 'superseded' || outcome === 'skipped' ? 'not_shown' : 'cured';
}
