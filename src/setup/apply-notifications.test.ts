import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  BucketNotifications,
  NotificationsWritten,
  NotificationStore,
} from '../core/bucket-notifications.ts';
import type { Clock } from '../core/clock.ts';
import { PLAIN_RULE } from '../core/testing/samples.ts';
import { applyNotifications } from './apply-notifications.ts';
import { planNotifications, planRemoval } from './notification-plan.ts';
import { wantedEntries } from './wanted-notifications.ts';

const QUEUE = { kind: 'queue', arn: 'arn:aws:sqs:eu-central-1:111122223333:s3-events' } as const;
const FOREIGN = {
  kind: 'topic',
  id: 'theirs',
  arn: 'arn:aws:sns:eu-central-1:111122223333:t',
  events: ['s3:ObjectTagging:*'],
  filterRules: null,
} as const;
const BEFORE: BucketNotifications = { entries: [FOREIGN], hasEventBridge: true };
const PLAN = planNotifications(BEFORE, wantedEntries([PLAIN_RULE], QUEUE));
const never = new AbortController().signal;

/** A store that keeps one document; `shown` is what a read after the n-th one shows instead. */
function storeOf(
  shown: (document: BucketNotifications, read: number) => BucketNotifications = (document) => document,
  answer: NotificationsWritten = { kind: 'written' },
) {
  let document = BEFORE;
  let reads = 0;
  const slept: number[] = [];
  const notifications: NotificationStore = {
    read: async () => {
      reads += 1;
      return shown(document, reads);
    },
    write: async (_bucket, wanted) => {
      if (answer.kind === 'written') document = wanted;
      return answer;
    },
  };
  const clock: Clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    sleep: async (ms) => void slept.push(ms),
  };
  const apply = async (plan = PLAN, before = BEFORE) =>
    applyNotifications({ notifications, clock }, { bucket: 'b', before, plan }, never);
  return { apply, slept, document: () => document };
}

test('what was written is read back', async () => {
  const { apply, slept, document } = storeOf();
  assert.deepEqual(await apply(), { kind: 'written' });
  assert.deepEqual(document(), PLAN.after);
  assert.equal(document().hasEventBridge, true);
  assert.deepEqual(slept, []);
});

test('a bucket that shows its old settings for a while is looked at again, and not for ever', async () => {
  const late = storeOf((document, read) => (read < 3 ? BEFORE : document));
  assert.deepEqual(await late.apply(), { kind: 'written' });
  assert.deepEqual(late.slept, [1000, 1000]);
  const hidden = storeOf(() => BEFORE);
  assert.deepEqual(await hidden.apply(), { kind: 'not_shown' });
  assert.equal(hidden.slept.length, 5);
});

test('a write of somebody else behind ours is told, with whether ours survived it', async () => {
  const theirs = { ...FOREIGN, id: 'new', events: ['s3:Replication:*'] };
  const lost = { entries: [FOREIGN, theirs], hasEventBridge: true };
  assert.deepEqual(await storeOf(() => lost).apply(), { kind: 'overtaken', isOursThere: false, found: lost });
  const both = { ...PLAN.after, entries: [...PLAN.after.entries, theirs] };
  assert.deepEqual(await storeOf(() => both).apply(), { kind: 'overtaken', isOursThere: true, found: both });
  const flag = { ...PLAN.after, hasEventBridge: false };
  assert.deepEqual(await storeOf(() => flag).apply(), { kind: 'overtaken', isOursThere: true, found: flag });
  // A removal is overtaken where what was to go is there again beside something new.
  const removal = planRemoval(PLAN.after, null);
  assert.deepEqual(await storeOf(() => both).apply(removal, PLAN.after), {
    kind: 'overtaken',
    isOursThere: false,
    found: both,
  });
});

test('a refused write changes nothing and says why', async () => {
  const by = { kind: 'destination', message: 'no', refused: [{ arn: QUEUE.arn, reason: null }] } as const;
  const { apply, document } = storeOf(undefined, by);
  assert.deepEqual(await apply(), { kind: 'refused', by });
  assert.deepEqual(document(), BEFORE);
});
