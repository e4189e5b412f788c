// What the messages that share the attempts of one object ask for together: they all get the same end.
import type { Change } from '../../core/change.ts';
import type { Fault } from '../../core/faults.ts';
import { LeaseLost } from '../attempt.ts';
import type { Carried } from './carried.ts';
import { type HeldMessage, TimeIsUp } from './held-message.ts';

/**
 * What became of one object of a message. `settled`: nothing is left to do for it, or a message that says so is in the
 * queue. `left`: it needs a person, or failed too often. `unsent`: it needs another message, which the queue did not
 * take. `interrupted`: nobody failed, and it has to be begun again.
 */
export type PartEnd =
  | { readonly kind: 'settled' }
  | { readonly kind: 'left'; readonly fault: Fault; readonly resend: Resend }
  | { readonly kind: 'unsent'; readonly fault: Fault }
  | { readonly kind: 'interrupted' };

/** How the object goes on by itself where the rest of its message is done. */
export interface Resend {
  readonly change: Change;
  readonly ruleName: string;
  readonly carried: Carried;
  readonly delayMs: number;
}

/** One object of one message. */
export interface RunPart {
  readonly message: HeldMessage;
  readonly change: Change;
  readonly carried: Carried;
  readonly resolve: (end: PartEnd) => void;
}

/** The change that stands for all of them: the newest of its hints, and the oldest of its times. */
export function changeOf(parts: readonly RunPart[]): Change {
  const last = parts.at(-1);
  if (last === undefined) throw new Error('Nobody asks for this object');
  const times = parts.flatMap(({ change, message }) => change.occurredAtMs ?? message.sentAtMs ?? []);
  return { ...last.change, occurredAtMs: times.length === 0 ? null : Math.min(...times) };
}

/** The farthest that any of them got. */
export function carriedOf(parts: readonly RunPart[]): Carried {
  return {
    attemptCount: Math.max(...parts.map(({ carried }) => carried.attemptCount)),
    waitCount: Math.max(...parts.map(({ carried }) => carried.waitCount)),
  };
}

/** True where somebody else held one of them before: what that one sent may still arrive. */
export function isTakenOver(parts: readonly RunPart[]): boolean {
  return parts.some(({ message }) => message.receiveCount > 1);
}

export function receiveCountOf(parts: readonly RunPart[]): number {
  return Math.max(...parts.map(({ message }) => message.receiveCount));
}

/**
 * Effects may be sent as long as one of the messages is held: whoever gets the others looks for itself, and the one
 * that is held comes back to somebody if this process dies.
 */
export function leaseEndOf(parts: readonly RunPart[]): number {
  return Math.max(...parts.map(({ message }) => message.leaseEndsAtMonotonicMs));
}

/** When the work has to be over, by the monotonic clock. */
export function endsByOf(parts: readonly RunPart[]): number {
  return Math.max(...parts.map(({ message }) => message.endsByMonotonicMs));
}

/** True where an attempt of this length had most of the time that there can be. */
export function hadItsTime(parts: readonly RunPart[], spentMs: number): boolean {
  return parts.some(({ message }) => spentMs * 2 >= message.endsByMonotonicMs - message.heldSinceMonotonicMs);
}

/** True where somebody, maybe this process, had to put it off before. */
export function wasPutOff(parts: readonly RunPart[]): boolean {
  return parts.some(({ message, carried }) => message.receiveCount > 1 || carried.waitCount > 0);
}

/** True where an attempt was cut short because nobody has any more time for it, and nobody lost a message. */
export function isOutOfTime(parts: readonly RunPart[], reason: unknown): boolean {
  if (reason instanceof TimeIsUp) return true;
  if (!(reason instanceof LeaseLost)) return false;
  // Where a message is held until its time is up and no longer, the last effects find the lease too short.
  return parts.some(
    ({ message }) => !message.isLost && message.leaseEndsAtMonotonicMs >= message.endsByMonotonicMs,
  );
}
