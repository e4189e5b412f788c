// A start that is expected to fail: what the process says, and the exit code it ends with.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { startArguments } from '../../sandbox/service-process.ts';

export interface Refusal {
  /** Null where the process did not refuse: it was killed when it said that it is ready. */
  readonly code: number | null;
  readonly output: string;
}

/** Starts the service on a data folder, with stores that nobody asks: the queue is opened before them. */
export async function startRefused(dataFolder: string): Promise<Refusal> {
  const child = spawn(process.execPath, startArguments(), {
    cwd: dataFolder,
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      REPLICATOR_DATA_DIR: dataFolder,
      S3_BUCKET: 'source',
      GCS_BUCKET: 'target',
      AWS_ACCESS_KEY_ID: 'none',
      AWS_SECRET_ACCESS_KEY: 'none',
      AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9',
      STORAGE_EMULATOR_HOST: 'http://127.0.0.1:9',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk: Buffer) => {
    if (chunk.includes('ready: ')) child.kill('SIGKILL');
  });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, output: output + errors };
}
