// Measures what a long queue costs: memory and start of the real service, and claims per second, with a thousand
// transfers queued and with a million. npm run measure:queue -- [--rows 1000000] [--seconds 20]
// Ends with exit code 1 where the service holds 250 MiB or more, or claims are slower by more than a fifth.
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort, startService } from '../../sandbox/service-process.ts';
import { SOURCE_BUCKET, startTwoClouds, TARGET_BUCKET } from '../../sandbox/two-clouds.ts';
import type { AcceptItem, TransferQueue } from '../../src/core/transfer-queue.ts';
import { openSqliteQueue } from '../../src/queues/sqlite/sqlite-queue.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import { receiptOf } from '../contract/transfer-queue-samples.ts';
import { memoryMiB } from './process-figures.ts';

const FEW_ROWS = 1_000;
const ROWS_PER_ACCEPT = 1_000;
const ROUNDS = 41;
const CLAIMS_PER_ROUND = 640;
const ROOM = { total: 32, large: 8 };
const OBJECTS = 20_000;
const MAX_MIB = 250;
const MAX_SLOWDOWN = 0.2;

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '1000000' }, seconds: { type: 'string', default: '20' } },
});
const manyRows = Number(values.rows);
const folder = await mkdtemp(join(tmpdir(), 'replicator-measure-'));
try {
  const few = await filled('few', FEW_ROWS);
  const many = await filled('many', manyRows);
  const ratio = await compareClaims(few, many);
  await measureService(few, FEW_ROWS);
  const mostMib = await measureService(many, manyRows);
  console.log(`ratio of claims ${ratio.toFixed(2)}; most memory while all wait ${mostMib.toFixed(0)} MiB`);
  if (ratio < 1 - MAX_SLOWDOWN || mostMib >= MAX_MIB) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** A key as buckets have them: neighbours in time are not neighbours in the alphabet. */
function keyOf(index: number): string {
  return `photos/${createHash('md5').update(String(index)).digest('hex').slice(0, 12)}/image-${index}.jpg`;
}

function itemOf(index: number): AcceptItem {
  const key = keyOf(index);
  return {
    ruleName: 'default',
    source: { bucket: SOURCE_BUCKET, key },
    target: { bucket: TARGET_BUCKET, key },
    change: {
      bucket: SOURCE_BUCKET,
      key,
      kind: 'created',
      transport: 's3',
      occurredAtMs: null,
      sizeBytes: 4096,
      versionId: null,
      sequencer: null,
    },
  };
}

function open(directory: string): Promise<TransferQueue> {
  return openSqliteQueue({
    directory,
    clock: SYSTEM_CLOCK,
    leaseMs: 30_000,
    settleGraceMs: 120_000,
    maxRetryDelayMs: 300_000,
    smallMaxBytes: 8 * 2 ** 20,
    sealer: null,
  });
}

/** A data folder with so many queued transfers, accepted as the intake hands them over. */
async function filled(name: string, rows: number): Promise<string> {
  const directory = join(folder, name);
  const startedAt = performance.now();
  const queue = await open(directory);
  for (let from = 0; from < rows; from += ROWS_PER_ACCEPT) {
    const count = Math.min(ROWS_PER_ACCEPT, rows - from);
    await queue.accept({
      items: Array.from({ length: count }, (_, at) => itemOf(from + at)),
      quarantine: [],
    });
  }
  await queue.close();
  const megabytes = statSync(join(directory, 'queue.sqlite')).size / 1e6;
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `${rows} transfers accepted in ${seconds.toFixed(1)} s; the file has ${megabytes.toFixed(0)} MB`,
  );
  return directory;
}

