import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BucketNotifications, NotificationEntry } from '../core/bucket-notifications.ts';
import type { Rule } from '../core/rule.ts';
import { PLAIN_RULE } from '../core/testing/samples.ts';
import { judgeNotification } from './notification-check.ts';

const QUEUE_ARN = 'arn:aws:sqs:eu-central-1:111122223333:s3-events';
const QUEUE = { url: 'https://sqs.eu-central-1.amazonaws.com/111122223333/s3-events', arn: QUEUE_ARN };
const ALL = ['s3:ObjectCreated:*', 's3:ObjectRestore:Completed'];
const RULE: Rule = { ...PLAIN_RULE, source: { ...PLAIN_RULE.source, prefix: 'a/' } };
const MIRROR: Rule = { ...RULE, deletes: 'mirror' };

function entry(more: Partial<NotificationEntry> = {}): NotificationEntry {
  return { kind: 'queue', id: 'x', arn: QUEUE_ARN, events: ALL, filterRules: null, ...more };
}

function prefix(value: string): Pick<NotificationEntry, 'filterRules'> {
  return { filterRules: [{ name: 'Prefix', value }] };
}

const TOPIC = entry({ kind: 'topic', arn: 'arn:aws:sns:eu-central-1:111122223333:changes' });
const FUNCTION = entry({ kind: 'function', arn: 'arn:aws:lambda:eu-central-1:111122223333:function:f' });

const CASES: readonly {
  readonly name: string;
  readonly entries: readonly NotificationEntry[];
  readonly eventBridge?: boolean;
  readonly rule?: Rule;
  readonly queue?: { readonly url: string; readonly arn: string | null } | null;
  readonly state: string;
  readonly says: RegExp;
}[] = [
  { name: 'nothing', entries: [], state: 'failed', says: /not announced to anybody/ },
  {
    name: 'other objects only',
    entries: [entry(prefix('b/'))],
    state: 'failed',
    says: /not announced to anybody/,
  },
  {
    name: 'other events only',
    entries: [entry({ events: ['s3:ObjectTagging:*'] })],
    state: 'failed',
    says: /not announced to anybody/,
  },
  { name: 'EventBridge alone', entries: [], eventBridge: true, state: 'ok', says: /EventBridge gets every/ },
  { name: 'the queue', entries: [entry()], state: 'ok', says: /to the queue that is polled/ },
  {
    name: 'the queue beside a function',
    entries: [FUNCTION, entry()],
    state: 'ok',
    says: /to the queue that is polled/,
  },
  {
    name: 'a topic',
    entries: [TOPIC],
    state: 'ok',
    says: /the topic .*what it does with them shows --canary/,
  },
  {
    name: 'a function instead of the queue',
    entries: [FUNCTION],
    state: 'warning',
    says: /to the function .*, not to arn:aws:sqs/,
  },
  {
    name: 'a function without a queue',
    entries: [FUNCTION],
    queue: null,
    state: 'ok',
    says: /function f|:f/,
  },
  {
    name: 'a queue while SQS_QUEUE_URL is not set',
    entries: [entry()],
    queue: null,
    state: 'warning',
    says: /^The bucket announces to the queue .*:s3-events \(x\), which this service does not read: SQS_QUEUE_URL is not set$/,
  },
  {
    name: 'another queue than the one that is polled',
    entries: [entry({ arn: `${QUEUE_ARN}-2` })],
    state: 'warning',
    says: /s3-events-2 .* does not read: SQS_QUEUE_URL is https:\/\/sqs.*s3-events$/,
  },
  {
    name: 'a queue beside a function while SQS_QUEUE_URL is not set',
    entries: [entry(), FUNCTION],
    queue: null,
    state: 'ok',
    says: /function:f/,
  },
  {
    name: 'a queue while the address of the polled one does not tell its name',
    entries: [entry()],
    queue: { url: 'http://queue.internal/', arn: null },
    state: 'ok',
    says: /what it does with them shows --canary/,
  },
  {
    name: 'a part of the objects',
    entries: [entry(prefix('a/b/'))],
    state: 'warning',
    says: /^Only some of the objects are announced: the queue/,
  },
  {
    name: 'a part of the events',
    entries: [entry({ events: ['s3:ObjectCreated:Put'] })],
    state: 'warning',
    says: /^Only some/,
  },
  {
    name: 'no restores',
    entries: [entry({ events: ['s3:ObjectCreated:*'] })],
    state: 'warning',
    says: /^s3:ObjectRestore:Completed not announced/,
  },
  {
    name: 'no deletes where they are mirrored',
    entries: [entry()],
    rule: MIRROR,
    state: 'warning',
    says: /^s3:ObjectRemoved:\*, s3:LifecycleExpiration:\* not announced .* next reconcile$/,
  },
  {
    name: 'deletes by an entry of their own',
    entries: [entry(), entry({ id: 'y', events: ['s3:ObjectRemoved:*', 's3:LifecycleExpiration:*'] })],
    rule: MIRROR,
    state: 'ok',
    says: /^Everything/,
  },
];

for (const { name, entries, eventBridge = false, rule = RULE, queue = QUEUE, state, says } of CASES)
  test(`a bucket that announces ${name} is ${state}`, () => {
    const document: BucketNotifications = { entries, hasEventBridge: eventBridge };
    const verdict = judgeNotification(document, rule, queue);
    assert.equal(verdict.state, state);
    assert.match(verdict.detail, says);
    assert.equal(verdict.fix !== null, state !== 'ok');
  });
