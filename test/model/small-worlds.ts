// The small worlds that the exhaustive search goes through: what happens at the source, under which policy, who works,
// and what goes wrong.
import type { Mutation, SmallWorldOptions, TroubleKind } from './small-world.ts';

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

/** What a world is about, for people. */
export function describeWorld(world: SmallWorldOptions): string {
  const { before, script, isVersioned, deletes, serviceCount, troubleCount, troubles, sizeBytes } = world;
  const parts = [
    `${before.length === 0 ? 'nothing' : before.join(', ')} then ${script.join(', ')}`,
    `deletes: ${deletes}`,
    ...(isVersioned ? ['versions'] : []),
    ...(sizeBytes === LARGE_BYTES ? ['by upload'] : []),
    serviceCount === 1 ? 'one service with two processes' : 'two services',
    troubleCount === 0 ? 'no trouble' : `at most ${troubleCount} of ${troubles.join(', ')}`,
  ];
  return parts.join('; ');
}
