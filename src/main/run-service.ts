// One service process: configuration in, signals in, exit code out. `npm start` and `replicator serve` are both this.
import packageJson from '../../package.json' with { type: 'json' };
import { openApp, type ServicePart } from '../app.ts';
import { loadConfig } from '../config/load-config.ts';
import { formatProblems, formatWarnings } from '../config/problem.ts';
import { resolveSecrets } from '../resolve-secrets.ts';
import { readMachine } from './machine.ts';

const NEEDS_DATABASE =
  'DATABASE_URL is not set: a part of the service needs a database that the other parts share. Set it, or run the whole service ("replicator serve").';

/** Runs the service until a signal; sets the exit code: 2 for a wrong configuration, 1 where it cannot start. */
export async function runService(part: ServicePart = 'all'): Promise<void> {
  const loaded = loadConfig(await resolveSecrets(readMachine()));
  if (loaded.warnings.length > 0) process.stderr.write(`${formatWarnings(loaded.warnings)}\n`);
  if (loaded.kind === 'invalid') {
    process.stderr.write(`${formatProblems(loaded.problems)}\n`);
    process.exitCode = 2;
    return;
  }
  if (part !== 'all' && loaded.config.storage.kind !== 'postgres') {
    process.stderr.write(`${NEEDS_DATABASE}\n`);
    process.exitCode = 2;
    return;
  }
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  try {
    const { config, secrets } = loaded;
    const app = await openApp({
      config,
      secrets,
      part,
      version: packageJson.version,
      write: (text) => process.stdout.write(text),
      isColored: process.stdout.isTTY,
    });
    await stopped;
    await app.close();
  } catch (error) {
    process.stderr.write(`The service cannot run: ${whatFailed(error)}\n`);
    process.exitCode = 1;
  }
}

function whatFailed(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isTaken = 'code' in error && error.code === 'EADDRINUSE';
  return isTaken ? `${error.message}. Another process listens there: stop it, or set PORT` : error.message;
}
