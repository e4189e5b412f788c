// `npm run test:interop`: installs and starts the independent servers, runs the tests against them, stops them, and
// says which ran. Arguments choose test files (default: all). Exits with 1 where a test fails, where a server that
// should run does not, or where none could be had.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { addressEnvironment, type Addresses } from './addresses.ts';
import { START_SERVER, type RunningServer, type ServerName } from './servers.ts';

const tell = (line: string): void => void process.stdout.write(`${line}\n`);
const running: RunningServer[] = [];
const report: string[] = [];
const addresses: Addresses = {};
let hasFailed = false;

// Every server ends with this process, and so does its folder.
process.setMaxListeners(50);
// Ended by hand: 'exit' still runs, where each server is ended by its process id.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

try {
  for (const name of Object.keys(START_SERVER) as ServerName[]) await start(name);
  if (running.length === 0) hasFailed = true;
  else if (!(await runTests())) hasFailed = true;
} finally {
  for (const server of running) await server.stop();
}
tell(['', 'Servers:', ...report].join('\n'));
process.exitCode = hasFailed ? 1 : 0;

async function start(name: ServerName): Promise<void> {
  const startedMs = performance.now();
  try {
    const server = await START_SERVER[name](tell);
    if (server.kind === 'unavailable') {
      addresses[name] = { reason: server.reason };
      report.push(`  SKIPPED  ${name}: ${server.reason}`);
      return;
    }
    running.push(server);
    addresses[name] = { url: server.url, keys: server.keys };
    report.push(`  ran      ${name} (up after ${Math.round(performance.now() - startedMs)} ms)`);
  } catch (error) {
    hasFailed = true;
    const reason = error instanceof Error ? error.message : String(error);
    addresses[name] = { reason };
    report.push(`  FAILED   ${name}: ${reason}`);
  }
}

async function runTests(): Promise<boolean> {
  const chosen = process.argv.slice(2);
  const files = chosen.length > 0 ? chosen : globSync(join(import.meta.dirname, '*.interop.ts')).toSorted();
  // One file at a time: the servers are shared, and one of them takes a single connection.
  const child = spawn(process.execPath, ['--test', '--test-concurrency=1', ...files], {
    stdio: 'inherit',
    env: { ...process.env, ...addressEnvironment(addresses) },
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const [code] = (await once(child, 'exit')) as [number | null];
  process.removeListener('exit', kill);
  return code === 0;
}
