// A program that copies everything and ends: its time, CPU and memory, as the system tells them while it runs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Measurement } from '../measurement.ts';
import { cpuSeconds, memoryMiB } from '../../test/measure/process-figures.ts';

/** The last look at a process may be so old. */
const LOOK_MS = 20;

/** Runs it to its end. Rejects with what it wrote to stderr where it fails. */
export async function measureProcess(options: {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}): Promise<Omit<Measurement, 'calls'>> {
  const startedMs = performance.now();
  const child = spawn(options.command, options.args, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...options.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4_000)));
  const exited = once(child, 'exit').then(([code]) => ({
    code: code as number | null,
    atMs: performance.now(),
  }));
  let seen = { cpuSeconds: 0, peakMiB: 0 };
  for (;;) {
    try {
      seen = {
        cpuSeconds: cpuSeconds(child.pid ?? 0),
        peakMiB: memoryMiB(child.pid ?? 0, 'VmHWM') || seen.peakMiB,
      };
    } catch {
      // It ended between two looks.
    }
    const end = await Promise.race([exited, sleep(LOOK_MS)]);
    if (end === undefined) continue;
    if (end.code !== 0) throw new Error(`${options.command} failed:\n${errors}`);
    return { seconds: (end.atMs - startedMs) / 1000, ...seen };
  }
}
