// A real service process between two sandbox clouds, for the system tests: started, killed and started again on the
// same data folder, driven over HTTP only.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ServiceProcess, startService, type TransferJson } from '../../sandbox/service-process.ts';
import { SOURCE_BUCKET, startTwoClouds, TARGET_BUCKET, type TwoClouds } from '../../sandbox/two-clouds.ts';

export { SOURCE_BUCKET, TARGET_BUCKET };

/** Generous: machines that run tests are slow and shared; a test that is right never waits this long. */
const LONGEST_WAIT_MS = 60_000;

export class SystemUnderTest {
  readonly clouds: TwoClouds;
  readonly folder: string;
  readonly #settings: Readonly<Record<string, string>>;
  service: ServiceProcess;

  private constructor(
    clouds: TwoClouds,
    folder: string,
    settings: Record<string, string>,
    service: ServiceProcess,
  ) {
    this.clouds = clouds;
    this.folder = folder;
    this.#settings = settings;
    this.service = service;
  }

  static async start(
    settings: Record<string, string> = {},
    cloudOptions: Omit<Parameters<typeof startTwoClouds>[0], 's3' | 'gcs'> = {},
  ): Promise<SystemUnderTest> {
    const clouds = await startTwoClouds({ s3: 0, gcs: 0, ...cloudOptions });
    const folder = await mkdtemp(join(tmpdir(), 'replicator-system-'));
    const all = {
      ...clouds.settings,
      REPLICATOR_DATA_DIR: join(folder, 'data'),
      LOG_FORMAT: 'json',
      ...settings,
    };
    return new SystemUnderTest(clouds, folder, all, await run(all, folder));
  }

  /** Starts a new process on the same data folder; the old one must have ended. */
  async restart(onSpawned: (pid: number) => void = () => {}): Promise<void> {
    this.service = await run(this.#settings, this.folder, onSpawned);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.stop();
    await this.clouds.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Asks until `find` answers something other than null. */
  async until<Found>(what: string, find: () => Promise<Found | null>): Promise<Found> {
    const deadline = performance.now() + LONGEST_WAIT_MS;
    while (performance.now() < deadline) {
      const found = await find();
      if (found !== null) return found;
      await sleep(20);
    }
    throw new Error(`Waited in vain for ${what}; the log:\n${this.service.logLines.slice(-40).join('\n')}`);
  }

  /** The newest transfer of a key once it is done or parked. */
  async ended(key: string): Promise<TransferJson> {
    return this.until(`the end of ${JSON.stringify(key)}`, async () => {
      const transfer = await this.service.newest(SOURCE_BUCKET, key);
      return transfer !== null && (transfer.status === 'done' || transfer.status === 'parked')
        ? transfer
        : null;
    });
  }

  /** The log lines of one transfer, parsed. */
  logOf(transferId: string): Record<string, unknown>[] {
    return this.service.logLines
      .filter((line) => line.includes(transferId))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Requests that created or finished an object at the target. */
  uploads(): string[] {
    return this.clouds.gcs.requests.filter((line) =>
      /^POST .*uploadType=(multipart|resumable|media)/.test(line),
    );
  }
}

async function run(
  settings: Record<string, string>,
  folder: string,
  onSpawned: (pid: number) => void = () => {},
): Promise<ServiceProcess> {
  return startService({
    settings,
    port: 0,
    apiKey: 'none needed on loopback',
    folder,
    onLog: () => {},
    onSpawned,
  });
}

/** An S3 notification as the bucket would send it, keys encoded as the real service encodes them. */
export function notification(keys: readonly string[], eventName = 'ObjectCreated:Put'): object {
  return {
    Records: keys.map((key) => ({
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: 'us-east-1',
      eventTime: new Date().toISOString(),
      eventName,
      s3: {
        s3SchemaVersion: '1.0',
        bucket: { name: SOURCE_BUCKET, arn: `arn:aws:s3:::${SOURCE_BUCKET}` },
        object: { key: encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/') },
      },
    })),
  };
}

/** Bytes that differ at every place, so that a splice or a shift cannot go unnoticed. */
export function someBytes(lengthBytes: number): Buffer {
  return randomBytes(lengthBytes);
}
