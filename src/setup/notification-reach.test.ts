import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { NotificationEntry } from '../core/bucket-notifications.ts';
import {
  filterRulesOf,
  filtersMeet,
  reachCovers,
  type Reach,
  reachesOverlap,
  reachOf,
  sharedEvents,
  unionOfReaches,
} from './notification-reach.ts';

// The name carries the seed: put it here in place of the time to see the same values again.
const seed = Date.now() % 2 ** 31;
/** Objects as the code makes them. */
const PLAIN = { noNullPrototype: true };

const CREATED = ['s3:ObjectCreated:*'];

function reach(prefix: string, suffix: string, events: readonly string[] = CREATED): Reach {
  return { events, filter: { prefix, suffix } };
}

const OVERLAPS: readonly (readonly [Reach, Reach, boolean, string])[] = [
  [reach('', ''), reach('', ''), true, 'no filter at all'],
  [reach('', ''), reach('logs/', '.gz'), true, 'no filter beside any filter'],
  [reach('images/', ''), reach('logs/', ''), false, 'prefixes that no key has both of'],
  [reach('images/', ''), reach('images/raw/', ''), true, 'a prefix that begins with the other'],
  [reach('image', ''), reach('images/', ''), true, 'a prefix is text, not a folder'],
  [reach('', '.jpg'), reach('', '.png'), false, 'suffixes that no key has both of'],
  [reach('', 'jpg'), reach('', '.jpg'), true, 'a suffix that ends with the other'],
  [reach('images/', '.jpg'), reach('images/', '.png'), false, 'one prefix, other suffixes'],
  [reach('images/', '.jpg'), reach('logs/', '.jpg'), false, 'one suffix, other prefixes'],
  [reach('images/', ''), reach('', '.jpg'), true, 'a prefix here, a suffix there'],
  [reach('', ''), reach('', '', ['s3:ObjectRemoved:*']), false, 'other event types'],
  [reach('', ''), reach('', '', ['s3:ObjectCreated:Put']), true, 'a single type under a star'],
  [
    reach('', '', ['s3:ObjectCreated:Copy']),
    reach('', '', ['s3:ObjectCreated:Put']),
    false,
    'two single types',
  ],
  [
    reach('', '', ['s3:ObjectCreated:Put']),
    reach('a', '', [...CREATED, 's3:ObjectTagging:*']),
    true,
    'one of many',
  ],
];

test('entries overlap exactly where S3 says that they do', () => {
  for (const [a, b, expected, name] of OVERLAPS) {
    assert.equal(reachesOverlap(a, b), expected, name);
    assert.equal(reachesOverlap(b, a), expected, `${name}, the other way round`);
  }
});

test('the event types that both announce are named as the first writes them', () => {
  const mine = [...CREATED, 's3:ObjectRestore:Completed', 's3:ObjectRemoved:*'];
  assert.deepEqual(sharedEvents(mine, ['s3:ObjectCreated:Put', 's3:ObjectRestore:*']), [
    's3:ObjectCreated:*',
    's3:ObjectRestore:Completed',
  ]);
});

test('an entry covers another one where nothing of it is missed', () => {
  assert.ok(reachCovers(reach('', ''), reach('a/', '.txt')));
  assert.ok(!reachCovers(reach('a/', ''), reach('', '')));
  assert.ok(!reachCovers(reach('', '', ['s3:ObjectCreated:Put']), reach('', '')));
  const allOfIt = ['Put', 'Post', 'Copy', 'CompleteMultipartUpload'].map(
    (name) => `s3:ObjectCreated:${name}`,
  );
  assert.ok(reachCovers(reach('', '', allOfIt), reach('', '')));
  assert.ok(!reachCovers(reach('', '', allOfIt.slice(1)), reach('', '')));
});

test('a filter is written as S3 wants it, and read whatever the letters of its names', () => {
  assert.equal(filterRulesOf({ prefix: '', suffix: '' }), null);
  const rules = filterRulesOf({ prefix: 'a b/c+d~é%/', suffix: '' });
  assert.deepEqual(rules, [{ name: 'prefix', value: 'a+b/c%2Bd%7E%C3%A9%25/' }]);
  const entry: NotificationEntry = {
    kind: 'queue',
    id: null,
    arn: '',
    events: [],
    filterRules: [
      { name: 'Prefix', value: 'a+b/c%2Bd%7E%C3%A9%25/' },
      { name: 'SUFFIX', value: '100%' },
    ],
  };
  assert.deepEqual(reachOf(entry).filter, { prefix: 'a b/c+d~é%/', suffix: '100%' });
});

const keyText = fc.string({
  unit: fc.constantFrom('a', 'b', '/', '.', ' ', '+', '%', '~', 'é', '😀'),
  maxLength: 5,
});
const filter = fc.record({ prefix: keyText, suffix: keyText }, PLAIN);
const types = fc.subarray([
  's3:ObjectCreated:*',
  's3:ObjectCreated:Put',
  's3:ObjectRemoved:*',
  's3:ObjectRemoved:Delete',
  's3:ObjectTagging:Put',
]);
const anyReach = fc.record({ events: types, filter });

test(`a filter comes back from S3 as it was meant (seed ${seed})`, () => {
  fc.assert(
    fc.property(filter, (meant) => {
      const entry = {
        kind: 'queue',
        id: null,
        arn: '',
        events: [],
        filterRules: filterRulesOf(meant),
      } as const;
      assert.deepEqual(reachOf(entry).filter, meant);
    }),
    { seed },
  );
});

test(`filters meet wherever one key passes both (seed ${seed})`, () => {
  fc.assert(
    fc.property(filter, filter, keyText, (a, b, middle) => {
      for (const one of [a, b]) {
        const key = one.prefix + middle + one.suffix;
        const passesBoth = [a, b].every(
          ({ prefix, suffix }) => key.startsWith(prefix) && key.endsWith(suffix),
        );
        if (passesBoth) assert.ok(filtersMeet(a, b), key);
      }
    }),
    { seed },
  );
});

test(`the union of two entries covers both, and nothing covers both and is narrower (seed ${seed})`, () => {
  fc.assert(
    fc.property(anyReach, anyReach, filter, (a, b, other) => {
      const union = unionOfReaches(a, b);
      assert.ok(reachCovers(union, a));
      assert.ok(reachCovers(union, b));
      const candidate = { events: union.events, filter: other };
      if (reachCovers(candidate, a) && reachCovers(candidate, b)) assert.ok(reachCovers(candidate, union));
    }),
    { seed },
  );
});
