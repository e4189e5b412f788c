// Decides when to ask the queue for due transfers, and for how many: as much as there is room for, at once where work
// arrives or an attempt ends, else when the next row is due.
import type { Clock } from '../core/clock.ts';
import type { Happenings } from '../core/happenings.ts';
import type { ClaimedTransfer, ClaimRoom, TransferQueue } from '../core/transfer-queue.ts';

/** Without work and without anything due, the queue is asked again after this. */
const IDLE_MS = 60_000;
/** A queue that answers with an error is asked again after this. */
const QUEUE_DOWN_MS = 15_000;

interface ClaimLoopOptions {
  readonly queue: TransferQueue;
  readonly clock: Clock;
  readonly happenings: Happenings;
  /** How many more attempts may run now. Whoever makes room calls `wake`. */
  readonly room: () => ClaimRoom;
  /** True where small transfers come before large ones this time. */
  readonly isSmallTurn: () => boolean;
  /** Milliseconds after which there may be room by itself, asked where there is none; null: somebody will wake. */
  readonly untilRoomMs: () => number | null;
  /** Starts the attempt of a claimed transfer; must not throw. */
  readonly begin: (claimed: ClaimedTransfer) => void;
}

/** Claims until it is stopped. */
export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  readonly #stopping = new AbortController();
  #wake: () => void = () => {};
  /**
   * The sleep under way. A wake leaves it alone: to end a sleep costs an error with its stack, for every object where
   * attempts end one by one; to wake once for nothing costs one claim.
   */
  #sleep: { readonly endsAtMs: number; readonly control: AbortController } | null = null;
  #endWork: () => void = () => {};
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ClaimLoopOptions) {
    this.#options = options;
  }

  /** Begins claiming. Call once. */
  start(): void {
    this.#endWork = this.#options.queue.onWork(() => this.wake());
    this.#loop = this.#run();
  }

  /** There may be work, or room for it. */
  wake(): void {
    this.#wake();
  }

  /** Resolves when no claim is under way any more; one that was has given its rows back. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#sleep?.control.abort();
    this.wake();
    await this.#loop;
    this.#endWork();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const wake = new Promise<void>((resolve) => (this.#wake = resolve));
      const waitMs = await this.#claimOnce(signal);
      if (waitMs === 0 || signal.aborted) continue;
      this.#wakeWithin(waitMs);
      await wake;
    }
  }

  /** Claims what there is room for; returns how long nothing has to be done unless somebody wakes. */
  async #claimOnce(signal: AbortSignal): Promise<number> {
    const { queue, happenings, room, untilRoomMs, begin } = this.#options;
    try {
      const free = room();
      if (free.total === 0) return Math.min(untilRoomMs() ?? IDLE_MS, IDLE_MS);
      const claimed = await this.#claim(free);
      if (signal.aborted) {
        for (const { lease } of claimed) await queue.release(lease, { owed: false });
        return 0;
      }
      for (const transfer of claimed) begin(transfer);
      if (claimed.length > 0) return 0;
      // Rows that are due in a lane without room are nothing to hurry for: whoever leaves the lane wakes.
      return Math.min((await queue.untilNextDueMs(free)) ?? IDLE_MS, IDLE_MS);
    } catch (error) {
      happenings.workerTroubled({ doing: 'claiming transfers', error });
      return QUEUE_DOWN_MS;
    }
  }

  async #claim(free: ClaimRoom): Promise<readonly ClaimedTransfer[]> {
    const { queue, isSmallTurn } = this.#options;
    if (free.large > 0 && isSmallTurn()) {
      const small = await queue.claim({ ...free, large: 0 });
      if (small.length > 0) return small;
    }
    return queue.claim(free);
  }

  #wakeWithin(ms: number): void {
    const { clock } = this.#options;
    const endsAtMs = clock.monotonicMs() + ms;
    if (this.#sleep !== null && this.#sleep.endsAtMs <= endsAtMs) return;
    this.#sleep?.control.abort();
    const sleep = { endsAtMs, control: new AbortController() };
    this.#sleep = sleep;
    const ended = (): void => {
      if (this.#sleep === sleep) this.#sleep = null;
    };
    const over = (): void => {
      ended();
      this.wake();
    };
    // It rejects only where another one has taken its place, or the loop is stopped.
    void clock.sleep(ms, sleep.control.signal).then(over, ended);
  }
}
