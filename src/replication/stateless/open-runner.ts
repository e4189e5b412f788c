// Puts together what converges messages: the stores watched for their health, versions learned from every answer, the
// slots, and the runner over them. One for a process: what it has learned stays from message to message.
//
// For whoever builds a shell (the long-running worker, the function):
//   1. `openRunner(options)` once for the process.
//   2. `runner.run(message)` for each message held, which resolves with what is to become of it (message-runner.ts);
//      `convergeBatch` (converge-batch.ts) does so for all messages of an invocation until a deadline.
//   3. `stop()` where no attempt is to begin any more.
import type { BackoffPolicy } from '../../core/backoff.ts';
import type { Clock, Random } from '../../core/clock.ts';
import type { Happenings } from '../../core/happenings.ts';
import type { MessageHappenings } from '../../core/message-happenings.ts';
import { LONGEST_DELAY_SEC } from '../../core/message-queue.ts';
import type { Rule } from '../../core/rule.ts';
import type { StoreState } from '../../core/store-state.ts';
import type { Stores } from '../copy-object.ts';
import type { RecheckPolicy } from '../recheck.ts';
import { SHUTDOWN } from '../record-end.ts';
import { StoresHealth } from '../store-health.ts';
import { watchSource, watchTarget } from '../watched-stores.ts';
import { AttemptSlots } from './attempt-slots.ts';
import type { MessageDocuments } from './carried.ts';
import type { HandOver } from './hand-over.ts';
import type { HeldMessage } from './held-message.ts';
import { type MessageFate, MessageRunner } from './message-runner.ts';
import type { SendMessage } from './runner-parts.ts';
import { VersionedBuckets } from './versioned-buckets.ts';

export interface RunnerOptions {
  readonly rules: readonly Rule[];
  /** Without a recheck policy: the runner brings its own, and learns from the answers of these. */
  readonly stores: Stores;
  readonly clock: Clock;
  readonly random: Random;
  readonly happenings: Happenings & MessageHappenings;
  /** How bodies of messages are read and written. */
  readonly documents: MessageDocuments;
  /**
   * Sends a message to the queue that messages come from. Null where they come from none (a function that S3 calls
   * itself): whatever would need one ends as `leave`, so that the invocation fails and is made again.
   */
  readonly send: SendMessage | null;
  /** Takes over what this shell cannot copy; null where no service is configured. */
  readonly handOver: HandOver | null;
  readonly maxConcurrency: number;
  /** As for `InFlightLimit`. */
  readonly busyShare?: () => number;
  /** Counted failures of an object after which its message stays in the queue. */
  readonly maxAttempts: number;
  /** Upper bound of the first pause between two attempts; pauses double up to the longest delay of a message. */
  readonly backoffMs: number;
  /** The settle grace; more than the longest delay of a message counts as that. */
  readonly graceMs: number;
  /**
   * The grace after a message that somebody had before, where that one cannot know for how long it was hidden, and may
   * still send effects after others got it. Left out: `graceMs`.
   */
  readonly takeoverGraceMs?: number;
  /** Objects larger than this are handed over without a try; null where only time decides. */
  readonly maxCarriedBytes: number | null;
  /**
   * For shells that are paid for by the time they wait: while a store is down a message is held for so long only to wait
   * for it, then a copy of it waits in the queue. Left out: as long as it is held.
   */
  readonly longestWaitMs?: number;
  /** Told whenever an attempt may begin that could not before. */
  readonly onFree?: () => void;
  /** Replaces the policy of the looks after effects, for whoever wants to see what a wrong one leads to. */
  readonly recheck?: (learned: RecheckPolicy) => RecheckPolicy;
}

/** What a shell sees of it. */
export interface Runner {
  /** Works on a message until it is decided what becomes of it. */
  run(message: HeldMessage): Promise<MessageFate>;
  /** Attempts that could begin now. */
  readonly free: number;
  /** Milliseconds until there may be one where the stores let none begin now; null where it is not for them. */
  readonly untilFreeMs: number | null;
  /** No attempt begins any more; what waits for one is given back, what runs goes on. */
  stop(): void;
  storeStates(): readonly StoreState[];
}

/** The settle grace as messages can wait for it. */
export function graceOfMessages(graceMs: number): number {
  return Math.min(graceMs, LONGEST_DELAY_SEC * 1000);
}

/** Opens a runner. It holds nothing that has to be closed. */
export function openRunner(options: RunnerOptions): Runner {
  const { rules, stores, clock, random, happenings, maxConcurrency, onFree = () => {} } = options;
  const backoff: BackoffPolicy = { baseMs: options.backoffMs, capMs: LONGEST_DELAY_SEC * 1000 };
  const stopping = new AbortController();
  const versions = new VersionedBuckets();
  const health = new StoresHealth({
    clock,
    random,
    happenings,
    maxConcurrency,
    ...(options.busyShare === undefined ? {} : { busyShare: options.busyShare }),
    isHeldBack: () => stores.byteBudget.isWaitedFor,
    backoff,
    onUp: () => slots.serve(),
    // Only the queue knows.
    countWaiting: () => Promise.resolve(null),
  });
  const slots = new AttemptSlots({ health, clock, maxConcurrency, onFree });
  const runner = new MessageRunner({
    rules,
    versions,
    parts: {
      stores: {
        ...stores,
        source: watchSource(versions.learnFrom(stores.source), health.source),
        target: watchTarget(stores.target, health.target),
        recheck: options.recheck?.(versions) ?? versions,
      },
      clock,
      happenings,
      documents: options.documents,
      send: options.send,
      handOver: options.handOver,
      slots,
      policy: { random, health, maxAttempts: options.maxAttempts, backoff },
      graceMs: graceOfMessages(options.graceMs),
      takeoverGraceMs: graceOfMessages(options.takeoverGraceMs ?? options.graceMs),
      longestWaitMs: options.longestWaitMs ?? null,
      maxCarriedBytes: options.maxCarriedBytes,
      stopping: stopping.signal,
    },
  });
  return {
    run: (message) => runner.run(message),
    get free() {
      return stopping.signal.aborted ? 0 : slots.free;
    },
    get untilFreeMs() {
      return slots.untilFreeMs;
    },
    stop: () => stopping.abort(SHUTDOWN),
    storeStates: () => health.states(),
  };
}
