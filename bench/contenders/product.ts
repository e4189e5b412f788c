// The whole product: changes posted over HTTP, the durable queue, the worker, receipts and log, in one process as
// `npm start` starts it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServiceProcess, startService } from '../../sandbox/service-process.ts';
import type { Contender, Measurement, Setting } from '../measurement.ts';
import { cpuSeconds, memoryMiB } from '../../test/measure/process-figures.ts';
import { type StandIns, startStandIns } from '../stand-in-process.ts';
import { objectsOf, totalsOf, type Workload } from '../workloads.ts';

/** Changes of one request. */
const BATCH = 500;

export interface ProductOptions {
  /** Where a CPU profile of each run goes; null for none. */
  readonly profileFolder: string | null;
  /** A PostgreSQL instead of the file; null for the file. */
  readonly databaseUrl: string | null;
  /** The service finds itself how many objects are in flight, as it does unless it is told. */
  readonly findsConcurrency: boolean;
  /** Which HTTP client reaches the stores: `own` or `undici`. */
  readonly client: string;
  /** Further settings of the service. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** The service of this checkout. */
export function product(options: ProductOptions): Contender {
  return {
    name: `product${options.client === 'own' ? '' : `, ${options.client}`}`,
    whyNot: async () => null,
    measure: (setting) => measure(setting, options),
  };
}

function measure(setting: Setting, options: ProductOptions): Promise<Measurement> {
  return withService({ setting, settings: ownSettings(options) }, async (service, clouds) => {
    const before = cpuSeconds(service.pid);
    const startedMs = performance.now();
    await Promise.all([postAll(service, setting.workload), allCopied(service, clouds, setting.workload)]);
    return {
      seconds: (performance.now() - startedMs) / 1000,
      cpuSeconds: cpuSeconds(service.pid) - before,
      peakMiB: memoryMiB(service.pid, 'VmHWM'),
      calls: (await clouds.seen()).calls,
    };
  });
}

/** Runs `work` beside a service over stand-ins, with its data in a folder of its own; nothing is left of them. */
export async function withService<Result>(
  options: {
    readonly setting: Setting;
    readonly settings?: Readonly<Record<string, string>>;
    readonly onLog?: (line: string) => void;
  },
  work: (service: ServiceProcess, clouds: StandIns) => Promise<Result>,
): Promise<Result> {
  const { setting, settings, onLog = () => {} } = options;
  const folder = await mkdtemp(join(tmpdir(), 'replicator-bench-'));
  const clouds = await startStandIns(setting);
  try {
    const service = await startService({
      settings: { ...serviceSettings({ clouds, setting, folder }), ...settings },
      port: 0,
      apiKey: 'none',
      folder,
      onLog,
    });
    try {
      return await work(service, clouds);
    } finally {
      await service.stop();
    }
  } finally {
    await clouds.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the service is started with, over the stand-ins. */
function serviceSettings({
  clouds,
  setting,
  folder,
}: {
  readonly clouds: StandIns;
  readonly setting: Setting;
  /** Where its data lie. */
  readonly folder: string;
}): Record<string, string> {
  return {
    S3_BUCKET: 'from-here',
    GCS_BUCKET: 'to-there',
    AWS_ACCESS_KEY_ID: 'AKIABENCH',
    AWS_SECRET_ACCESS_KEY: 'bench',
    AWS_ENDPOINT_URL_S3: clouds.s3Url,
    STORAGE_EMULATOR_HOST: clouds.gcsUrl,
    REPLICATOR_DATA_DIR: join(folder, 'data'),
    RECONCILE_INTERVAL_HOURS: '0',
    MAX_CONCURRENCY: String(setting.workload.concurrency),
    LOG_FORMAT: 'json',
    ...clouds.nodeSettings,
  };
}

function ownSettings({
  databaseUrl,
  profileFolder,
  findsConcurrency,
  client,
  settings,
}: ProductOptions): Record<string, string> {
  return {
    HTTP_CLIENT: client,
    ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
    ...(findsConcurrency ? { MAX_CONCURRENCY: '' } : {}),
    ...(profileFolder === null ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileFolder}` }),
    ...settings,
  };
}

async function postAll(service: ServiceProcess, workload: Workload): Promise<void> {
  const objects = [...objectsOf(workload)];
  for (let first = 0; first < objects.length; first += BATCH) {
    const records = objects.slice(first, first + BATCH).map(recordOf);
    for (;;) {
      const { status } = await service.post('/v1/events', { Records: records });
      if (status === 202) break;
      if (status !== 503 && status !== 429) throw new Error(`The service answered ${status}`);
      await sleep(50);
    }
  }
}

/** The change that S3 would announce. */
export function recordOf({ key, sizeBytes }: { readonly key: string; readonly sizeBytes: number }): object {
  return {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    eventTime: new Date().toISOString(),
    eventName: 'ObjectCreated:Put',
    s3: {
      bucket: { name: 'from-here' },
      object: { key, size: sizeBytes },
    },
  };
}

/** The stand-ins are asked first: what the service has to answer would stand in its figures. */
async function allCopied(service: ServiceProcess, clouds: StandIns, workload: Workload): Promise<void> {
  const { objectCount } = totalsOf(workload);
  for (let stored = 0; stored < objectCount;) {
    await sleep(20);
    stored = (await clouds.seen()).stored;
  }
  const ended = /^replicator_transfers_total\{[^}]*outcome="(\w+)"[^}]*\} (\d+)/gm;
  for (let done = 0; done < objectCount;) {
    await sleep(20);
    const text = await (await fetch(`${service.url}/metrics`)).text();
    done = 0;
    for (const [, outcome, count] of text.matchAll(ended)) {
      if (outcome !== 'replicated' && Number(count) > 0)
        throw new Error(`${count} transfers ended otherwise than by a copy: ${outcome}`);
      done += Number(count);
    }
  }
}
