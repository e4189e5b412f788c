// A run that proves instead of measuring: objects whose bytes differ, from the sandbox's S3 to its GCS, which count and
// hash what they get. Small, middle and large ones are in flight side by side, as in no measurement.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startService } from '../sandbox/service-process.ts';
import { SOURCE_BUCKET, startTwoClouds, TARGET_BUCKET, type TwoClouds } from '../sandbox/two-clouds.ts';

const MIB = 1024 * 1024;
const LIMIT_MS = 300_000;

/** Odd sizes: what is cut in the wrong place shows. */
const SIZES: readonly { readonly sizeBytes: number; readonly objectCount: number }[] = [
  { sizeBytes: 0, objectCount: 5 },
  { sizeBytes: 4_096, objectCount: 1_500 },
  { sizeBytes: 262_147, objectCount: 200 },
  { sizeBytes: 8 * MIB, objectCount: 4 },
  { sizeBytes: 8 * MIB + 1, objectCount: 4 },
  { sizeBytes: 67_108_859, objectCount: 4 },
  { sizeBytes: 512 * MIB + 17, objectCount: 1 },
];

interface Expected {
  readonly sizeBytes: number;
  readonly crc32c: string | null;
}

/** Copies all of them and compares size and CRC32C. Throws where one differs or is missing. */
export async function verifyRun(): Promise<void> {
  const clouds = await startTwoClouds({ s3: 0, gcs: 0, keepBytes: false });
  const folder = await mkdtemp(join(tmpdir(), 'replicator-verify-'));
  try {
    const expected = await putAll(clouds);
    const service = await startService({
      settings: {
        ...clouds.settings,
        REPLICATOR_DATA_DIR: join(folder, 'data'),
        RECONCILE_INTERVAL_HOURS: '0',
        MAX_CONCURRENCY: '64',
        LOG_FORMAT: 'json',
      },
      port: 0,
      apiKey: 'none',
      folder,
      onLog: () => {},
    });
    try {
      const Records = [...expected].map(([key, { sizeBytes }]) => ({
        eventSource: 'aws:s3',
        eventTime: new Date().toISOString(),
        eventName: 'ObjectCreated:Put',
        s3: { bucket: { name: SOURCE_BUCKET }, object: { key, size: sizeBytes } },
      }));
      const { status } = await service.post('/v1/events', { Records });
      if (status !== 202) throw new Error(`The service answered ${status}`);
      await arrived(clouds, expected);
    } finally {
      await service.stop();
    }
  } finally {
    await clouds.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function putAll(clouds: TwoClouds): Promise<Map<string, Expected>> {
  const expected = new Map<string, Expected>();
  let seed = 1;
  for (const { sizeBytes, objectCount } of SIZES) {
    for (let index = 0; index < objectCount; index += 1) {
      const key = `${sizeBytes}/${index}`;
      const { crc32c } = await clouds.s3.putSyntheticObject(SOURCE_BUCKET, key, { sizeBytes, seed });
      expected.set(key, { sizeBytes, crc32c });
      seed += 1;
    }
  }
  return expected;
}

async function arrived(clouds: TwoClouds, expected: ReadonlyMap<string, Expected>): Promise<void> {
  const untilMs = performance.now() + LIMIT_MS;
  while (clouds.gcs.objects(TARGET_BUCKET).length < expected.size) {
    if (performance.now() > untilMs) throw new Error(`Not everything arrived within ${LIMIT_MS} ms`);
    await sleep(50);
  }
  for (const [key, { sizeBytes, crc32c }] of expected) {
    const object = clouds.gcs.getObject(TARGET_BUCKET, key);
    if (object?.sizeBytes !== sizeBytes || object.crc32c !== crc32c)
      throw new Error(`${key} arrived with other bytes`);
  }
  process.stdout.write(`${expected.size} objects arrived, each with its own bytes\n`);
}
