import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Fault } from '../core/faults.ts';
import { mapTarget, prefixesOf, type Rule } from '../core/rule.ts';
import { MemorySource } from '../stores/memory/memory-source.ts';
import { MemoryTarget } from '../stores/memory/memory-target.ts';
import { type ListedStores, mergeListings } from './merge-listings.ts';
import { findBuckets, scanDifferences } from './reconcile.ts';
import { growTrees, makeRelation, randomOf } from './testing/two-trees.ts';
import { RULE, World } from './testing/world.ts';

const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.queue.close();
});

const signal = new AbortController().signal;
const HOUR_MS = 3_600_000;
/** Every name carries it: put it here in place of the time to see the same trees again. */
const seed = Date.now() % 2 ** 31;

const RULES: Readonly<Record<string, Rule>> = {
  plain: RULE,
  mirrored: { ...RULE, deletes: 'mirror' },
  mapped: {
    ...RULE,
    deletes: 'mirror',
    source: { ...RULE.source, prefix: 'in/côté/', suffix: '.jpg' },
    target: { ...RULE.target, prefix: 'out 😀/', stripPrefix: 'in/', prependBucket: true },
  },
  stripped: {
    ...RULE,
    source: { ...RULE.source, prefix: 'a' },
    target: { ...RULE.target, prefix: '\uff5e', stripPrefix: 'a' },
  },
};

function newWorld(): World {
  const world = new World();
  worlds.push(world);
  return world;
}

/** Pages of any size, so that the ends of pages fall everywhere. */
function paged({ source, target }: World, limit: () => number): ListedStores {
  return {
    source: { list: async (request, abort) => source.list({ ...request, limit: limit() }, abort) },
    target: { list: async (request, abort) => target.list({ ...request, limit: limit() }, abort) },
  };
}

const sorted = (found: ReadonlyMap<string, string>): string[] =>
  [...found].map(([key, kind]) => `${JSON.stringify(key)} ${kind}`).toSorted();

const requestOf = (rule: Rule, after: string | null = null) => ({
  rule,
  bucket: 'from',
  prefix: rule.source.prefix,
  after,
});

for (const [name, rule] of Object.entries(RULES)) {
  test(`what is found is exactly what differs, rule ${name} (seed ${seed})`, async () => {
    for (let round = 0; round < 12; round += 1) {
      const random = randomOf(seed + round);
      const world = newWorld();
      const { source, target, queue, clock } = world;
      const trees = growTrees({ source, target, rule, bucket: 'from', count: 60, random });
      clock.advance(HOUR_MS);
      const stores = paged(world, () => 1 + Math.floor(random() * 7));
      const found = new Map<string, string>();
      const counts = { listed: 0, held: 0, kept: 0 };
      for await (const page of scanDifferences({ ...stores, queue, clock }, requestOf(rule), signal)) {
        for (const { key, kind, isFresh } of page.found) {
          assert.ok(!found.has(key), `${JSON.stringify(key)} is found once, round ${round}`);
          assert.equal(isFresh, false);
          found.set(key, kind);
        }
        counts.listed += page.counts.listed ?? 0;
        counts.held += page.counts.held ?? 0;
        counts.kept += page.counts.kept ?? 0;
      }
      assert.deepEqual(sorted(found), sorted(trees.expected), `round ${round}: found and expected differ`);
      assert.deepEqual([counts.listed, counts.held], [trees.covered.length, trees.held], `round ${round}`);
    }
  });

  test(`a merge that is cut anywhere and begun again misses and repeats nothing, rule ${name} (seed ${seed})`, async () => {
    const random = randomOf(seed);
    const world = newWorld();
    const { source, target } = world;
    const { covered } = growTrees({ source, target, rule, bucket: 'from', count: 80, random });
    const stores = paged(world, () => 1 + Math.floor(random() * 5));
    const seen: string[] = [];
    const atSource: string[] = [];
    let after: string | null = null;
    for (let isAtEnd = false; !isAtEnd;) {
      isAtEnd = true;
      let stepsLeft = 1 + Math.floor(random() * 3);
      for await (const step of mergeListings(
        stores,
        requestOf(rule, after),
        signal,
        1 + Math.floor(random() * 6),
      )) {
        for (const { key, entry } of step.pairs) {
          seen.push(key);
          if (entry !== null) atSource.push(key);
        }
        after = step.after;
        stepsLeft -= 1;
        if (stepsLeft > 0) continue;
        isAtEnd = false;
        break;
      }
    }
    assert.equal(new Set(seen).size, seen.length, 'no key twice');
    assert.deepEqual(atSource, covered, 'every key, in byte order');
  });
}

