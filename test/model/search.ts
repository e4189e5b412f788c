// Looks for violations: runs seeds one after the other, and shortens the history of one that fails by trying the
// same choices with fewer and quieter ones.
import { Choices, type Traces } from './choices.ts';
import type { Mode, Planted } from './planted.ts';
import { type RunResult, runWorld } from './world.ts';

/** Runs that shortening one history may take, some seconds. */
const SHORTENING_RUNS = 4_000;
/** The parts of a run's choices, those first that make the world smaller. */
const PARTS = [
  'scenario',
  'events',
  'latency',
  'faults',
  'bodies',
  'troubles',
  'order',
  'jitter',
  'intake',
  'messages',
  'source',
  'held',
  'meddling',
  'rules',
];

export interface SearchResult {
  /** Seeds that were run, the failing one included. */
  readonly seedCount: number;
  readonly stepCount: number;
  /** The first seed that failed; null where none did. */
  readonly failedSeed: number | null;
  /** What it violated. */
  readonly invariant: string | null;
}

/** Runs up to `seedCount` seeds from `firstSeed` on and stops at the first violation. */
export async function searchSeeds(options: {
  readonly firstSeed: number;
  readonly seedCount: number;
  readonly planted: Planted | null;
  /** That of the planted mistake by default, else through a queue. */
  readonly mode?: Mode;
  /** Asked after each seed with how many have run; false ends the search. */
  readonly goesOn?: (seedCount: number) => boolean;
}): Promise<SearchResult> {
  const { firstSeed, seedCount, planted, mode, goesOn } = options;
  let stepCount = 0;
  for (let place = 0; place < seedCount; place += 1) {
    const seed = firstSeed + place;
    const result = await runWorld(Choices.ofSeed(seed), planted, false, mode);
    stepCount += result.stepCount;
    const invariant = result.violation?.invariant ?? null;
    if (invariant !== null) return { seedCount: place + 1, stepCount, failedSeed: seed, invariant };
    if (goesOn?.(place + 1) === false) {
      return { seedCount: place + 1, stepCount, failedSeed: null, invariant };
    }
  }
  return { seedCount, stepCount, failedSeed: null, invariant: null };
}

/** The shortest history found of the violation that this seed leads to. */
export async function shortestHistory(
  seed: number,
  planted: Planted | null,
  mode: Mode = planted?.mode ?? 'queue',
  runLimit = SHORTENING_RUNS,
): Promise<RunResult> {
  const drawn = Choices.ofSeed(seed);
  const { violation } = await runWorld(drawn, planted, false, mode);
  const shortening = new Shortening(drawn.traces(), runLimit, async (traces) => {
    const choices = Choices.ofTraces(traces);
    const result = await runWorld(choices, planted, false, mode);
    const isSame = violation !== null && result.violation?.invariant === violation.invariant;
    return isSame ? choices.traces() : null;
  });
  const best = await shortening.run();
  return runWorld(Choices.ofTraces(best), planted, true, mode);
}

/** Tries shorter and quieter choices, in large pieces first, as long as they fail in the same way. */
class Shortening {
  #best: Traces;
  #runsLeft: number;
  readonly #fails: (traces: Traces) => Promise<Traces | null>;

  constructor(traces: Traces, runLimit: number, fails: (traces: Traces) => Promise<Traces | null>) {
    this.#best = traces;
    this.#runsLeft = runLimit;
    this.#fails = fails;
  }

  async run(): Promise<Traces> {
    let isShorter = true;
    while (isShorter && this.#runsLeft > 0) {
      isShorter = false;
      for (const name of PARTS) isShorter = (await this.#shortenPart(name)) || isShorter;
    }
    return this.#best;
  }

  async #shortenPart(name: string): Promise<boolean> {
    let isShorter = false;
    const length = this.#best.get(name)?.length ?? 0;
    for (let size = length; size >= 1; size = Math.floor(size / 2)) {
      for (let from = 0; from < (this.#best.get(name)?.length ?? 0); from += size) {
        for (const candidate of candidatesOf(this.#best.get(name) ?? [], from, size)) {
          if (!(await this.#improves(new Map(this.#best).set(name, candidate)))) continue;
          isShorter = true;
          break;
        }
      }
    }
    return isShorter;
  }

  async #improves(candidate: Traces): Promise<boolean> {
    if (this.#runsLeft === 0 || weightOf(candidate) >= weightOf(this.#best)) return false;
    this.#runsLeft -= 1;
    const found = await this.#fails(candidate);
    if (found === null || weightOf(found) >= weightOf(this.#best)) return false;
    this.#best = found;
    return true;
  }
}

function candidatesOf(trace: readonly number[], from: number, size: number): number[][] {
  const before = trace.slice(0, from);
  const after = trace.slice(from + size);
  const quiet = trace.slice(from, from + size).map(() => 0);
  const halved = trace.slice(from, from + size).map((choice) => Math.floor(choice / 2));
  return [
    [...before, ...after],
    [...before, ...quiet, ...after],
    [...before, ...halved, ...after],
  ];
}

/** Less is simpler: first fewer choices that are not quiet, then fewer and smaller choices. */
function weightOf(traces: Traces): number {
  const all = [...traces.values()].flat();
  return all.reduce((sum, choice) => sum + (choice === 0 ? 0 : 1_000 + choice), all.length);
}
