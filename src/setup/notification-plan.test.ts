import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { BucketNotifications, NotificationEntry } from '../core/bucket-notifications.ts';
import type { Rule } from '../core/rule.ts';
import { PLAIN_RULE } from '../core/testing/samples.ts';
import { reachesOverlap, reachOf } from './notification-reach.ts';
import { changesAnything, isSameDocument, planNotifications, planRemoval } from './notification-plan.ts';
import { wantedEntries } from './wanted-notifications.ts';

// The name carries the seed: put it here in place of the time to see the same values again.
const seed = Date.now() % 2 ** 31;
/** Objects as the code makes them. */
const PLAIN = { noNullPrototype: true };

const QUEUE = { kind: 'queue', arn: 'arn:aws:sqs:eu-central-1:111122223333:s3-events' } as const;
const CREATED = ['s3:ObjectCreated:*', 's3:ObjectRestore:Completed'];

function rule(name: string, source: Partial<Rule['source']> = {}, more: Partial<Rule> = {}): Rule {
  return { ...PLAIN_RULE, ...more, name, source: { ...PLAIN_RULE.source, ...source } };
}

function foreign(more: Partial<NotificationEntry> = {}): NotificationEntry {
  const arn = 'arn:aws:lambda:eu-central-1:111122223333:function:thumbnails';
  return {
    kind: 'function',
    id: 'thumbnails',
    arn,
    events: ['s3:ObjectCreated:*'],
    filterRules: null,
    ...more,
  };
}

function only(...entries: readonly NotificationEntry[]): BucketNotifications {
  return { entries, hasEventBridge: false };
}

const LOGS = foreign({ filterRules: [{ name: 'Prefix', value: 'logs/' }] });

test('a bucket that announces nothing gets our entry', () => {
  const plan = planNotifications(only(), wantedEntries([rule('default')], QUEUE));
  const entry = { ...QUEUE, id: 'cross-cloud-replicator-default', events: CREATED, filterRules: null };
  assert.deepEqual(plan.added, [entry]);
  assert.deepEqual(plan.after, only(entry));
});

test('mirrored deletes are announced as well, and the filter is that of the rule', () => {
  const mirror = rule('photos', { prefix: '2026 /', suffix: '.jpg' }, { deletes: 'mirror' });
  const [wanted] = wantedEntries([mirror], QUEUE);
  assert.deepEqual(wanted?.entry, {
    ...QUEUE,
    id: 'cross-cloud-replicator-photos',
    events: [...CREATED, 's3:ObjectRemoved:*', 's3:LifecycleExpiration:*'],
    filterRules: [
      { name: 'prefix', value: '2026+/' },
      { name: 'suffix', value: '.jpg' },
    ],
  });
});

test('rules whose objects overlap share one entry that covers them all; others get their own', () => {
  const wanted = wantedEntries(
    [
      rule('wide', { prefix: 'a/' }),
      rule('narrow', { prefix: 'a/b/' }, { deletes: 'mirror' }),
      rule('apart', { prefix: 'c/' }),
    ],
    QUEUE,
  );
  assert.deepEqual(
    wanted.map(({ entry, ruleNames }) => [entry.id, ruleNames, entry.filterRules]),
    [
      ['cross-cloud-replicator-wide', ['wide', 'narrow'], [{ name: 'prefix', value: 'a/' }]],
      ['cross-cloud-replicator-apart', ['apart'], [{ name: 'prefix', value: 'c/' }]],
    ],
  );
  assert.deepEqual(wanted[0]?.entry.events.slice(2), ['s3:ObjectRemoved:*', 's3:LifecycleExpiration:*']);
});

test('an entry that grew by joining rules takes in those that it now meets', () => {
  const rules = [
    rule('x', { prefix: 'ab' }),
    rule('y', { prefix: 'ac', suffix: '.b' }),
    rule('z', { suffix: 'b' }),
  ];
  const wanted = wantedEntries(rules, QUEUE);
  assert.deepEqual(
    wanted.map(({ ruleNames, reach }) => [ruleNames.toSorted(), reach.filter]),
    [[['x', 'y', 'z'], { prefix: '', suffix: '' }]],
  );
});

