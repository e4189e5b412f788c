// A built function in a process of its own, under a runtime that speaks to a local Runtime API.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RuntimeApi, startRuntimeApi } from './runtime-api.ts';

/** The command that starts a runtime; the function's folder comes with `LAMBDA_TASK_ROOT`. */
export interface Runtime {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

export const OWN_RUNTIME: Runtime = {
  name: 'the runtime of these tests',
  command: process.execPath,
  args: [join(import.meta.dirname, 'bootstrap.ts')],
};

export interface FunctionProcess extends Pick<RuntimeApi, 'invoke'> {
  /** When the process was spawned, and when it asked for its first event: times of `performance.now()`. */
  readonly spawnedMs: number;
  readonly startedMs: number;
  /** What it wrote so far, both streams. */
  readonly output: () => string;
  /** The lines of its log that are JSON. */
  readonly logLines: () => readonly Readonly<Record<string, unknown>>[];
  /** The largest memory it has held, in bytes; null where the system does not tell. */
  readonly peakMemoryBytes: () => number | null;
  stop(): Promise<void>;
}

/**
 * Starts the function whose bundle is `index.mjs` in `folder`. Its environment holds what Lambda itself sets and
 * `environment`, nothing else. Rejects where it does not start.
 */
export async function startFunction(options: {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly memoryMb?: number;
  readonly runtime?: Runtime;
}): Promise<FunctionProcess> {
  const { folder, environment, memoryMb = 256, runtime = OWN_RUNTIME } = options;
  const api = await startRuntimeApi();
  const chunks: string[] = [];
  const spawnedMs = performance.now();
  const child = spawn(runtime.command, [...runtime.args], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'] ?? '',
      _HANDLER: 'index.handler',
      LAMBDA_TASK_ROOT: folder,
      AWS_LAMBDA_RUNTIME_API: api.address,
      AWS_LAMBDA_FUNCTION_NAME: 'under-test',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/under-test',
      AWS_LAMBDA_LOG_STREAM_NAME: '2026/11/30/[$LATEST]1',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
      AWS_REGION: 'eu-central-1',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
  const output = (): string => chunks.join('');
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    await api.close();
  };
  const ended = once(child, 'exit').then(() => {
    throw new Error(`The runtime ended: ${output()}`);
  });
  ended.catch(() => {});
  try {
    const startedMs = await Promise.race([api.started, api.failedStart, ended]);
    return {
      spawnedMs,
      startedMs,
      // A process that dies takes its invocation with it.
      invoke: async (event, request) => Promise.race([api.invoke(event, request), ended]),
      output,
      logLines: () => jsonLines(output()),
      peakMemoryBytes: () => peakMemoryBytes(child),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function jsonLines(output: string): Record<string, unknown>[] {
  return output.split('\n').flatMap((line) => {
    const start = line.indexOf('{"');
    if (start === -1) return [];
    try {
      return [JSON.parse(line.slice(start)) as Record<string, unknown>];
    } catch {
      return [];
    }
  });
}

function peakMemoryBytes({ pid }: ChildProcess): number | null {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) * 1024;
  } catch {
    return null;
  }
}