test('memory holds one page of each side: a page is asked for when the one before is used up', async () => {
  const world = newWorld();
  for (let index = 0; index < 2500; index += 1)
    makeRelation({
      source: world.source,
      target: world.target,
      rule: RULE,
      at: { bucket: 'from', key: `k${index}` },
      relation: 'equal',
    });
  const stores = world.stores();
  const steps: [number, string[]][] = [];
  for await (const { pairs } of mergeListings(stores, requestOf(RULE), signal)) {
    steps.push([pairs.length, [...world.calls]]);
    world.calls.length = 0;
  }
  assert.deepEqual(steps, [
    [1000, ['source.list', 'target.list']],
    [1000, ['source.list', 'target.list']],
    [500, ['source.list', 'target.list']],
  ]);
});

test('a store that lists in another order is refused, not believed', async () => {
  const world = newWorld();
  const { queue, clock } = world;
  for (const key of ['\uff5e', '😀'])
    makeRelation({
      source: world.source,
      target: world.target,
      rule: RULE,
      at: { bucket: 'from', key },
      relation: 'equal',
    });
  const { source, target } = paged(world, () => 1000);
  const wrong: ListedStores['source'] = {
    list: async (request, abort) => {
      const page = await source.list(request, abort);
      return { ...page, entries: page.entries.toReversed() };
    },
  };
  const scan = scanDifferences({ source: wrong, target, queue, clock }, requestOf(RULE), signal);
  await assert.rejects(scan.next(), (error) => error instanceof Fault && error.code === 'source_refused');
});

test('what changed a moment ago is fed and marked, because its notification may be on its way', async () => {
  const world = newWorld();
  const { source, target, queue, clock } = world;
  const rule: Rule = { ...RULE, deletes: 'mirror' };
  const make = (key: string, relation: 'missing' | 'orphan'): void =>
    makeRelation({ source, target, rule, at: { bucket: 'from', key }, relation });
  make('old', 'missing');
  make('old orphan', 'orphan');
  clock.advance(HOUR_MS);
  make('new', 'missing');
  make('new orphan', 'orphan');
  const scan = scanDifferences({ source, target, queue, clock }, requestOf(rule), signal);
  const step = await scan.next();
  assert.ok(step.done !== true);
  assert.deepEqual(
    step.value.found.map(({ key, isFresh }) => [key, isFresh]),
    [
      ['new', true],
      ['new orphan', true],
      ['old', false],
      ['old orphan', false],
    ],
  );
});

test('the prefixes of a mapping say the same as the mapping itself', () => {
  for (const rule of Object.values(RULES)) {
    const { fromPrefix, toPrefix } = prefixesOf(rule, 'from');
    for (const rest of ['', 'x', '/', '😀\uff5e', 'in/', 'a']) {
      const key = rule.source.prefix + rest;
      assert.ok(key.startsWith(fromPrefix));
      assert.equal(mapTarget(rule, { bucket: 'from', key }).key, toPrefix + key.slice(fromPrefix.length));
    }
  }
});

test('the buckets of a rule for every bucket are those that something was copied from', async () => {
  const clock = { nowMs: () => HOUR_MS, monotonicMs: () => 0, sleep: async () => {} };
  const buckets = ['alpha', 'alpha-two', 'alpha.three', 'beta0', 'beta'];
  const source = new MemorySource({ clock, buckets, chunkBytes: 10 });
  const target = new MemoryTarget({ buckets: ['to'], blockBytes: 16 });
  const rule: Rule = {
    ...RULE,
    source: { ...RULE.source, bucket: '*' },
    target: { ...RULE.target, prefix: 'copies/', prependBucket: true },
  };
  for (const bucket of buckets)
    for (let index = 0; index < 3; index += 1)
      makeRelation({ source, target, rule, at: { bucket, key: `k/${index}` }, relation: 'equal' });
  for (const key of [
    'copies/README',
    'copies/UPPER/a',
    'copies/foreign/a',
    'copies/foreign/b',
    'copies/zz',
    'other/gamma/a',
  ])
    target.foreignWrite({ bucket: 'to', key }, Buffer.from('theirs'));
  assert.deepEqual([...(await findBuckets(target, rule, signal))].toSorted(), buckets.toSorted());
});

test('a bucket is found also where others keep more than a page of objects in front of what was copied from it', async () => {
  const clock = { nowMs: () => HOUR_MS, monotonicMs: () => 0, sleep: async () => {} };
  const source = new MemorySource({ clock, buckets: ['alpha'], chunkBytes: 10 });
  const target = new MemoryTarget({ buckets: ['to'], blockBytes: 16 });
  const rule: Rule = {
    ...RULE,
    source: { ...RULE.source, bucket: '*' },
    target: { ...RULE.target, prependBucket: true },
  };
  for (let index = 0; index < 1001; index += 1)
    target.foreignWrite({ bucket: 'to', key: `alpha/a/${index}` }, Buffer.from('theirs'));
  makeRelation({ source, target, rule, at: { bucket: 'alpha', key: 'z' }, relation: 'equal' });
  assert.deepEqual(await findBuckets(target, rule, signal), ['alpha']);
});
