// npm run bench:delay -- [--changes 2000] [--every-ms 20]
// An idle service that is told of one small object after the other: how long from the change's arrival to the start of its
// attempt, and to its verified end, by the times of its own log lines, which are whole milliseconds.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { recordOf, withService } from './contenders/product.ts';
import { objectsOf, workloadNamed } from './workloads.ts';

const { values } = parseArgs({
  options: { changes: { type: 'string', default: '2000' }, 'every-ms': { type: 'string', default: '20' } },
});
const WARM_UP = 200;

interface LogLine {
  readonly msg: string;
  readonly time: string;
  readonly transferId?: string;
}

const workload = workloadNamed('4k', Number(values.changes) + WARM_UP);
const setting = { workload, latencyMs: 0, isEncrypted: false };
const seen = new Map<string, { receivedMs: number; startedMs: number; endedMs: number }>();
await withService({ setting, onLog: (line) => note(JSON.parse(line) as LogLine) }, async (service) => {
  for (const object of objectsOf(workload)) {
    await service.post('/v1/events', { Records: [recordOf(object)] });
    await sleep(Number(values['every-ms']));
  }
  await sleep(500);
});
const measured = [...seen.values()].slice(WARM_UP);
tell('to the start of the attempt', (one) => one.startedMs - one.receivedMs);
tell('to the verified end', (one) => one.endedMs - one.receivedMs);

function note({ msg, time, transferId }: LogLine): void {
  if (transferId === undefined) return;
  const one = seen.get(transferId) ?? { receivedMs: Number.NaN, startedMs: Number.NaN, endedMs: Number.NaN };
  seen.set(transferId, one);
  if (msg === 'received') one.receivedMs = Date.parse(time);
  if (msg === 'started') one.startedMs = Date.parse(time);
  if (msg.startsWith('completed')) one.endedMs = Date.parse(time);
}

function tell(what: string, spanOf: (one: (typeof measured)[number]) => number): void {
  const spans = measured.map(spanOf).toSorted((a, b) => a - b);
  const at = (share: number): number => spans[Math.floor((spans.length - 1) * share)] ?? Number.NaN;
  process.stdout.write(
    `${what}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms (${spans.length} changes)\n`,
  );
}
