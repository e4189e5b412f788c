// A foreign server as a child process: started on a free loopback port, waited for, and stopped by its process id,
// also when this process ends in a hurry.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ServerCommand {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** Added to the environment of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder: string;
  /** True once the server answers; a rejection counts as not yet. */
  readonly isReady: () => Promise<boolean>;
  readonly readyLimitMs: number;
  /** SIGTERM where the server ends by it, SIGKILL where it does not listen. */
  readonly stopSignal: 'SIGTERM' | 'SIGKILL';
}

const STOP_LIMIT_MS = 5000;
const KEPT_OUTPUT_CHARACTERS = 4000;

/** Starts the server and resolves once it answers. `stop` resolves when the process has ended. */
export async function startServerProcess(
  command: ServerCommand,
): Promise<{ readonly stop: () => Promise<void> }> {
  const child = spawn(command.file, command.args, {
    cwd: command.folder,
    env: { ...process.env, ...command.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-KEPT_OUTPUT_CHARACTERS);
    });
  child.once('error', (error) => {
    output += error.message;
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    process.removeListener('exit', kill);
    await stopChild(child, command.stopSignal);
  };
  const lastMs = performance.now() + command.readyLimitMs;
  while (!(await isUp(command.isReady))) {
    const hasEnded = child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
    if (hasEnded || performance.now() > lastMs) {
      await stop();
      const what = hasEnded ? 'ended before it answered' : `did not answer within ${command.readyLimitMs} ms`;
      throw new Error(`${command.name} ${what}: ${output.trim()}`);
    }
    await sleep(50);
  }
  return { stop };
}

async function isUp(isReady: () => Promise<boolean>): Promise<boolean> {
  try {
    return await isReady();
  } catch {
    return false;
  }
}

async function stopChild(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => void child.kill('SIGKILL'), STOP_LIMIT_MS);
  await ended;
  clearTimeout(timer);
}
