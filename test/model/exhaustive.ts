// Goes through every history of a small world. The code under test cannot be copied half-way, so each history is run
// again from its beginning with one choice changed, and is left as soon as it reaches a state that was met before.
//
// Why that is sound. What may still happen after a moment, and how it will be judged, depends on: the two stores and
// their upload sessions; the rows of the queues; requests on their way, also those that nobody waits for; timers; what
// is left of the script and of the troubles; what the referee has still to check; and the local state of the code that
// runs. The last one cannot be seen, but the code has no clock, no chance and no other input of its own: it is a
// function of what it has been told since it began, in order, and of the time. So the digest holds everything that each
// running attempt has been answered, in full, and of ended attempts what the worker keeps of them (how they ended since
// the last one that succeeded; what it notes of the health of the stores takes more troubles to matter than there
// are, and the brake is wider than a small world). Times count by their distance from now, since nothing reads an
// absolute one except for display. Names that are only compared for equality (generations, sessions, ids, lease tokens) count by their rank,
// since a new one is always greater than all before it. Two processes differ by their names only. Equal digests then
// have equal futures, and a violation behind the second moment lies behind the first one as well. Without a database the
// messages take the place of the rows, and what a worker keeps is what it has learned of versions.
import { Violation } from './versions.ts';
import type { Planted } from './planted.ts';
import type { ExplorableWorld } from './explorable-world.ts';

/** What the search leaves out, so that nobody takes it for more than it is. */
export const NOT_EXPLORED =
  'Left out in every world: more than one key and more than two processes; reads that fail; chance in backoff; ' +
  'the order of timers that fall due in the same instant; changes that arrive twice or get lost; what a foreign ' +
  'writer does; when a lease is renewed and a checkpoint written (at once); calls to a queue of messages that fail. ' +
  'The random search has all of these.';

export interface Exploration {
  /** The states in which there was something to choose. */
  readonly states: ReadonlySet<string>;
  /** Histories that were run, most of them only to a state met before. */
  readonly runCount: number;
  /** True where the limit came before the end. */
  readonly isCut: boolean;
  readonly violation: Violation | null;
  /** The history that violates, with the choices that lead to it. */
  readonly history: readonly string[];
}

interface Choice {
  taken: number;
  readonly count: number;
}

/**
 * Explores one world, up to its end, its first violation, or until `goesOn` says no. `leavesKnownStates` false: goes
 * on to the end of every history, to show that nothing lies behind a known state that is not known.
 */
export async function explore(options: {
  readonly world: (planted: Planted | null, keepsHistory: boolean) => ExplorableWorld;
  readonly planted: Planted | null;
  readonly goesOn?: () => boolean;
  readonly leavesKnownStates?: boolean;
}): Promise<Exploration> {
  const { world, planted, goesOn = (): boolean => true, leavesKnownStates = true } = options;
  const known = new Set<string>();
  const path: Choice[] = [];
  let runCount = 0;
  for (;;) {
    runCount += 1;
    const violation = await runOnce(world, planted, path, known, leavesKnownStates);
    if (violation !== null) {
      const taken = path.map((choice) => choice.taken);
      const { history } = await walk(world(planted, true), async (_, place) => taken[place] ?? 0);
      return { states: known, runCount, isCut: false, violation, history };
    }
    while (path.length > 0 && isExhausted(path.at(-1))) path.pop();
    const last = path.at(-1);
    const isCut: boolean = last !== undefined && !goesOn();
    if (last === undefined || isCut) {
      return { states: known, runCount, isCut, violation: null, history: [] };
    }
    last.taken += 1;
  }
}

function isExhausted(choice: Choice | undefined): boolean {
  return choice !== undefined && choice.taken === choice.count - 1;
}

/** Runs the choices of `path`, then always the first, adding to `path`, up to a known state or the end. */
async function runOnce(
  create: (planted: Planted | null, keepsHistory: boolean) => ExplorableWorld,
  planted: Planted | null,
  path: Choice[],
  known: Set<string>,
  leavesKnownStates: boolean,
): Promise<Violation | null> {
  const { violation } = await walk(create(planted, false), async (world, place, count) => {
    if (place === path.length) {
      const digest = await world.digest();
      if (leavesKnownStates && known.has(digest)) return null;
      known.add(digest);
      path.push({ taken: 0, count });
    }
    return path[place]?.taken ?? null;
  });
  return violation;
}

/** One history; `choose` says which of so many events happens at the choice of this place, null: it ends there. */
async function walk(
  world: ExplorableWorld,
  choose: (world: ExplorableWorld, place: number, count: number) => Promise<number | null>,
): Promise<{ readonly violation: Violation | null; readonly history: readonly string[] }> {
  try {
    await world.begin();
    let place = 0;
    for (;;) {
      const events = await world.events();
      if (events.length === 0) break;
      const taken = events.length === 1 ? 0 : await choose(world, place, events.length);
      if (taken === null) return { violation: null, history: world.history };
      if (events.length > 1) place += 1;
      const event = events[taken];
      if (event === undefined) throw new Error('The same choices led elsewhere');
      await world.perform(event);
    }
    await world.requireEnd();
  } catch (error) {
    if (error instanceof Violation) return { violation: error, history: world.history };
    throw error;
  } finally {
    world.end();
  }
  return { violation: null, history: world.history };
}
