// Time and chance of the real world, for the ports of core.
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock, Random } from './core/clock.ts';

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await wait(ms, undefined, { signal });
    } catch (error) {
      // The timer wraps the reason; the port promises the reason itself.
      signal.throwIfAborted();
      throw error;
    }
  },
};

export const SYSTEM_RANDOM: Random = { next: () => Math.random() };
