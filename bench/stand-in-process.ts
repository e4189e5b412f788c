// The stand-ins as a process of their own, so that their work is in nobody's figures.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Setting } from './measurement.ts';

export interface StandIns {
  readonly s3Url: string;
  readonly gcsUrl: string;
  /** Requests so far, by kind, and the objects that are stored. */
  seen(): Promise<{ readonly calls: Readonly<Record<string, number>>; readonly stored: number }>;
  stop(): Promise<void>;
}

/** Starts both; ready when it resolves. */
export async function startStandIns({ workload, latencyMs }: Setting): Promise<StandIns> {
  const options = { latency: latencyMs, objects: workload.objectCount };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(process.execPath, [join(import.meta.dirname, 'stand-ins/clouds.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const told = await Promise.race([
    once(child.stdout, 'data') as Promise<[Buffer]>,
    exited.then(([code]) => {
      throw new Error(`The stand-ins ended with ${String(code)}`);
    }),
  ]);
  const { s3Port, gcsPort } = JSON.parse(told[0].toString()) as Record<'s3Port' | 'gcsPort', number>;
  return {
    s3Url: `http://127.0.0.1:${s3Port}`,
    gcsUrl: `http://127.0.0.1:${gcsPort}`,
    seen: async () =>
      (await (await fetch(`http://127.0.0.1:${s3Port}/__counts`)).json()) as Awaited<
        ReturnType<StandIns['seen']>
      >,
    stop: async () => {
      child.kill();
      await exited;
    },
  };
}
