// npm run test:crash -- [--kills N] [--seed S]: kills the real service with SIGKILL at every step of a transfer and at
// any moment, while a client goes on writing and announcing. Afterwards every change answered with 2xx is at the
// target, byte for byte and in the newest version; nothing is there twice, mixed, or older than before. Two lanes run
// side by side: with an encryption key (upload sessions are kept) and deletes ignored; without one and deletes mirrored.
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type LaneOptions, type LaneReport, runLane } from './lane.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    /** What is done and at which point the service is killed; what meets what in time differs from run to run. */
    seed: { type: 'string' },
  },
});

const tell = (line: string): void => void process.stdout.write(`${line}\n`);

function sum(reports: readonly LaneReport[], part: 'kills' | 'missed' | 'totals'): [string, number][] {
  const all = new Map<string, number>();
  for (const report of reports)
    for (const [name, count] of report[part]) all.set(name, (all.get(name) ?? 0) + count);
  return [...all].toSorted(([left], [right]) => (left < right ? -1 : 1));
}

function printTable(title: string, rows: readonly [string, number][]): void {
  tell(`\n${title}`);
  for (const [name, count] of rows) tell(`${String(count).padStart(7)}  ${name}`);
}

/** A step that is missed again and again and never reached is no step of a transfer any more. */
function neverReached(reports: readonly LaneReport[]): string[] {
  const reached = new Map(sum(reports, 'kills'));
  return sum(reports, 'missed')
    .filter(([name, count]) => count > 1 && !reached.has(name))
    .map(([name, count]) => `the step "${name}" was waited for ${count} times and never reached`);
}

async function run(): Promise<boolean> {
  const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  const kills = Number(values.kills);
  const startedMs = performance.now();
  tell(`Seed ${seed}, ${kills} rounds`);
  const encryptionKey = randomBytes(32).toString('base64');
  const lanes: readonly Pick<LaneOptions, 'name' | 'kills' | 'encryptionKey' | 'deletes'>[] = [
    { name: 'with a key', kills: Math.ceil(kills / 2), encryptionKey, deletes: 'ignore' },
    { name: 'deletes mirrored', kills: Math.floor(kills / 2), encryptionKey: null, deletes: 'mirror' },
  ];
  const reports = await Promise.all(lanes.map((lane) => runLane({ ...lane, seed, tell })));
  for (const { history } of reports) for (const line of history) tell(line);
  printTable('Kills by step', sum(reports, 'kills'));
  printTable('Steps that were not reached in time (killed all the same)', sum(reports, 'missed'));
  printTable('Counts', sum(reports, 'totals'));
  const violations = [...reports.flatMap((report) => report.violations), ...neverReached(reports)];
  const killed = sum(reports, 'kills').reduce((all, [, count]) => all + count, 0);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  tell(`\n${killed} kills at a chosen moment in ${seconds} s, ${violations.length} violations`);
  for (const violation of violations) tell(`VIOLATED ${violation}`);
  if (violations.length > 0)
    tell(`The same choices again: npm run test:crash -- --seed ${seed} --kills ${kills}`);
  return violations.length === 0;
}

if (!(await run())) process.exitCode = 1;
