#!/usr/bin/env node
// The command `replicator`: arguments, signals and exit codes, nothing else.
import { randomBytes } from 'node:crypto';
import packageJson from '../../package.json' with { type: 'json' };
import { runCli } from '../cli/cli.ts';
import { createApiKey } from '../config/api-keys.ts';
import { CLIENT_SETTINGS, loadClientConfig, loadConfig } from '../config/load-config.ts';
import { formatProblems } from '../config/problem.ts';
import { resolveSecrets } from '../composition/resolve-secrets.ts';
import { SYSTEM_CLOCK } from '../system-clock.ts';
import { keepCompiled } from './keep-compiled.ts';
import { readMachine } from './machine.ts';

/** What commands that run on their own are opened with; they have looked at the problems before. */
async function ownParts() {
  const loaded = loadConfig(await resolveSecrets(readMachine()));
  if (loaded.kind === 'invalid') throw new Error('The configuration changed while it was used');
  return { config: loaded.config, secrets: loaded.secrets, clock: SYSTEM_CLOCK };
}

// What a command brings in beyond this file.
keepCompiled();
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
const exitCode = await runCli({
  args: process.argv.slice(2),
  version: packageJson.version,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupted.signal,
  loadConfig: async () => loadConfig(await resolveSecrets(readMachine())),
  loadClient: async () => loadClientConfig(await resolveSecrets(readMachine(), CLIENT_SETTINGS)),
  formatProblems,
  createApiKey: (request) => createApiKey({ ...request, randomBytes: randomBytes(32) }),
  openSetup: async (profile) =>
    (await import('../composition/open-setup.ts')).openSetup(await ownParts(), profile),
  openDoctor: async () => (await import('../composition/open-doctor.ts')).openDoctor(await ownParts()),
  serve: async (part) => (await import('./run-service.ts')).runService(part),
  work: async () => (await import('./run-worker.ts')).runWorker(),
});
// The service sets its own.
process.exitCode ??= exitCode;
