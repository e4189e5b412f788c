// Measures what one more process on the same PostgreSQL adds: transfers per second of one and of two, over stores that
// wait before every answer, so that the cores of the machine are not the limit.
// npm run measure:replicas -- [--transfers 3000] [--latency-ms 30] [--concurrency 8]
// Ends with exit code 1 where the second process adds less than 70 %.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SOURCE_BUCKET, startTwoClouds } from '../../sandbox/two-clouds.ts';
import { FleetProcess } from '../fleet/fleet-process.ts';
import { startPostgresServer } from '../postgres-server.ts';
import { notification } from '../system/service-under-test.ts';

const CHANGES_AT_ONCE = 500;
const LEAST_GAIN = 0.7;
const OBJECT_BYTES = 4096;
/** The first transfers only warm everything up. */
const WARM_SHARE = 0.2;

const { values } = parseArgs({
  options: {
    transfers: { type: 'string', default: '3000' },
    'latency-ms': { type: 'string', default: '30' },
    concurrency: { type: 'string', default: '8' },
  },
});
const transfers = Number(values.transfers);
const latencyMs = Number(values['latency-ms']);
const concurrency = Number(values.concurrency);

const one = await measure(1);
const two = await measure(2);
const ratio = two / one;
console.log(`one process ${one.toFixed(0)} transfers/s, two ${two.toFixed(0)}: ratio ${ratio.toFixed(2)}`);
if (ratio < 1 + LEAST_GAIN) process.exitCode = 1;

/** Transfers per second of so many processes, once they are warm. */
async function measure(processes: number): Promise<number> {
  const server = await startPostgresServer();
  const folder = await mkdtemp(join(tmpdir(), 'replicator-replicas-'));
  const arrivedAtMs: number[] = [];
  const clouds = await startTwoClouds({
    s3: 0,
    gcs: 0,
    keepBytes: false,
    onTargetChange: () => arrivedAtMs.push(performance.now()),
  });
  const settings = {
    ...clouds.settings,
    DATABASE_URL: server.url,
    MAX_CONCURRENCY: String(concurrency),
    RECONCILE_INTERVAL_HOURS: '0',
    LOG_FORMAT: 'json',
  };
  const onDied = (why: string): void => {
    throw new Error(why);
  };
  const fleet = Array.from({ length: processes }, () => new FleetProcess({ settings, folder, onDied }));
  try {
    await Promise.all(fleet.map((process) => process.start()));
    const keys = Array.from({ length: transfers }, (_, index) => `photos/${index}.jpg`);
    for (const [index, key] of keys.entries())
      await clouds.s3.putObject(SOURCE_BUCKET, key, Buffer.alloc(OBJECT_BYTES, index));
    const latency = { match: {}, effect: { kind: 'latency', ms: latencyMs }, times: Infinity } as const;
    clouds.s3.faults.add(latency);
    clouds.gcs.faults.add(latency);
    for (let at = 0; at < keys.length; at += CHANGES_AT_ONCE) {
      const answer = await fleet[0]?.post('/v1/events', notification(keys.slice(at, at + CHANGES_AT_ONCE)));
      if (answer?.status !== 202) throw new Error(`Changes were answered ${answer?.status}`);
    }
    while (arrivedAtMs.length < transfers) await sleep(50);
    const warm = Math.floor(transfers * WARM_SHARE);
    const seconds = ((arrivedAtMs.at(-1) ?? 0) - (arrivedAtMs[warm] ?? 0)) / 1000;
    const perSecond = (transfers - 1 - warm) / seconds;
    const bound = (processes * concurrency * 1000) / (2 * latencyMs);
    console.log(
      `${processes} of ${concurrency} transfers at once, ${latencyMs} ms before every answer: ` +
        `${perSecond.toFixed(0)} transfers/s (two answers each: ${bound.toFixed(0)} at most)`,
    );
    return perSecond;
  } finally {
    await Promise.all(fleet.map((process) => process.stop()));
    await clouds.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}
