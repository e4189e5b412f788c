// Decides from the answers of a message queue whether it can be used, and when it is asked again where it cannot.
import { backoffMs } from '../core/backoff.ts';
import type { Clock, Random } from '../core/clock.ts';
import { type Fault, recordOfFault } from '../core/faults.ts';
import type {
  MessageIntakeHappenings,
  MessageQueueRequest,
  MessageQueueTrouble,
} from '../core/message-intake.ts';

const BACKOFF = { baseMs: 1_000, capMs: 30_000 };
/** Chance must not make it none at all: then a queue that refuses at once would be asked without a pause. */
const SHORTEST_WAIT_MS = 500;
/** A single refusal that passes by itself is no trouble yet. */
const FAILURES_TO_TELL = 2;
/** Without another failure for so long, nothing is left to delete. */
const FORGET_DELETE_MS = 10 * 60_000;

interface Streak {
  readonly beganMs: number;
  failures: number;
  lastMs: number;
}

export class QueueTrouble {
  readonly #queueUrl: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #happenings: Pick<MessageIntakeHappenings, 'messageQueueDown' | 'messageQueueUp'>;
  readonly #streaks = new Map<MessageQueueRequest, Streak>();
  #told: { readonly beganMs: number; trouble: MessageQueueTrouble } | null = null;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    readonly queueUrl: string;
    readonly clock: Clock;
    readonly random: Random;
    readonly happenings: Pick<MessageIntakeHappenings, 'messageQueueDown' | 'messageQueueUp'>;
  }) {
    this.#queueUrl = options.queueUrl;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#happenings = options.happenings;
  }

  /** What is told of it now; null while the queue can be used. */
  get told(): MessageQueueTrouble | null {
    return this.#told?.trouble ?? null;
  }

  /** Milliseconds until the queue may be asked for messages again; 0: now. */
  get waitMs(): number {
    return Math.max(0, this.#notBeforeMs - this.#clock.monotonicMs());
  }

  /** True while a kind of request fails: one receive at a time is enough to find out. */
  get isDown(): boolean {
    return this.#streaks.size > 0;
  }

  failed(call: MessageQueueRequest, fault: Fault): void {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#streaks.get(call);
    const streak = known ?? { beganMs: nowMs, failures: 0, lastMs: nowMs };
    this.#streaks.set(call, streak);
    streak.lastMs = nowMs;
    // Several requests were under way when the queue went: that is one failure.
    if (known === undefined || this.waitMs === 0) {
      streak.failures += 1;
      const jittered = backoffMs(BACKOFF, streak.failures, this.#random.next(), fault.retryAfterMs);
      this.#notBeforeMs = nowMs + Math.max(SHORTEST_WAIT_MS, jittered);
    }
    if (this.#told === null && fault.disposition === 'wait_for_store' && streak.failures < FAILURES_TO_TELL)
      return;
    const wallMs = this.#clock.nowMs();
    const sinceMs = this.#told?.trouble.sinceMs ?? wallMs - (nowMs - streak.beganMs);
    const trouble = { sinceMs, fault: recordOfFault(fault, wallMs) };
    const isNew = this.#told === null;
    this.#told = { beganMs: this.#told?.beganMs ?? streak.beganMs, trouble };
    if (isNew) this.#happenings.messageQueueDown({ queueUrl: this.#queueUrl, call, ...trouble });
  }

  succeeded(call: MessageQueueRequest): void {
    const nowMs = this.#clock.monotonicMs();
    this.#streaks.delete(call);
    const deletes = this.#streaks.get('delete');
    if (deletes !== undefined && nowMs - deletes.lastMs >= FORGET_DELETE_MS) this.#streaks.delete('delete');
    if (this.#streaks.size > 0) return;
    this.#notBeforeMs = Number.NEGATIVE_INFINITY;
    const told = this.#told;
    this.#told = null;
    if (told === null) return;
    this.#happenings.messageQueueUp({ queueUrl: this.#queueUrl, downForMs: nowMs - told.beganMs });
  }
}
