// What the machine tells of itself: free space of a file system, and how late this process runs.
import { statfs } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { HostSensors } from '../core/overload.ts';

const RESOLUTION_MS = 20;

/** Sensors for the file system that holds `path`. Disposing ends the measuring of the process. */
export function openHostSensors(path: string): HostSensors & Disposable {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  return {
    async freeDiskBytes() {
      // What an ordinary user may still write; the reserve of the system's owner is not ours.
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    },
    loopLagMs() {
      const worstMs = delays.max / 1e6 - RESOLUTION_MS;
      delays.reset();
      return Math.max(0, worstMs);
    },
    [Symbol.dispose]: () => void delays.disable(),
  };
}
