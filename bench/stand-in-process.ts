// The stand-ins as a process of their own, so that their work is in nobody's figures.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Setting } from './measurement.ts';
import { textOfParts, totalsOf } from './workloads.ts';

export interface StandIns {
  readonly s3Url: string;
  readonly gcsUrl: string;
  /** The file of the certificate that signs itself; null where they do not speak TLS. */
  readonly certificatePath: string | null;
  /** What a Node program needs to believe it. */
  readonly nodeSettings: Readonly<Record<string, string>>;
  /** Requests so far, by kind, and the objects that are stored. */
  seen(): Promise<{ readonly calls: Readonly<Record<string, number>>; readonly stored: number }>;
  stop(): Promise<void>;
}

interface Told {
  readonly s3Port: number;
  readonly gcsPort: number;
  readonly countsPort: number;
  readonly pem: string | null;
}

/** Starts both; ready when it resolves. */
export async function startStandIns({ workload, latencyMs, isEncrypted }: Setting): Promise<StandIns> {
  const args = ['--latency', String(latencyMs), '--parts', textOfParts(workload)];
  if (isEncrypted) args.push('--tls');
  const child = spawn(process.execPath, [join(import.meta.dirname, 'stand-ins/clouds.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const [line] = await Promise.race([
    once(child.stdout, 'data') as Promise<[Buffer]>,
    exited.then(([code]) => {
      throw new Error(`The stand-ins ended with ${String(code)}`);
    }),
  ]);
  const told = JSON.parse(line.toString()) as Told;
  const folder = await mkdtemp(join(tmpdir(), 'replicator-stand-ins-'));
  const certificatePath = told.pem === null ? null : join(folder, 'certificate.pem');
  if (certificatePath !== null) await writeFile(certificatePath, told.pem ?? '');
  const base = isEncrypted ? 'https://localhost' : 'http://127.0.0.1';
  return {
    s3Url: `${base}:${told.s3Port}`,
    gcsUrl: `${base}:${told.gcsPort}`,
    certificatePath,
    nodeSettings: certificatePath === null ? {} : { NODE_EXTRA_CA_CERTS: certificatePath },
    seen: async () =>
      (await (await fetch(`http://127.0.0.1:${told.countsPort}/`)).json()) as Awaited<
        ReturnType<StandIns['seen']>
      >,
    stop: async () => {
      child.kill();
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The requests so far. Throws where not every object has arrived: what did not copy must not be measured. */
export async function callsOfAll(
  clouds: StandIns,
  { workload }: Setting,
): Promise<Readonly<Record<string, number>>> {
  const { calls, stored } = await clouds.seen();
  const { objectCount } = totalsOf(workload);
  if (stored !== objectCount) throw new Error(`${stored} of ${objectCount} objects arrived`);
  return calls;
}
