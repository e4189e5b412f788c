// The command as a process of its own, with the environment of the test and nothing else.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const CLI = join(import.meta.dirname, '../../src/main/cli.ts');

export interface CommandResult {
  readonly exitCode: unknown;
  readonly out: string;
  readonly err: string;
}

/** Runs it in a folder; its `.env` is read from there. */
export async function runReplicator(
  folder: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<CommandResult> {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: folder,
    // Nothing of the surrounding environment may reach the command.
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [exitCode]: unknown[] = await closed;
  return { exitCode, out, err };
}
