// What the machine tells of itself: free space of a file system, and how late this process runs.
import { statfs } from 'node:fs/promises';
import type { HostSensors } from '../core/overload.ts';

const TICK_MS = 100;

/** Sensors for the file system that holds `path`; null where none does. Disposing ends the measuring of the process. */
export function openHostSensors(path: string | null): HostSensors & Disposable {
  const lag = measureLag();
  return {
    async freeDiskBytes() {
      if (path === null) return null;
      // What an ordinary user may still write; the reserve of the system's owner is not ours.
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    },
    loopLagMs: () => lag.worstMs(),
    [Symbol.dispose]: () => lag.end(),
  };
}

/**
 * A timer of its own: the histogram that Node offers forgets, when it is reset, when it ticked last, and so misses
 * every second pause of a process that only pauses.
 */
function measureLag(): { worstMs(): number; end(): void } {
  let seenMs = performance.now();
  let worstMs = 0;
  const note = (): void => {
    const nowMs = performance.now();
    worstMs = Math.max(worstMs, nowMs - seenMs - TICK_MS);
    seenMs = nowMs;
  };
  const timer = setInterval(note, TICK_MS);
  timer.unref();
  return {
    worstMs() {
      // A tick that is overdue counts now, and not once more when it comes.
      note();
      const worst = worstMs;
      worstMs = 0;
      return Math.max(0, worst);
    },
    end: () => clearInterval(timer),
  };
}
