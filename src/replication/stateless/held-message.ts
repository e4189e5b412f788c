// A message that this process holds: until when it is surely hidden from everybody else, and why it is held no more.
import { LeaseLost } from '../attempt.ts';

/** The reason of an abort where no time is left for what a message asks for. */
export class TimeIsUp extends Error {
  override readonly name = 'TimeIsUp';
}

export interface HeldMessageOptions {
  readonly id: string;
  readonly body: string;
  /** 1 for the first receipt: more means that somebody else had it before. */
  readonly receiveCount: number;
  /** Unix milliseconds; null where nobody told. */
  readonly sentAtMs: number | null;
  /** By the monotonic clock. */
  readonly heldSinceMonotonicMs: number;
  /** The end of its visibility, counted from before the request that hid the message was sent. */
  readonly leaseEndsAtMonotonicMs: number;
  /** Work on it has to be over then: it can be held no longer. */
  readonly endsByMonotonicMs: number;
}

export class HeldMessage {
  readonly id: string;
  readonly body: string;
  readonly receiveCount: number;
  readonly sentAtMs: number | null;
  readonly heldSinceMonotonicMs: number;
  readonly endsByMonotonicMs: number;
  readonly #over = new AbortController();
  #leaseEndsAtMonotonicMs: number;

  constructor(options: HeldMessageOptions) {
    this.id = options.id;
    this.body = options.body;
    this.receiveCount = options.receiveCount;
    this.sentAtMs = options.sentAtMs;
    this.heldSinceMonotonicMs = options.heldSinceMonotonicMs;
    this.endsByMonotonicMs = options.endsByMonotonicMs;
    this.#leaseEndsAtMonotonicMs = options.leaseEndsAtMonotonicMs;
  }

  /** Aborted once the message is held no more; the reason is a LeaseLost, a TimeIsUp or SHUTDOWN. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  get isLost(): boolean {
    return this.signal.aborted && this.signal.reason instanceof LeaseLost;
  }

  /** No effect may be sent for it after this. */
  get leaseEndsAtMonotonicMs(): number {
    return this.isLost ? Number.NEGATIVE_INFINITY : this.#leaseEndsAtMonotonicMs;
  }

  /** Its visibility was extended. */
  extended(leaseEndsAtMonotonicMs: number): void {
    this.#leaseEndsAtMonotonicMs = Math.max(this.#leaseEndsAtMonotonicMs, leaseEndsAtMonotonicMs);
  }

  /** Ends all work on it, unless something ended it before. */
  end(reason: LeaseLost | TimeIsUp | Error): void {
    this.#over.abort(reason);
  }
}
