// The service as a process of its own, started exactly as a user starts it, and its API as a client sees it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import packageJson from '../package.json' with { type: 'json' };

const ROOT = join(import.meta.dirname, '..');

/** A transfer as the API shows it, as far as the demo and the system tests read it. */
export interface TransferJson {
  readonly id: string;
  readonly source: { readonly key: string };
  readonly status: string;
  readonly outcome?: string;
  readonly attemptCount: number;
  readonly summary: string;
  readonly sizeBytes?: number;
  readonly bytesDone: number;
  readonly fault?: { readonly code: string; readonly title: string; readonly remedy: string };
  readonly receipt?: {
    readonly crc32c: string;
    readonly generation: string;
    readonly verified: string;
    readonly lagMs: number;
  };
}

export interface ServiceProcess {
  readonly url: string;
  readonly logLines: readonly string[];
  /** The newest transfer of a key; null where there is none. */
  newest(bucket: string, key: string): Promise<TransferJson | null>;
  post(
    path: string,
    body: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: unknown }>;
  get(path: string): Promise<{ status: number; body: unknown }>;
  readonly pid: number;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL: nothing of the process gets a chance to tidy up. */
  kill(): Promise<void>;
}

/** What `npm start` runs, so that nothing is tested that users do not get. Small young space: less memory held. */
export function startArguments(): string[] {
  const [command, ...args] = packageJson.scripts.start.split(' ');
  if (command !== 'node') throw new Error('The start script is expected to run node');
  return args.map((arg) => (arg.endsWith('.ts') ? join(ROOT, arg) : arg));
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('No port could be had');
  return address.port;
}

/** Starts `src/main/service.ts` with these settings alone and waits until it is ready. */
export async function startService(options: {
  readonly settings: Readonly<Record<string, string>>;
  /** 0: one that the service picks itself, which nobody can take before it; its log has to be JSON then. */
  readonly port: number;
  readonly apiKey: string;
  /** Where the process looks for its `.env`. */
  readonly folder: string;
  readonly onLog: (line: string) => void;
  /** Told of the process as soon as there is one, long before it is ready. */
  readonly onSpawned?: (pid: number) => void;
  /** A program that starts the service in its turn, and its arguments; `pid` is then that program's. */
  readonly startedBy?: readonly string[];
  /** Arguments of the command `replicator` that start it, instead of what `npm start` runs. */
  readonly command?: readonly string[];
}): Promise<ServiceProcess> {
  const { settings, port, apiKey, folder, onLog, onSpawned, startedBy = [], command: asked } = options;
  const own = asked === undefined ? startArguments() : [join(ROOT, 'src/main/cli.ts'), ...asked];
  const [command = process.execPath, ...args] = [...startedBy, process.execPath, ...own];
  const child = spawn(command, args, {
    cwd: folder,
    env: { PATH: process.env['PATH'], PORT: String(port), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) onSpawned?.(child.pid);
  const logLines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      logLines.push(line);
      onLog(line);
    });
  }
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const url = await readyAddress(port, exited, logLines).catch((error: unknown) => {
    // A process that nobody holds would outlive whoever wanted it.
    child.kill('SIGKILL');
    throw error;
  });
  return {
    url,
    logLines,
    ...callsOf(url, apiKey),
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM');
      return exited;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The API as its callers see it. */
function callsOf(url: string, apiKey: string): Pick<ServiceProcess, 'newest' | 'post' | 'get'> {
  const headers = { authorization: `Bearer ${apiKey}` };
  return {
    async newest(bucket, key) {
      const query = new URLSearchParams({ bucket, key, limit: '1' });
      const answer = await fetch(`${url}/v1/transfers?${query.toString()}`, { headers });
      if (!answer.ok) throw new Error(`GET /v1/transfers answered ${answer.status}: ${await answer.text()}`);
      const page = (await answer.json()) as { transfers: TransferJson[] };
      return page.transfers[0] ?? null;
    },
    async post(path, body, extra = {}) {
      const answer = await fetch(url + path, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', ...extra },
        body: JSON.stringify(body),
      });
      return { status: answer.status, body: await answer.json() };
    },
    async get(path) {
      const answer = await fetch(url + path, { headers });
      return { status: answer.status, body: await answer.json() };
    },
  };
}

/** Where the service answers, once it is ready. */
async function readyAddress(
  port: number,
  exited: Promise<number | null>,
  log: readonly string[],
): Promise<string> {
  const url = port === 0 ? await toldAddress(exited, log) : `http://127.0.0.1:${port}`;
  await waitUntilReady(url, exited, log);
  return url;
}

/** The address that the service says it listens on. */
async function toldAddress(exited: Promise<number | null>, log: readonly string[]): Promise<string> {
  let ended: { code: number | null } | null = null;
  void exited.then((code) => (ended = { code }));
  for (let tries = 0; tries < 6_000; tries += 1) {
    if (ended !== null) break;
    const line = log.find((text) => text.includes('"msg":"ready: '));
    if (line !== undefined) return (JSON.parse(line) as { url: string }).url;
    await sleep(10);
  }
  throw new Error(`The service did not become ready:\n${log.join('\n')}`);
}

async function waitUntilReady(
  url: string,
  exited: Promise<number | null>,
  log: readonly string[],
): Promise<void> {
  let ended: { code: number | null } | null = null;
  void exited.then((code) => (ended = { code }));
  for (let tries = 0; tries < 200; tries += 1) {
    if (ended !== null) break;
    const answer = await fetch(`${url}/readyz`).catch(() => null);
    if (answer?.ok === true) return;
    await sleep(50);
  }
  throw new Error(`The service did not become ready:\n${log.join('\n')}`);
}
