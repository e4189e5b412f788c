import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../core/faults.ts';
import { ManualClock } from '../http/testing/manual-clock.ts';
import { QueueTrouble } from './queue-trouble.ts';

const RESET = new Fault('queue_unavailable', 'reset');
const DENIED = new Fault('queue_denied', 'denied');

function open(random = 0): { clock: ManualClock; trouble: QueueTrouble; told: string[] } {
  const clock = new ManualClock();
  const told: string[] = [];
  const trouble = new QueueTrouble({
    queueUrl: 'https://sqs.eu-central-1.amazonaws.com/111122223333/changes',
    clock,
    random: { next: () => random },
    happenings: {
      messageQueueDown: ({ fault }) => void told.push(fault.code),
      messageQueueUp: ({ downForMs }) => void told.push(`up after ${downForMs}`),
    },
  });
  return { clock, trouble, told };
}

test('requests that fail together are one failure, and one that passes by itself is not told', () => {
  const { trouble, told } = open();
  for (let count = 0; count < 4; count += 1) trouble.failed('receive', RESET);
  assert.deepEqual(told, []);
  assert.equal(trouble.told, null);
  assert.equal(trouble.isDown, true);
  trouble.succeeded('receive');
  assert.equal(trouble.isDown, false);
  assert.deepEqual(told, []);
});

test('there is always a pause, it grows to half a minute, and the queue may ask for more than chance gave', () => {
  const { clock, trouble } = open();
  trouble.failed('receive', RESET);
  assert.equal(trouble.waitMs, 500);
  clock.advance(500);
  trouble.failed('receive', new Fault('queue_unavailable', 'slower', { retryAfterMs: 7_000 }));
  assert.equal(trouble.waitMs, 7_000);
  const unlucky = open(0.999_999);
  for (let count = 0; count < 10; count += 1) {
    unlucky.trouble.failed('receive', RESET);
    unlucky.clock.advance(unlucky.trouble.waitMs);
  }
  unlucky.trouble.failed('receive', RESET);
  assert.equal(unlucky.trouble.waitMs, 29_999);
});

test('what needs a person is told at once, and since when', () => {
  const { clock, trouble, told } = open();
  const beganMs = clock.nowMs();
  trouble.failed('receive', DENIED);
  clock.advance(60_000);
  trouble.failed('receive', new Fault('queue_missing', 'missing'));
  assert.deepEqual(told, ['queue_denied']);
  assert.equal(trouble.told?.sinceMs, beganMs);
  assert.equal(trouble.told.fault.code, 'queue_missing', 'The latest failure is shown');
  trouble.succeeded('receive');
  assert.deepEqual(told, ['queue_denied', 'up after 60000']);
});

test('a delete that is denied is not over because receiving works, and is forgotten when nothing is left to delete', () => {
  const { clock, trouble, told } = open();
  trouble.failed('delete', DENIED);
  trouble.succeeded('receive');
  assert.equal(trouble.isDown, true);
  trouble.succeeded('delete');
  assert.deepEqual(told, ['queue_denied', 'up after 0']);
  trouble.failed('delete', DENIED);
  clock.advance(11 * 60_000);
  trouble.succeeded('receive');
  assert.equal(trouble.isDown, false);
});