test('what is there already is left as it is, and nothing is written', () => {
  const wanted = wantedEntries([rule('default')], QUEUE);
  const current = planNotifications(
    only(LOGS),
    wantedEntries([rule('default', { prefix: 'x/' })], QUEUE),
  ).after;
  assert.equal(current.entries.length, 2);
  const again = planNotifications(current, wantedEntries([rule('default', { prefix: 'x/' })], QUEUE));
  assert.equal(changesAnything(again), false);
  assert.equal(again.unchanged.length, 1);
  assert.deepEqual(again.kept, [LOGS]);
  // The same event types in another order, the filter's name in other letters: still the same.
  const written = wanted.map(({ entry }) => ({ ...entry, events: entry.events.toReversed() }));
  assert.equal(changesAnything(planNotifications(only(...written), wanted)), false);
});

test('an entry of ours with another destination or filter is replaced', () => {
  const before = planNotifications(only(), wantedEntries([rule('default')], QUEUE)).after;
  const topic = { kind: 'topic', arn: 'arn:aws:sns:eu-central-1:111122223333:changes' } as const;
  const plan = planNotifications(before, wantedEntries([rule('default')], topic));
  assert.deepEqual(plan.removed, before.entries);
  assert.deepEqual(
    plan.added.map(({ arn }) => arn),
    [topic.arn],
  );
  assert.equal(plan.after.entries.length, 1);
});

test('an entry of ours in the way of a renamed rule goes; one for other objects stays', () => {
  const old = wantedEntries([rule('old', { prefix: 'a/' }), rule('other', { prefix: 'b/' })], QUEUE);
  const before = planNotifications(only(), old).after;
  const plan = planNotifications(before, wantedEntries([rule('new', { prefix: 'a/' })], QUEUE));
  assert.deepEqual(
    plan.removed.map(({ id }) => id),
    ['cross-cloud-replicator-old'],
  );
  assert.deepEqual(
    plan.kept.map(({ id }) => id),
    ['cross-cloud-replicator-other'],
  );
  assert.deepEqual(
    plan.added.map(({ id }) => id),
    ['cross-cloud-replicator-new'],
  );
});

test('an overlap with an entry of somebody else is a conflict, and nothing changes', () => {
  const before = only(foreign(), LOGS);
  const plan = planNotifications(before, wantedEntries([rule('default')], QUEUE));
  assert.deepEqual(
    plan.conflicts.map((conflict) => [conflict.foreign, conflict.events]),
    [
      [foreign(), ['s3:ObjectCreated:*']],
      [LOGS, ['s3:ObjectCreated:*']],
    ],
  );
  assert.equal(plan.after, before);
  assert.equal(changesAnything(plan), false);
});

test('an entry of somebody else that sends all of it to the same destination is enough', () => {
  const byHand = foreign({ ...QUEUE, id: 'by hand', events: [...CREATED, 's3:ObjectTagging:*'] });
  const plan = planNotifications(only(byHand), wantedEntries([rule('default', { prefix: 'a/' })], QUEUE));
  assert.deepEqual(
    plan.covered.map(({ by }) => by),
    [byHand],
  );
  assert.equal(changesAnything(plan), false);
  // Without the restores it is not enough, and in the way.
  const partly = foreign({ ...QUEUE, id: 'by hand' });
  assert.equal(planNotifications(only(partly), wantedEntries([rule('default')], QUEUE)).conflicts.length, 1);
});

test('removal takes our entries, all of them or those of a rule', () => {
  const rules = [rule('one', { prefix: 'a/' }), rule('two', { prefix: 'b/' })];
  const { after } = planNotifications(only(LOGS), wantedEntries(rules, QUEUE));
  assert.deepEqual(planRemoval(after, null).after, only(LOGS));
  assert.deepEqual(
    planRemoval(after, ['two']).removed.map(({ id }) => id),
    ['cross-cloud-replicator-two'],
  );
  assert.equal(changesAnything(planRemoval(only(LOGS), null)), false);
});

