// One worker of a fleet without a database, started as a user starts it: killed, and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const COMMAND = join(import.meta.dirname, '../../src/main/cli.ts');
const KEPT_LINES = 40;

interface WorkerProcessOptions {
  readonly settings: Readonly<Record<string, string>>;
  readonly folder: string;
  /** Told of every line of every run. */
  readonly onLog: (line: string) => void;
  /** Told of a process that ended without being asked to. */
  readonly onDied: (why: string) => void;
}

interface Run {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly lines: string[];
}

export class WorkerProcess {
  readonly #options: WorkerProcessOptions;
  #run: Run | null = null;

  constructor(options: WorkerProcessOptions) {
    this.#options = options;
  }

  /** Resolves when it receives. */
  async start(): Promise<void> {
    const { settings, folder, onLog, onDied } = this.#options;
    const child = spawn(process.execPath, [COMMAND, 'worker', '--from', 'sqs'], {
      cwd: folder,
      env: { PATH: process.env['PATH'], ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    const ready = Promise.withResolvers<void>();
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        onLog(line);
        lines.push(line);
        if (lines.length > KEPT_LINES) lines.shift();
        if (line.includes('"ready: ')) ready.resolve();
      });
    const exited = once(child, 'exit').then(([code]) => code as number | null);
    const run = { child, exited, lines };
    this.#run = run;
    child.once('exit', (code) => {
      ready.resolve();
      if (this.#run === run) onDied(`a worker ended by itself with exit code ${code}:\n${lines.join('\n')}`);
    });
    await ready.promise;
  }

  /** SIGKILL: nothing of the process gets a chance to tidy up. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM; the exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const run = this.#run;
    this.#run = null;
    if (run === null) return 0;
    run.child.kill(signal);
    return run.exited;
  }
}
