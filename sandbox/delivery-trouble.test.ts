import { SendMessageCommand } from '@aws-sdk/client-sqs';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededChance } from './seeded-chance.ts';
import { type DeliveryTrouble, TroubledDelivery } from './delivery-trouble.ts';
import { startSqsUnderTest } from './sqs/sqs-test-client.ts';

const trouble = { duplicatePermille: 100, reorderPermille: 100, delayPermille: 50, losePermille: 50 };

function planned(delivery: DeliveryTrouble, seed: number): object[] {
  const troubled = new TroubledDelivery(delivery, seed);
  return Array.from({ length: 1000 }, () => troubled.plan(true));
}

test('the same seed gives the same troubles, another seed others', () => {
  assert.deepEqual(planned(trouble, 7), planned(trouble, 7));
  assert.notDeepEqual(planned(trouble, 7), planned(trouble, 8));
});

test('each trouble happens about as often as it was asked for, and none without being asked for', () => {
  const troubled = new TroubledDelivery(trouble, 1);
  for (let index = 0; index < 10_000; index += 1) troubled.plan(true);
  const { duplicated, reordered, delayed, lost } = troubled.counts;
  for (const [count, expected] of [
    [duplicated, 950],
    [reordered, 1000],
    [delayed, 500],
    [lost, 500],
  ] as const)
    assert.ok(Math.abs(count - expected) < expected * 0.15, `${count} of about ${expected}`);
  const calm = new TroubledDelivery({}, 1);
  for (let index = 0; index < 100; index += 1)
    assert.deepEqual(calm.plan(true), [{ heldMs: 0, hasOwnId: false }]);
});

test('a troubled queue doubles, holds back and loses what a service delivers, and loses nothing that a client sent', async (t) => {
  const { sqs, client, clock, receive } = await startSqsUnderTest(t);
  const delivery = { duplicatePermille: 200, reorderPermille: 200, losePermille: 200, seed: 3 };
  const QueueUrl = sqs.createQueue('rough', {}, { delivery });
  for (let index = 0; index < 100; index += 1) sqs.send('rough', `service ${index}`);
  for (let index = 0; index < 100; index += 1)
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: `client ${index}` }));
  const bodies: string[] = [];
  const receiveAll = async (): Promise<void> => {
    for (;;) {
      const messages = await receive('rough', { VisibilityTimeout: 3600 });
      if (messages.length === 0) return;
      bodies.push(...messages.map(({ Body = '' }) => Body));
    }
  };
  await receiveAll();
  const atOnce = bodies.length;
  clock.advance(300);
  await receiveAll();
  const { duplicated, reordered, lost } = sqs.inspect('rough').trouble;
  assert.ok(duplicated > 0 && reordered > 0 && lost > 0 && atOnce < bodies.length);
  assert.equal(bodies.length, 200 + duplicated - lost);
  assert.equal(new Set(bodies.filter((body) => body.startsWith('client'))).size, 100);
  assert.equal(new Set(bodies).size, 200 - lost);
});

test('chance is spread evenly', () => {
  const chance = new SeededChance(42);
  const tens = Array.from({ length: 10 }, () => 0);
  for (let index = 0; index < 10_000; index += 1) {
    const ten = Math.floor(chance.next() * 10);
    tens[ten] = (tens[ten] ?? 0) + 1;
  }
  for (const count of tens) assert.ok(count > 850 && count < 1150, `${count} of about 1000`);
});
