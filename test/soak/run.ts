// npm run soak -- [--minutes M] [--seed S]: random puts, overwrites, metadata changes and deletes while notifications are
// late, doubled, out of order or lost, the stores misbehave, and the service is killed and restarted; half of the time
// with deletes ignored, half with deletes mirrored. A reconcile finds what was lost; then both sides must be equal.
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { soak, type SoakOptions } from './soak.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
  },
});

const tell = (line: string): void => void process.stdout.write(`${line}\n`);

function printTable(title: string, counts: ReadonlyMap<string, number>): void {
  tell(`\n${title}`);
  for (const [name, count] of [...counts].toSorted(([left], [right]) => (left < right ? -1 : 1)))
    tell(`${String(count).padStart(7)}  ${name}`);
}

async function runOne(options: Pick<SoakOptions, 'deletes' | 'seed' | 'durationMs'>): Promise<boolean> {
  const { deletes, seed, durationMs } = options;
  tell(`\nDeletes: ${deletes}, ${(durationMs / 60_000).toFixed(1)} minutes`);
  const report = await soak({
    ...options,
    endsWithKill: false,
    settings: { REPLICATOR_ENCRYPTION_KEY: randomBytes(32).toString('base64') },
  });
  for (const line of report.history) tell(line);
  printTable('Counts', report.counts);
  printTable('Troubles', report.troubles);
  tell(`\nMost memory of the service in each minute, MiB: ${report.memoryMib.join(' ')}`);
  const { equal, kept } = report.comparison;
  tell(`At rest: ${equal} objects equal on both sides, ${kept} kept that the source deleted`);
  for (const violation of report.violations) tell(`VIOLATED ${violation}`);
  if (report.violations.length > 0)
    tell(`The same choices again: npm run soak -- --seed ${seed} --minutes ${values.minutes}`);
  return report.violations.length === 0;
}

async function run(): Promise<boolean> {
  const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  const durationMs = (Number(values.minutes) * 60_000) / 2;
  tell(`Seed ${seed}`);
  const isIgnoreRight = await runOne({ deletes: 'ignore', seed, durationMs });
  return (await runOne({ deletes: 'mirror', seed, durationMs })) && isIgnoreRight;
}

if (!(await run())) process.exitCode = 1;
