// npm run test:fleet -- [--transfers N] [--seed S] [--kill-every-sec K] [--processes P]: processes on one PostgreSQL, one
// of them killed with SIGKILL every two seconds; then the same with the database restarted in the middle, once orderly
// and once as by a crash. Every object arrives, written once; every transfer that was promised ends.
import { parseArgs } from 'node:util';
import { type FleetOptions, runFleet } from './fleet.ts';

const { values } = parseArgs({
  options: {
    transfers: { type: 'string', default: '20000' },
    seed: { type: 'string' },
    'kill-every-sec': { type: 'string', default: '2' },
    processes: { type: 'string', default: '4' },
    /** Only this one: none, fast or immediate. */
    restart: { type: 'string' },
  },
});

const tell = (line: string): void => void process.stdout.write(`${line}\n`);

async function runOne(options: FleetOptions): Promise<boolean> {
  const restart = options.databaseRestart ?? 'none';
  tell(`\n${options.processes} processes, ${options.transfers} objects; restart of the database: ${restart}`);
  const report = await runFleet(options);
  for (const [name, count] of [...report.counts].toSorted(([left], [right]) => (left < right ? -1 : 1)))
    tell(`${String(count).padStart(7)}  ${name}`);
  for (const violation of report.violations.slice(0, 20)) tell(`VIOLATED ${violation}`);
  tell(`${report.violations.length} violations`);
  return report.violations.length === 0;
}

const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
tell(`Seed ${seed}`);
const shared = {
  processes: Number(values.processes),
  transfers: Number(values.transfers),
  seed,
  killEveryMs: Number(values['kill-every-sec']) * 1_000,
  maxKills: Number.POSITIVE_INFINITY,
  announceOverMs: 0,
  tell,
};
const restarts = ([null, 'fast', 'immediate'] as const).filter(
  (restart) => values.restart === undefined || values.restart === (restart ?? 'none'),
);
for (const databaseRestart of restarts)
  if (!(await runOne({ ...shared, databaseRestart }))) process.exitCode = 1;
