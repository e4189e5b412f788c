// npm run test:stateless -- [--objects N] [--seed S] [--kill-every-sec K] [--workers W]: workers without a database on one
// SQS queue, one of them killed with SIGKILL every two seconds, once over a bucket without versions and once with.
import { parseArgs } from 'node:util';
import { runFleetSqs } from './fleet-sqs.ts';

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '2500' },
    seed: { type: 'string' },
    'kill-every-sec': { type: 'string', default: '2' },
    workers: { type: 'string', default: '4' },
    /** Changes at the source are spread over this time. */
    'write-over-sec': { type: 'string', default: '60' },
  },
});

const tell = (line: string): void => void process.stdout.write(`${line}\n`);
const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
tell(`Seed ${seed}`);
for (const isVersioned of [false, true]) {
  tell(
    `\n${values.workers} workers, ${values.objects} objects, ${isVersioned ? 'with' : 'without'} versions`,
  );
  const { violations, counts } = await runFleetSqs({
    workers: Number(values.workers),
    objects: Number(values.objects),
    seed,
    killEveryMs: Number(values['kill-every-sec']) * 1_000,
    maxKills: Number.POSITIVE_INFINITY,
    writeOverMs: Number(values['write-over-sec']) * 1_000,
    isVersioned,
    tell,
  });
  for (const [name, count] of [...counts].toSorted(([left], [right]) => (left < right ? -1 : 1)))
    tell(`${String(count).padStart(7)}  ${name}`);
  for (const violation of violations.slice(0, 20)) tell(`VIOLATED ${violation}`);
  tell(`${violations.length} violations`);
  if (violations.length > 0) process.exitCode = 1;
}
