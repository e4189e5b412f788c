import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deliveries, type DeliveryFailure } from './deliveries.ts';
import { TroubledDelivery } from './delivery-trouble.ts';

const busy: DeliveryFailure = { reason: 'busy', status: 503 };

/** A receiver that answers each try with the next of these, and null after them. */
function receiver(...answers: readonly (DeliveryFailure | null)[]) {
  let tries = 0;
  return {
    get tries() {
      return tries;
    },
    send: async (): Promise<DeliveryFailure | null> => {
      tries += 1;
      return answers[tries - 1] ?? null;
    },
  };
}

test('a failure is tried again after each of the waits, then given up and told', async () => {
  const deliveries = new Deliveries([1, 1]);
  const told: DeliveryFailure[] = [];
  const event = { name: 'lost' };
  const [lucky, unlucky] = [receiver(busy, busy), receiver(busy, busy, busy)];
  deliveries.begin({ event: {}, send: lucky.send });
  deliveries.begin({ event, send: unlucky.send, onUndelivered: (failure) => void told.push(failure) });
  await deliveries.idle();
  assert.deepEqual([lucky.tries, unlucky.tries], [3, 3]);
  assert.deepEqual([deliveries.undelivered, told], [[event], [busy]]);
});

test('what a receiver calls final is not tried again', async () => {
  const deliveries = new Deliveries([1, 1]);
  const refusing = receiver({ ...busy, isFinal: true });
  deliveries.begin({ event: {}, send: refusing.send });
  await deliveries.idle();
  assert.deepEqual([refusing.tries, deliveries.undelivered.length], [1, 1]);
});

test('closing ends waits and tries that never end, and tells nobody', async () => {
  const deliveries = new Deliveries([3_600_000]);
  const told: DeliveryFailure[] = [];
  const onUndelivered = (failure: DeliveryFailure): void => void told.push(failure);
  deliveries.begin({ event: {}, send: receiver(busy).send, onUndelivered });
  deliveries.begin({ event: {}, send: async () => new Promise<null>(() => {}), onUndelivered });
  await deliveries.close();
  assert.deepEqual(told, []);
});

test('chance sends an event twice or not at all, as its seed says', async () => {
  const deliveries = new Deliveries([]);
  const trouble = new TroubledDelivery({ duplicatePermille: 300, losePermille: 300 }, 5);
  const all = receiver();
  for (let index = 0; index < 200; index += 1) deliveries.begin({ event: {}, trouble, send: all.send });
  await deliveries.idle();
  const { duplicated, lost } = trouble.counts;
  assert.ok(duplicated > 0 && lost > 0);
  assert.equal(all.tries, 200 + duplicated - lost);
  assert.deepEqual(deliveries.undelivered, []);
});
