// How much of its time the process works: what it waits for by itself, a sync of the disk among it, counts as work.
import { performance } from 'node:perf_hooks';

/** Each call tells the share, from 0 to 1, of the time since the one before. */
export function createBusyShare(): () => number {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
}
