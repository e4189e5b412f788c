// What a person decides about the deletes that the brake holds: let them pass, or let their objects stay. A held
// delete is a parked transfer, never a stored effect: either way it is run again and looks at both sides first. The
// decision is written down before anything runs, so that a crash in between leaves nothing half decided.
import type { Clock } from '../core/clock.ts';
import type { Happenings } from '../core/happenings.ts';
import type { Rule } from '../core/rule.ts';
import type { ParkedFilter, TransferQueue } from '../core/transfer-queue.ts';
import type { BrakeView, DeleteBrake } from './delete-brake.ts';
import { redriveParked } from './redrive-parked.ts';

/** A transfer that was told to wait just before a decision is parked just after it: nobody would run it again. */
const SWEEP_MS = 60_000;
const ROWS_PER_PAGE = 500;

export type BrakeAction = 'release' | 'reject';

interface HeldDeletesOptions {
  readonly rules: readonly Rule[];
  readonly queue: TransferQueue;
  readonly brake: DeleteBrake;
  readonly clock: Clock;
  readonly happenings: Pick<Happenings, 'workerTroubled'>;
}

export class HeldDeletes {
  readonly #options: HeldDeletesOptions;
  /** Decisions about one rule go one after the other: a second one finds what the first has left. */
  readonly #deciding = new Map<string, Promise<unknown>>();

  constructor(options: HeldDeletesOptions) {
    this.#options = options;
  }

  /** The rules that mirror deletes, each with its brake and the number of deletes that it holds. */
  async list(): Promise<
    readonly { readonly rule: Rule; readonly brake: BrakeView; readonly held: number }[]
  > {
    const { rules, brake, queue } = this.#options;
    const mirroring = rules.filter(({ deletes }) => deletes === 'mirror');
    const views = await brake.views(mirroring);
    const classes = await queue.parkedClasses();
    return mirroring.flatMap((rule) => {
      const view = views.find(({ ruleName }) => ruleName === rule.name);
      const held = classes.find(
        ({ ruleName, faultCode }) => ruleName === rule.name && faultCode === 'delete_brake',
      );
      return view === undefined ? [] : [{ rule, brake: view, held: held?.count ?? 0 }];
    });
  }

  /**
   * Releases or rejects what the rule's brake holds now. Resolves with how many were held, when all of them are due
   * again; `isStopped` true ends it early, and the rest is made due later or after a restart.
   */
  async decide(ruleName: string, action: BrakeAction, isStopped: () => boolean): Promise<number> {
    const before = this.#deciding.get(ruleName) ?? Promise.resolve();
    const decided = before.then(() => this.#decide(ruleName, action, isStopped));
    const ended = decided.catch(() => {});
    this.#deciding.set(ruleName, ended);
    return decided;
  }

  async #decide(ruleName: string, action: BrakeAction, isStopped: () => boolean): Promise<number> {
    const { brake } = this.#options;
    const held = await this.#countHeld(ruleName);
    // Where nothing waits there is nothing to decide, and no later delete may be judged by it.
    if (held === 0 && !(await this.#isTripped(ruleName))) return 0;
    const changesUpToMs = await this.#youngestChangeMs(ruleName);
    if (action === 'release') await brake.release(ruleName, held, changesUpToMs);
    else await brake.reject(ruleName, changesUpToMs);
    await this.#redrive(ruleName, isStopped);
    return held;
  }

  async #countHeld(ruleName: string): Promise<number> {
    const classes = await this.#options.queue.parkedClasses();
    return (
      classes.find((parked) => parked.ruleName === ruleName && parked.faultCode === 'delete_brake')?.count ??
      0
    );
  }

  async #isTripped(ruleName: string): Promise<boolean> {
    const rules = this.#options.rules.filter(({ name }) => name === ruleName);
    return (await this.#options.brake.views(rules)).some(({ trip }) => trip !== null);
  }

  /** Now, or the time of the youngest held change where the wall clock was set back meanwhile. */
  async #youngestChangeMs(ruleName: string): Promise<number> {
    const { queue, clock } = this.#options;
    let youngestMs = clock.nowMs();
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<TransferQueue['list']>> = await queue.list({
        filter: { status: 'parked', ...heldBy(ruleName) },
        cursor,
        limit: ROWS_PER_PAGE,
      });
      for (const { changeAtMs } of page.transfers) youngestMs = Math.max(youngestMs, changeAtMs);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return youngestMs;
  }

  async #redrive(ruleName: string, isStopped: () => boolean): Promise<void> {
    for await (const _ of redriveParked(this.#options.queue, heldBy(ruleName))) {
      if (isStopped()) return;
    }
  }

  /**
   * Begins to run again what is parked by a brake that holds nothing any more: a decision that a crash cut short, or
   * an attempt that ended just after it. `stop` resolves when nothing runs any more.
   */
  startSweeping(): { stop(): Promise<void> } {
    const stopping = new AbortController();
    const sweeping = this.#sweepForever(stopping.signal);
    return {
      stop: async () => {
        stopping.abort();
        await sweeping;
      },
    };
  }

  async #sweepForever(signal: AbortSignal): Promise<void> {
    const { clock, happenings } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#sweep(signal);
      } catch (error) {
        happenings.workerTroubled({ doing: 'looking for held deletes to run again', error });
      }
      await clock.sleep(SWEEP_MS, signal).catch(() => {});
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    for (const { rule, brake, held } of await this.list()) {
      if (brake.trip === null && held > 0) await this.#redrive(rule.name, () => signal.aborted);
    }
  }
}

function heldBy(ruleName: string): ParkedFilter {
  return { ruleName, faultCode: 'delete_brake' };
}
