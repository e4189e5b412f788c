// One service process: configuration in, signals in, exit code out. `npm start` and `replicator serve` are both this.
import packageJson from '../../package.json' with { type: 'json' };
import { openApp, type ServicePart } from '../app.ts';
import { loadConfig } from '../config/load-config.ts';
import { formatProblems, formatWarnings } from '../config/problem.ts';
import { resolveSecrets } from '../composition/resolve-secrets.ts';
import { gatherLines } from './gathered-lines.ts';
import { readMachine } from './machine.ts';
import { runUntilStopped } from './run-until-stopped.ts';

const NO_DATABASE = {
  setting: 'DATABASE_URL',
  found: null,
  reason: 'is not set, and a part of the service alone works with a database that the other parts share',
  fix: 'set it to the address of the PostgreSQL database, or run the whole service: "replicator serve"',
};

/** Runs the service, or a part of it, until a signal; sets the exit code: 2 for a wrong configuration, 1 where it cannot start. */
export async function runService(part: ServicePart = 'all'): Promise<void> {
  const loaded = loadConfig(await resolveSecrets(readMachine()));
  if (loaded.warnings.length > 0) process.stderr.write(`${formatWarnings(loaded.warnings)}\n`);
  if (loaded.kind === 'invalid') {
    process.stderr.write(`${formatProblems(loaded.problems)}\n`);
    process.exitCode = 2;
    return;
  }
  const { config, secrets } = loaded;
  if (part !== 'all' && config.storage.kind !== 'postgres') {
    process.stderr.write(`${formatProblems([NO_DATABASE])}\n`);
    process.exitCode = 2;
    return;
  }
  const lines = gatherLines((text) => process.stdout.write(text));
  process.once('exit', lines.flush);
  await runUntilStopped('service', () =>
    openApp({
      config,
      secrets,
      part,
      version: packageJson.version,
      write: lines.write,
      isColored: process.stdout.isTTY,
      crash: () => process.exit(1),
    }),
  );
}
