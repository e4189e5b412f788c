// Decides what follows when an attempt of a shell without a queue of its own failed: once more after a short wait,
// while the message is held; later, by a copy of the message; or nothing, and the message stays for a person.
import { backoffMs, type BackoffPolicy } from '../../core/backoff.ts';
import type { Random } from '../../core/clock.ts';
import type { Fault } from '../../core/faults.ts';
import type { StoresHealth } from '../store-health.ts';
import type { Carried } from './carried.ts';

/** Longer than this a message is not held only to wait: a copy of it waits in the queue instead. */
const LONGEST_HOLD_MS = 10_000;

export interface FailurePolicy {
  readonly random: Random;
  readonly health: StoresHealth;
  /** Counted failures after which the message stays in the queue. */
  readonly maxAttempts: number;
  /** Its cap is the longest delay that a message can have. */
  readonly backoff: BackoffPolicy;
}

export type AfterFailure =
  | { readonly kind: 'leave'; readonly carried: Carried }
  | {
      readonly kind: 'again';
      readonly delayMs: number;
      /** The message may be held meanwhile. */
      readonly isSoon: boolean;
      readonly carried: Carried;
      readonly isStoreDown: boolean;
    };

/**
 * What follows a fault. Only what would be parked where a queue holds transfers is left for a person: faults that say
 * so, and any other that came too often. An object that changes all the time is no failure, however long it does.
 */
export function afterFailure(policy: FailurePolicy, fault: Fault, carried: Carried): AfterFailure {
  const { random, health, maxAttempts, backoff } = policy;
  const store = health.ownerOf(fault);
  const isWaiting =
    fault.disposition === 'wait_for_store' ||
    fault.code === 'source_changing' ||
    (store?.isWaitedOut(fault) ?? false);
  const isCounted = !isWaiting && fault.disposition !== 'park';
  const next: Carried = {
    attemptCount: carried.attemptCount + (isCounted ? 1 : 0),
    waitCount: isWaiting ? carried.waitCount + 1 : 0,
  };
  if (fault.disposition === 'park' || (isCounted && next.attemptCount >= maxAttempts))
    return { kind: 'leave', carried: next };
  const failures = isWaiting ? next.waitCount : next.attemptCount;
  const ownMs =
    fault.disposition === 'retry_now' ? 0 : backoffMs(backoff, failures, random.next(), fault.retryAfterMs);
  const delayMs = Math.min(Math.max(ownMs, store?.budget.take() ?? 0), backoff.capMs);
  const isStoreDown = fault.disposition === 'wait_for_store' && health.isDown;
  const isSoon = delayMs <= LONGEST_HOLD_MS && !isStoreDown;
  return { kind: 'again', delayMs, isSoon, carried: next, isStoreDown };
}
