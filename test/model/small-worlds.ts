// The small worlds that the exhaustive search goes through: what happens at the source, under which policy, who works,
// and what goes wrong.
import type { ExplorableWorld } from './explorable-world.ts';
import type { Mode, Planted } from './planted.ts';
import type { Mutation } from './scripted-source.ts';
import { SmallFleet, type SmallFleetOptions } from './small-fleet.ts';
import type { TroubleKind } from './small-troubles.ts';
import { SmallWorld, type SmallWorldOptions } from './small-world.ts';

/** Sent in one request, and by an upload. */
const SMALL_BYTES = 24;
const LARGE_BYTES = 101;

/** `[]`: the key was never there. Else what was replicated in peace before. */
type Script = readonly [before: readonly Mutation[], then: readonly Mutation[]];

const PLAIN: readonly Script[] = [
  [[], ['put a', 'delete']],
  [['put a'], ['delete', 'put a']],
  [['put a'], ['put b', 'delete']],
  [['put a'], ['meta', 'delete']],
  [['put a'], ['delete', 'put b']],
  [['put a'], ['delete', 'meta']],
  [['put a'], ['put b', 'put a']],
  [['put a'], ['put b', 'meta']],
];
const VERSIONED: readonly Script[] = [
  [['put a'], ['delete', 'undo']],
  [['put a'], ['put b', 'undo']],
  [['put a'], ['put b', 'delete']],
];
const PLAIN_WITH_DELETES: readonly Script[] = [
  [['put a'], ['delete', 'put a']],
  [['put a'], ['put b', 'delete']],
];
const UPLOADS: readonly Script[] = [
  [[], ['put a', 'put b']],
  [['put a'], ['put b', 'delete']],
];

/** Any of these may strike once: in one service, at one key, with two processes. */
const ONE_TROUBLE: readonly TroubleKind[] = ['crash', 'pause', 'lost', 'late'];

/** A world of either mode, as the search wants it. */
export interface NamedWorld {
  readonly mode: Mode;
  /** What it is about, for people. */
  readonly text: string;
  readonly create: (planted: Planted | null, keepsHistory: boolean) => ExplorableWorld;
}

/** Two processes share a queue of transfers, or two services do not know of each other. */
export const SMALL_WORLDS: readonly SmallWorldOptions[] = [
  ...worlds(PLAIN, { isVersioned: false, deletes: 'mirror' }),
  ...worlds(VERSIONED, { isVersioned: true, deletes: 'mirror' }),
  ...worlds(PLAIN_WITH_DELETES, { isVersioned: false, deletes: 'ignore' }),
  ...worlds(VERSIONED.slice(0, 1), { isVersioned: true, deletes: 'ignore' }),
  ...worlds(PLAIN, { isVersioned: false, deletes: 'mirror', serviceCount: 2, troubleCount: 0 }),
  ...worlds(VERSIONED.slice(0, 2), {
    isVersioned: true,
    deletes: 'mirror',
    serviceCount: 2,
    troubleCount: 0,
  }),
  // An upload stands still long enough for a checkpoint, and its process may die then.
  ...worlds(UPLOADS, {
    isVersioned: false,
    deletes: 'mirror',
    sizeBytes: LARGE_BYTES,
    troubleCount: 2,
    troubles: ['stall', 'crash'],
  }),
];

function worlds(
  scripts: readonly Script[],
  options: Pick<SmallWorldOptions, 'isVersioned' | 'deletes'> & Partial<SmallWorldOptions>,
): SmallWorldOptions[] {
  const whole = {
    serviceCount: 1 as const,
    troubleCount: 1,
    troubles: ONE_TROUBLE,
    sizeBytes: SMALL_BYTES,
    ...options,
  };
  return scripts.map(([before, script]) => ({ ...whole, before, script }));
}

/** Two workers share a queue of messages. */
export const SMALL_FLEETS: readonly SmallFleetOptions[] = [
  ...fleets(PLAIN, { isVersioned: false, deletes: 'mirror' }),
  ...fleets(VERSIONED, { isVersioned: true, deletes: 'mirror' }),
  ...fleets(VERSIONED, { isVersioned: true, deletes: 'ignore' }),
  ...fleets(PLAIN_WITH_DELETES, { isVersioned: false, deletes: 'ignore' }),
  // Messages share an attempt, or wait for the next one.
  ...fleets([PLAIN[0] ?? [[], []], ...VERSIONED], {
    isVersioned: true,
    deletes: 'mirror',
    mostHeld: 2,
    troubleCount: 0,
  }),
  // Two troubles at the shortest of all histories.
  ...fleets(PLAIN.slice(0, 1), { isVersioned: false, deletes: 'mirror', troubleCount: 2 }),
];

function fleets(
  scripts: readonly Script[],
  options: Pick<SmallFleetOptions, 'isVersioned' | 'deletes'> & Partial<SmallFleetOptions>,
): SmallFleetOptions[] {
  const whole = {
    mostHeld: 1 as const,
    troubleCount: 1,
    troubles: ONE_TROUBLE,
    sizeBytes: SMALL_BYTES,
    ...options,
  };
  return scripts.map(([before, script]) => ({ ...whole, before, script }));
}

export const ALL_WORLDS: readonly NamedWorld[] = [
  ...SMALL_WORLDS.map((world) => namedWorld(world)),
  ...SMALL_FLEETS.map((world) => namedFleet(world)),
];

export function namedWorld(world: SmallWorldOptions): NamedWorld {
  const { serviceCount, sizeBytes } = world;
  const who = serviceCount === 1 ? 'one service with two processes' : 'two services';
  return {
    mode: 'queue',
    text: describe(world, sizeBytes === LARGE_BYTES ? `by upload; ${who}` : who),
    create: (planted, keepsHistory) => new SmallWorld(world, planted, keepsHistory),
  };
}

export function namedFleet(world: SmallFleetOptions): NamedWorld {
  const who =
    world.mostHeld === 1
      ? 'two workers without a database'
      : 'two workers without a database, two messages at a time';
  return {
    mode: 'stateless',
    text: describe(world, who),
    create: (planted, keepsHistory) => new SmallFleet(world, planted, keepsHistory),
  };
}

function describe(
  world: Pick<
    SmallFleetOptions,
    'before' | 'script' | 'isVersioned' | 'deletes' | 'troubleCount' | 'troubles'
  >,
  who: string,
): string {
  const { before, script, isVersioned, deletes, troubleCount, troubles } = world;
  return [
    `${before.length === 0 ? 'nothing' : before.join(', ')} then ${script.join(', ')}`,
    `deletes: ${deletes}`,
    ...(isVersioned ? ['versions'] : []),
    who,
    troubleCount === 0 ? 'no trouble' : `at most ${troubleCount} of ${troubles.join(', ')}`,
  ].join('; ');
}
