// npm run bench:memory -- [--minutes 20] [--small-per-second 400]
// The memory of the service under a constant load: small objects at a steady pace beside four large ones that are copied
// again and again. Prints what it holds every half minute, and the slope over everything after the first quarter.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ServiceProcess } from '../sandbox/service-process.ts';
import { cpuSeconds, memoryMiB } from '../test/measure/process-figures.ts';
import { recordOf, withService } from './contenders/product.ts';
import { keyOf } from './workloads.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    'small-per-second': { type: 'string', default: '400' },
  },
});
const SMALL_BYTES = 4 * 1024;
const LARGE_BYTES = 1024 * 1024 * 1024;
const LARGE_AT_ONCE = 4;
const TICK_MS = 250;
const TELL_MS = 30_000;
const WARM_UP_SHARE = 0.25;

const minutes = Number(values.minutes);
const smallPerTick = Math.max(1, Math.round((Number(values['small-per-second']) * TICK_MS) / 1000));
const parts = [
  { objectCount: 1, sizeBytes: SMALL_BYTES },
  { objectCount: 1, sizeBytes: LARGE_BYTES },
];
const setting = {
  workload: { name: 'memory', parts, concurrency: 64 + LARGE_AT_ONCE },
  latencyMs: 0,
  isEncrypted: false,
};
let endedCount = 0;
let largeInFlight = 0;
const samples: { readonly minute: number; readonly mib: number }[] = [];
await withService({ setting, onLog: note }, load);

function note(line: string): void {
  if (!line.includes('"completed')) return;
  endedCount += 1;
  if (line.includes(`"${LARGE_BYTES}/`)) largeInFlight -= 1;
}

async function load(service: ServiceProcess): Promise<void> {
  const startedMs = performance.now();
  let smallCount = 0;
  let largeCount = 0;
  let tellAtMs = TELL_MS;
  for (;;) {
    const elapsedMs = performance.now() - startedMs;
    if (elapsedMs > minutes * 60_000) break;
    const Records = [];
    for (let index = 0; index < smallPerTick; index += 1)
      Records.push(
        recordOf({ key: keyOf({ sizeBytes: SMALL_BYTES }, smallCount++), sizeBytes: SMALL_BYTES }),
      );
    for (; largeInFlight < LARGE_AT_ONCE; largeInFlight += 1)
      Records.push(
        recordOf({ key: keyOf({ sizeBytes: LARGE_BYTES }, largeCount++), sizeBytes: LARGE_BYTES }),
      );
    const { status } = await service.post('/v1/events', { Records });
    if (status !== 202) throw new Error(`The service answered ${status}`);
    samples.push({ minute: elapsedMs / 60_000, mib: memoryMiB(service.pid, 'VmRSS') });
    if (elapsedMs >= tellAtMs) {
      tellAtMs += TELL_MS;
      tell(elapsedMs, smallCount + largeCount);
    }
    await sleep(TICK_MS);
  }
  const steady = samples.filter(({ minute }) => minute > minutes * WARM_UP_SHARE);
  process.stdout.write(
    `slope after the first quarter: ${(slopeOf(steady) * 60).toFixed(1)} MiB an hour; ` +
      `mean ${meanOf(steady.map(({ mib }) => mib)).toFixed(0)} MiB, peak ${memoryMiB(service.pid, 'VmHWM').toFixed(0)} MiB; ` +
      `${endedCount} objects, ${largeCount} of them large, ${cpuSeconds(service.pid).toFixed(0)} s of CPU\n`,
  );
}

function tell(elapsedMs: number, postedCount: number): void {
  const mib = samples.at(-1)?.mib ?? Number.NaN;
  process.stdout.write(
    `${(elapsedMs / 60_000).toFixed(1)} min: ${mib.toFixed(0)} MiB, ${endedCount} of ${postedCount} objects\n`,
  );
}

function meanOf(figures: readonly number[]): number {
  return figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
}

/** MiB a minute, by least squares. */
function slopeOf(points: readonly { readonly minute: number; readonly mib: number }[]): number {
  const minute = meanOf(points.map((point) => point.minute));
  const mib = meanOf(points.map((point) => point.mib));
  let above = 0;
  let below = 0;
  for (const point of points) {
    above += (point.minute - minute) * (point.mib - mib);
    below += (point.minute - minute) ** 2;
  }
  return above / below;
}