/** What a round of claims took: by the clock, and of the processor. */
interface Round {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** Claims on both queues turn by turn, so that whatever else the machine does meets both; returns the ratio. */
async function compareClaims(few: string, many: string): Promise<number> {
  const queues = { few: await open(few), many: await open(many) };
  const rounds = { few: [] as Round[], many: [] as Round[] };
  let next = 10_000_000;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of ['few', 'many'] as const) {
      rounds[name].push(await claimRound(queues[name], () => (next += 1)));
    }
  }
  const figures = { few: figuresOf(rounds.few), many: figuresOf(rounds.many) };
  for (const [name, rows] of [['few', FEW_ROWS] as const, ['many', manyRows] as const]) {
    const { perSecond, cpuMs } = figures[name];
    console.log(
      `${rows} queued: ${perSecond.toFixed(0)} claims per second, claim and finish; ${cpuMs.toFixed(3)} ms of ` +
        `the processor for each (medians of ${ROUNDS} rounds of ${CLAIMS_PER_ROUND})`,
    );
  }
  await queues.few.close();
  await queues.many.close();
  return figures.many.perSecond / figures.few.perSecond;
}

/** Claims and finishes; what was taken out is filled up again, which is not counted. */
async function claimRound(queue: TransferQueue, nextIndex: () => number): Promise<Round> {
  let wallMs = 0;
  let cpuMs = 0;
  for (let count = 0; count < CLAIMS_PER_ROUND;) {
    const startedAt = performance.now();
    const cpuBefore = process.cpuUsage();
    const claimed = await queue.claim(ROOM);
    const end = { outcome: 'replicated', receipt: receiptOf('1', 4096), owed: false } as const;
    await Promise.all(claimed.map(({ lease }) => queue.finish(lease, end)));
    const cpu = process.cpuUsage(cpuBefore);
    wallMs += performance.now() - startedAt;
    cpuMs += (cpu.user + cpu.system) / 1000;
    count += claimed.length;
    await queue.accept({ items: claimed.map(() => itemOf(nextIndex())), quarantine: [] });
  }
  return { wallMs, cpuMs };
}

function figuresOf(rounds: readonly Round[]): { readonly perSecond: number; readonly cpuMs: number } {
  return {
    perSecond: CLAIMS_PER_ROUND / (median(rounds.map(({ wallMs }) => wallMs)) / 1000),
    cpuMs: median(rounds.map(({ cpuMs }) => cpuMs)) / CLAIMS_PER_ROUND,
  };
}

/**
 * Runs the service on the folder, first while the source is down (which is how a queue gets long), then while it
 * copies; returns the most memory it held while everything waited, in MiB.
 */
async function measureService(directory: string, rows: number): Promise<number> {
  const clouds = await startTwoClouds({ s3: 0, gcs: 0, keepBytes: false });
  for (let index = 0; index < OBJECTS; index += 1) {
    await clouds.s3.putObject(SOURCE_BUCKET, keyOf(index), 'x'.repeat(4096));
  }
  clouds.s3.faults.add({ match: {}, effect: { kind: 'status', status: 503, body: '' }, times: Infinity });
  const startedAt = performance.now();
  const service = await startService({
    settings: { ...clouds.settings, REPLICATOR_DATA_DIR: directory, LOG_FORMAT: 'json', LOG_LEVEL: 'error' },
    port: await freePort(),
    apiKey: 'none needed on loopback',
    folder,
    onLog: () => {},
  });
  const startMs = performance.now() - startedAt;
  const phaseMs = Number(values.seconds) * 1000;
  await sleep(phaseMs);
  const waiting = { rss: memoryMiB(service.pid, 'VmRSS'), most: memoryMiB(service.pid, 'VmHWM') };
  const before = await queuedOf(service);
  clouds.s3.faults.clear();
  await sleep(phaseMs);
  const copying = { rss: memoryMiB(service.pid, 'VmRSS'), most: memoryMiB(service.pid, 'VmHWM') };
  const copied = before - (await queuedOf(service));
  console.log(
    `service with ${rows} queued: ready after ${startMs.toFixed(0)} ms; while the source is down ` +
      `${waiting.rss.toFixed(0)} MiB, at most ${waiting.most.toFixed(0)}; while it copies (${copied} objects in ` +
      `${values.seconds} s) ${copying.rss.toFixed(0)} MiB, at most ${copying.most.toFixed(0)}`,
  );
  await service.stop();
  await clouds.close();
  return waiting.most;
}

async function queuedOf(service: Awaited<ReturnType<typeof startService>>): Promise<number> {
  const { body } = await service.get('/v1/status');
  return (body as { readonly counts: { readonly queued: number } }).counts.queued;
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0;
}
