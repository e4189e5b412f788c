// npm run bench -- [--objects N] [--bytes N] [--latency MS] [--rounds N] [--concurrency N] [--profile]
// The whole product: changes posted over HTTP, the durable queue, the worker, receipts; against stand-ins in a process
// of their own. Prints objects/s, MiB/s, CPU of the service per object and per GiB, its peak memory, calls per object.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort, startService } from '../sandbox/service-process.ts';
import { cpuSeconds, peakMiB } from './process-figures.ts';

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '20000' },
    bytes: { type: 'string', default: '4096' },
    latency: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '3' },
    concurrency: { type: 'string', default: '64' },
    database: { type: 'string' },
    profile: { type: 'boolean', default: false },
  },
});
const objectCount = Number(values.objects);
const sizeBytes = Number(values.bytes);
const BATCH = 500;

interface Round {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  readonly calls: Readonly<Record<string, number>>;
}

const rounds: Round[] = [];
for (let round = 0; round < Number(values.rounds); round += 1) {
  rounds.push(await measure());
  report(`round ${round + 1}`, rounds.slice(-1));
}
report('median', [rounds.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(rounds.length / 2)] as Round]);

function report(name: string, [round]: readonly Round[]): void {
  if (round === undefined) return;
  const perObject = (round.cpuSeconds * 1000) / objectCount;
  const gib = (objectCount * sizeBytes) / 2 ** 30;
  const calls = Object.entries(round.calls).map(
    ([call, count]) => `${call} ${(count / objectCount).toFixed(2)}`,
  );
  process.stdout.write(
    `${name}: ${Math.round(objectCount / round.seconds)} objects/s, ${((gib * 1024) / round.seconds).toFixed(0)} MiB/s, ` +
      `CPU ${perObject.toFixed(3)} ms/object ${(round.cpuSeconds / gib).toFixed(2)} s/GiB, ` +
      `peak ${round.peakMiB.toFixed(0)} MiB, calls per object: ${calls.join(', ')}\n`,
  );
}

async function measure(): Promise<Round> {
  const folder = await mkdtemp(join(tmpdir(), 'replicator-bench-'));
  const port = await freePort();
  const clouds = spawn(
    process.execPath,
    [join(import.meta.dirname, 'stand-ins/clouds.ts'), '--port', String(port), '--latency', values.latency],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(clouds.stdout, 'data');
  const service = await startService({
    settings: {
      S3_BUCKET: 'from-here',
      GCS_BUCKET: 'to-there',
      AWS_ACCESS_KEY_ID: 'AKIABENCH',
      AWS_SECRET_ACCESS_KEY: 'bench',
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
      STORAGE_EMULATOR_HOST: `http://127.0.0.1:${port + 1}`,
      REPLICATOR_DATA_DIR: join(folder, 'data'),
      RECONCILE_INTERVAL_HOURS: '0',
      MAX_CONCURRENCY: values.concurrency,
      LOG_FORMAT: 'json',
      ...(values.database === undefined ? {} : { DATABASE_URL: values.database }),
      ...(values.profile ? { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${process.cwd()}` } : {}),
    },
    port: 0,
    apiKey: 'none',
    folder,
    onLog: () => {},
  });
  try {
    const before = cpuSeconds(service.pid);
    const startedMs = performance.now();
    const posting = postAll(service);
    await allCopied(service);
    const seconds = (performance.now() - startedMs) / 1000;
    await posting;
    const calls = (await (await fetch(`http://127.0.0.1:${port}/__counts`)).json()) as Record<string, number>;
    return { seconds, cpuSeconds: cpuSeconds(service.pid) - before, peakMiB: peakMiB(service.pid), calls };
  } finally {
    await service.stop();
    clouds.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

async function postAll(service: Awaited<ReturnType<typeof startService>>): Promise<void> {
  for (let first = 0; first < objectCount; first += BATCH) {
    const size = Math.min(BATCH, objectCount - first);
    const records = Array.from({ length: size }, (_, index) => ({
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      eventTime: new Date().toISOString(),
      eventName: 'ObjectCreated:Put',
      s3: {
        bucket: { name: 'from-here' },
        object: { key: `${sizeBytes}/${String(first + index).padStart(9, '0')}`, size: sizeBytes },
      },
    }));
    for (;;) {
      const { status } = await service.post('/v1/events', { Records: records });
      if (status === 202) break;
      if (status !== 503 && status !== 429) throw new Error(`The service answered ${status}`);
      await sleep(50);
    }
  }
}

async function allCopied(service: Awaited<ReturnType<typeof startService>>): Promise<void> {
  let isIdle = false;
  let done = 0;
  while (!isIdle || done < objectCount) {
    await sleep(50);
    const text = await (await fetch(`${service.url}/metrics`)).text();
    done = Number(/replicator_transfers_total\{[^}]*outcome="replicated"[^}]*\} (\d+)/.exec(text)?.[1] ?? 0);
    isIdle = done >= objectCount;
  }
}