const keyText = fc.string({ unit: fc.constantFrom('a', 'b', '/', '+', '%', ' '), maxLength: 3 });
const eventTypes = fc.subarray(
  ['s3:ObjectCreated:*', 's3:ObjectCreated:Put', 's3:ObjectRemoved:Delete', 's3:ObjectTagging:*', 's3:New:*'],
  { minLength: 1 },
);
const anyForeign = fc.record(
  {
    kind: fc.constantFrom('function', 'queue', 'topic'),
    id: fc.option(fc.constantFrom('x', 'y', '', 'cross-cloud')),
    arn: fc.constantFrom(QUEUE.arn, 'arn:aws:sns:eu-central-1:111122223333:t'),
    events: eventTypes,
    filterRules: fc.option(
      fc.array(fc.record({ name: fc.constantFrom('prefix', 'Suffix'), value: keyText }, PLAIN), {
        maxLength: 2,
      }),
    ),
  },
  PLAIN,
);
const anyDocument: fc.Arbitrary<BucketNotifications> = fc.record(
  {
    entries: fc.array(anyForeign, { maxLength: 5 }),
    hasEventBridge: fc.boolean(),
  },
  PLAIN,
);
const anyRules = fc.array(
  fc
    .record({ prefix: keyText, suffix: keyText, isMirror: fc.boolean() })
    .map(({ prefix, suffix, isMirror }) =>
      rule('', { prefix, suffix }, { deletes: isMirror ? 'mirror' : 'ignore' }),
    ),
  { minLength: 1, maxLength: 4 },
);

test(`wanted entries never overlap each other (seed ${seed})`, () => {
  fc.assert(
    fc.property(anyRules, (rules) => {
      const wanted = wantedEntries(rules, QUEUE);
      for (const [index, one] of wanted.entries())
        for (const other of wanted.slice(index + 1)) assert.ok(!reachesOverlap(one.reach, other.reach));
    }),
    { seed, numRuns: 500 },
  );
});

test(`merging and removing again is the identity, merging twice is merging once, and entries of others never change (seed ${seed})`, () => {
  let mergedCount = 0;
  fc.assert(
    fc.property(anyDocument, anyRules, (document, rules) => {
      const named = rules.map((one, index) => ({ ...one, name: `r${index}` }));
      const wanted = wantedEntries(named, QUEUE);
      const plan = planNotifications(document, wanted);
      const { after } = plan;
      if (changesAnything(plan)) mergedCount += 1;
      assert.equal(after.hasEventBridge, document.hasEventBridge);
      assert.deepEqual(after.entries.slice(0, document.entries.length), document.entries);
      assert.deepEqual(planRemoval(after, null).after, document);
      const again = planNotifications(after, wanted);
      assert.equal(changesAnything(again), false);
      assert.ok(isSameDocument(again.after, after));
      if (plan.conflicts.length > 0) return;
      // Nothing that we add is in anybody's way.
      for (const entry of plan.added)
        for (const other of after.entries)
          if (other !== entry) assert.ok(!reachesOverlap(reachOf(entry), reachOf(other)));
    }),
    { seed, numRuns: 1000 },
  );
  assert.ok(mergedCount > 100, `Only ${mergedCount} of 1000 documents took entries`);
});

test(`a changed rule replaces its entry and nothing else (seed ${seed})`, () => {
  fc.assert(
    fc.property(anyDocument, anyRules, anyRules, (document, before, after) => {
      const named = (rules: readonly Rule[]): Rule[] =>
        rules.map((one, index) => ({ ...one, name: `r${index}` }));
      const first = planNotifications(document, wantedEntries(named(before), QUEUE)).after;
      const second = planNotifications(first, wantedEntries(named(after), QUEUE)).after;
      assert.deepEqual(planRemoval(second, null).after, document);
    }),
    { seed, numRuns: 500 },
  );
});
