// npm run simulate -- --seeds N [--seed S] [--mode queue|stateless] [--plant NAME], or --exhaustive: searches for
// violations of the invariants in a simulated world, in both modes unless one is named. A failing seed prints its
// history, shortened, and is run again with --seed. With --planted, every planted mistake must be found. With
// --exhaustive, every history of some small worlds is gone through.
import { parseArgs } from 'node:util';
import { explore, NOT_EXPLORED } from './exhaustive.ts';
import { PLANTED_MISTAKES, withinSeeds } from './planted-mistakes.ts';
import type { Mode, Planted } from './planted.ts';
import { searchSeeds, shortestHistory } from './search.ts';
import { ALL_WORLDS } from './small-worlds.ts';

const { values } = parseArgs({
  options: {
    /** How many seeds are run. */
    seeds: { type: 'string', default: '1000' },
    /** The first seed; alone, the only one. */
    seed: { type: 'string' },
    /** `queue`: through a queue of transfers; `stateless`: straight from messages; both without it. */
    mode: { type: 'string' },
    plant: { type: 'string' },
    planted: { type: 'boolean', default: false },
    exhaustive: { type: 'boolean', default: false },
    /** How long the exhaustive search may take in all. */
    minutes: { type: 'string', default: '5' },
  },
});

function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
}

async function search(
  firstSeed: number,
  seedCount: number,
  mode: Mode,
  planted: Planted | null,
): Promise<boolean> {
  const startedAtMs = performance.now();
  const found = await searchSeeds({ firstSeed, seedCount, planted, mode });
  const lastSeed = firstSeed + found.seedCount - 1;
  console.log(
    `Mode ${mode}, seeds ${firstSeed} to ${lastSeed}: ${found.seedCount} runs, ${found.stepCount} steps, ${seconds(startedAtMs)}`,
  );
  if (found.failedSeed === null) return true;
  const { history, violation } = await shortestHistory(found.failedSeed, planted, mode);
  // Claims and receives that find nothing are most of a history and say nothing.
  console.log(history.filter((line) => !/(claims|receives): nothing$/.test(line)).join('\n'));
  const plant = planted === null ? '' : ` --plant ${planted.name}`;
  console.log(
    `Violated: ${violation?.message ?? ''}\nAgain: npm run simulate -- --seed ${found.failedSeed} --mode ${mode}${plant}`,
  );
  return false;
}

async function findPlanted(firstSeed: number): Promise<boolean> {
  let areAllFound = true;
  for (const planted of PLANTED_MISTAKES) {
    const startedAtMs = performance.now();
    const limit = withinSeeds(planted);
    const found = await searchSeeds({ firstSeed, seedCount: limit, planted });
    const how =
      found.failedSeed === null
        ? `NOT FOUND in ${found.seedCount} seeds`
        : `${found.invariant ?? ''} at seed ${found.failedSeed}, after ${found.seedCount} of at most ${limit}`;
    console.log(`${planted.name.padEnd(28)} ${how} (${seconds(startedAtMs)}) - ${planted.what}`);
    areAllFound &&= found.failedSeed !== null;
  }
  return areAllFound;
}

/** Every world gets the time that is left, divided by the worlds that are left; what it leaves over goes to the others. */
async function exhaust(planted: Planted | null): Promise<boolean> {
  const startedAtMs = performance.now();
  const endAtMs = startedAtMs + Number(values.minutes) * 60_000;
  let stateCount = 0;
  let cutCount = 0;
  const modes = new Set(modesOf(planted));
  const worlds = ALL_WORLDS.filter(({ mode }) => modes.has(mode));
  for (const [place, world] of worlds.entries()) {
    const beganAtMs = performance.now();
    const untilMs = beganAtMs + (2 * (endAtMs - beganAtMs)) / (worlds.length - place + 1);
    const found = await explore({ world: world.create, planted, goesOn: () => performance.now() < untilMs });
    stateCount += found.states.size;
    if (found.isCut) cutCount += 1;
    const cut = found.isCut ? ', CUT' : '';
    const figures = `${found.states.size} states, ${found.runCount} histories${cut}, ${seconds(beganAtMs)}`;
    console.log(`${world.text}: ${figures}`);
    if (found.violation === null) continue;
    console.log(`${found.history.join('\n')}\nViolated: ${found.violation.message}`);
    return false;
  }
  console.log(`${worlds.length} worlds, ${stateCount} states, ${seconds(startedAtMs)}, no violation`);
  console.log(
    cutCount === 0 ? 'No world was cut.' : `${cutCount} worlds were cut: they need more time than they had.`,
  );
  console.log(NOT_EXPLORED);
  return true;
}

async function run(): Promise<boolean> {
  const firstSeed = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  if (values.planted) return findPlanted(firstSeed);
  const planted = PLANTED_MISTAKES.find(({ name }) => name === values.plant) ?? null;
  if (values.plant !== undefined && planted === null) {
    console.log(`No such mistake. Known: ${PLANTED_MISTAKES.map(({ name }) => name).join(', ')}`);
    return false;
  }
  if (values.exhaustive) return exhaust(planted);
  const isSingle = values.seed !== undefined && !process.argv.includes('--seeds');
  const seedCount = isSingle ? 1 : Number(values.seeds);
  for (const mode of modesOf(planted)) {
    if (!(await search(firstSeed, seedCount, mode, planted))) return false;
  }
  return true;
}

function modesOf(planted: Planted | null): readonly Mode[] {
  if (planted !== null) return [planted.mode ?? 'queue'];
  if (values.mode === undefined) return ['queue', 'stateless'];
  if (values.mode === 'queue' || values.mode === 'stateless') return [values.mode];
  throw new Error(`There is no mode "${values.mode}": queue or stateless`);
}

if (!(await run())) process.exitCode = 1;
