// One call of the command for the tests: what it wrote, and how it ended. What a command has no business with fails.
import assert from 'node:assert/strict';
import { formatProblems } from '../../config/problem.ts';
import { runCli } from '../cli.ts';
import type { CliDeps } from '../cli-deps.ts';

/** Runs the command against the service at `url`; `more` replaces what it works with. */
export async function runCommand(
  url: string,
  args: readonly string[],
  more: Partial<CliDeps> = {},
): Promise<{ readonly exitCode: number; readonly out: string; readonly err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const exitCode = await runCli({
    args,
    version: '9.8.7',
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    signal: new AbortController().signal,
    loadConfig: () => assert.fail('no configuration is needed'),
    loadClient: () => ({ kind: 'ok', url, apiKey: null }),
    formatProblems,
    createApiKey: () => assert.fail('nobody asked for a key'),
    openSetup: async () => assert.fail('nothing is to be set up'),
    openDoctor: async () => assert.fail('nothing is to be examined'),
    serve: async () => assert.fail('nobody asked to serve'),
    work: async () => assert.fail('nobody asked to work'),
    ...more,
  });
  return { exitCode, out: out.join(''), err: err.join('') };
}
