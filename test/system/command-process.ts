// The command `replicator` as a process of its own, with nothing of the surrounding environment.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';

const CLI = join(import.meta.dirname, '../../src/main/cli.ts');

export interface CommandResult {
  readonly exitCode: unknown;
  readonly out: string;
  readonly err: string;
}

/** Runs it in `folder`, where it looks for `.env`. */
export async function replicator(
  folder: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<CommandResult> {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [exitCode]: unknown[] = await closed;
  return { exitCode, out, err };
}

/** Gone after the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'replicator-cli-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}
