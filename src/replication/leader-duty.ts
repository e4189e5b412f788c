// Work that only one of the processes sharing a queue should do: begun while this one leads, stopped when another
// does. A beginning that fails is told and tried again.
import type { Clock } from '../core/clock.ts';
import type { Happenings } from '../core/happenings.ts';
import type { Leadership } from '../core/leadership.ts';

const RETRY_MS = 5_000;

interface Stoppable {
  /** Resolves when nothing runs any more. */
  stop(): Promise<void>;
}

interface LeaderDutyOptions<Work> {
  readonly leadership: Leadership;
  readonly clock: Clock;
  readonly happenings: Pick<Happenings, 'workerTroubled'>;
  /** In a sentence, for the log: "reading ...". */
  readonly doing: string;
  readonly begin: () => Work | Promise<Work>;
}

export class LeaderDuty<Work extends Stoppable> {
  readonly #options: LeaderDutyOptions<Work>;
  readonly #stopping = new AbortController();
  #work: Work | null = null;
  #changing: Promise<void> = Promise.resolve();
  #unlisten: () => void = () => {};

  private constructor(options: LeaderDutyOptions<Work>) {
    this.#options = options;
  }

  /** Begins at once where this process leads; rejects where that fails, as a start that fails. */
  static async open<Work extends Stoppable>(options: LeaderDutyOptions<Work>): Promise<LeaderDuty<Work>> {
    const duty = new LeaderDuty(options);
    if (options.leadership.isLeader) duty.#work = await options.begin();
    duty.#unlisten = options.leadership.onChange(() => duty.#follow());
    // It may have changed while the work began.
    duty.#follow();
    return duty;
  }

  /** What is under way; null while another process leads. */
  get work(): Work | null {
    return this.#work;
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#unlisten();
    this.#stopping.abort();
    await this.#changing;
    await this.#work?.stop();
    this.#work = null;
  }

  #follow(): void {
    this.#changing = this.#changing.then(() => this.#settle());
  }

  /** Until what runs is what should run. */
  async #settle(): Promise<void> {
    const { leadership, clock, happenings, doing, begin } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted && leadership.isLeader !== (this.#work !== null)) {
      try {
        if (this.#work === null) {
          this.#work = await begin();
        } else {
          const ended = this.#work;
          this.#work = null;
          await ended.stop();
        }
      } catch (error) {
        happenings.workerTroubled({ doing, error });
        await clock.sleep(RETRY_MS, signal).catch(() => {});
      }
    }
  }
}
