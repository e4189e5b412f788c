// A request on its way in a small world: what it does when it arrives, and what its sender then knows.
import type { ClaimedTransfer, Lease } from '../../src/core/transfer-queue.ts';
import { fingerprint } from './fingerprint.ts';
import type { Call, Trouble } from './network.ts';
import type { Process } from './scheduler.ts';

/** What came back from a store: how it reaches the caller, and what the caller then knows. */
export interface Answered {
  readonly deliver: () => void;
  readonly seen: string;
  readonly shown: string;
  /** Where the answer gives or extends a lease: until when. */
  readonly leaseEndsAtMs: number | null;
}

/** A request on its way. `isStray`: nobody waits for it any more. */
export interface Request {
  readonly process: Process;
  readonly op: string;
  readonly isEffect: boolean;
  readonly name: () => string;
  readonly asks: () => string;
  readonly latestMs: number;
  readonly perform: () => Promise<Answered>;
  readonly fail: (trouble: Trouble) => Answered;
  readonly forget: () => void;
  isStray: boolean;
  isPerformed: boolean;
}

/** The request that a call becomes. `resolve` and `reject` reach the caller, `forget` ends its interest. */
export function requestOf<Answer>(
  call: Call<Answer>,
  latestMs: number,
  resolve: (answer: Answer) => void,
  reject: (error: unknown) => void,
  forget: () => void,
): Request {
  const { process, op, isEffect, name, asks, perform, show, troubled } = call;
  const failing = (error: unknown): Answered => ({
    deliver: () => reject(error),
    seen: fingerprint(error),
    shown: String(error),
    leaseEndsAtMs: null,
  });
  return {
    process,
    op,
    isEffect,
    name,
    latestMs,
    forget,
    asks: () => `${op} ${fingerprint(asks)}`,
    perform: async () => {
      try {
        const answer = await perform();
        const leaseEndsAtMs = leaseEndOf(op, answer);
        return {
          deliver: () => resolve(answer),
          seen: fingerprint(answer),
          shown: show(answer),
          leaseEndsAtMs,
        };
      } catch (error) {
        return failing(error);
      }
    },
    fail: (trouble) => {
      try {
        const answer = troubled(trouble);
        return { deliver: () => resolve(answer), seen: trouble, shown: trouble, leaseEndsAtMs: null };
      } catch (error) {
        return failing(error);
      }
    },
    isStray: false,
    isPerformed: false,
  };
}

function leaseEndOf(op: string, answer: unknown): number | null {
  if (op === 'renew') return (answer as Lease | null)?.expiresAtMonotonicMs ?? null;
  if (op === 'claim') return (answer as readonly ClaimedTransfer[])[0]?.lease.expiresAtMonotonicMs ?? null;
  return null;
}
