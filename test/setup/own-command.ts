// A command that runs on its own, in this process, with its real drivers and the settings of a test.
import { runCommand } from '../../src/cli/testing/run-command.ts';
import { loadClientConfig, loadConfig } from '../../src/config/load-config.ts';
import { openDoctor } from '../../src/composition/open-doctor.ts';
import { openSetup } from '../../src/composition/open-setup.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';

/** An address where nobody listens. */
export const NOBODY = 'http://127.0.0.1:9';

export type CommandEnd = Awaited<ReturnType<typeof runCommand>>;

export interface CommandOptions {
  readonly signal?: AbortSignal;
  /** Texts of files that settings name, by path; every other file is empty. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Runs it with these settings alone. */
export async function runOwnCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  options: CommandOptions = {},
): Promise<CommandEnd> {
  const { signal = new AbortController().signal, files = {} } = options;
  const sources = { env, envFileText: null };
  const load = (): ReturnType<typeof loadConfig> =>
    loadConfig({
      ...sources,
      readFile: (path) => files[path] ?? '',
      memoryBytes: 2 ** 31,
      isTerminal: false,
    });
  const parts = (): Parameters<typeof openDoctor>[0] => {
    const loaded = load();
    if (loaded.kind === 'invalid') throw new Error('The configuration of the test is wrong');
    return { config: loaded.config, secrets: loaded.secrets, clock: SYSTEM_CLOCK };
  };
  return runCommand('', args, {
    signal,
    loadConfig: async () => load(),
    // Without an address of its own it must not meet a service that happens to run on this machine.
    loadClient: async () => loadClientConfig({ env: { REPLICATOR_URL: NOBODY, ...env }, envFileText: null }),
    openSetup: async (profile) => openSetup(parts(), profile),
    openDoctor: async () => openDoctor(parts()),
  });
}
