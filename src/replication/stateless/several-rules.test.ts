// Messages of objects that more than one rule covers: each rule goes on by itself, and what one of them needs a person
// for does not keep the others busy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import { RULE } from '../testing/world.ts';
import { fateName, MessageWorld } from './testing/message-world.ts';

const OTHER = { ...RULE, name: 'other', target: { ...RULE.target, prefix: 'other/' } };
const RULES = [RULE, OTHER];

/** The world, and a target that fails for what `isBad` says of its key. */
function worldWhere(isBad: (key: string) => boolean, fault: () => Fault) {
  const world = new MessageWorld();
  world.put('hello');
  const look = world.target.look.bind(world.target);
  const looked: string[] = [];
  const target = {
    look: async (...request: Parameters<typeof look>) => {
      looked.push(request[0].key);
      if (isBad(request[0].key)) throw fault();
      return look(...request);
    },
  };
  return { world, target, looked };
}

test('an object that one of two rules cannot bring over ends in the dead letters, not in a loop', async () => {
  const { world, target } = worldWhere(
    (key) => key.startsWith('other/'),
    () => new Fault('access_denied', 'denied'),
  );
  const runner = world.runner({ rules: RULES, target });
  assert.equal(fateName(await runner.run(world.held())), 'acknowledge');
  const sent = await world.sent(0);
  assert.equal(sent.length, 1);
  assert.equal(fateName(await runner.run(world.holding(sent[0]?.body ?? ''))), 'leave: access_denied');
  assert.deepEqual(await world.sent(), []);
});

test('two rules that wait for a store have one copy each, however often they wait', async () => {
  const { world, target, looked } = worldWhere(
    () => true,
    () => new Fault('target_throttled', 'slower', { retryAfterMs: 30_000 }),
  );
  let bodies = [world.held().body];
  for (let round = 1; round <= 6; round += 1) {
    // Each message may be with a process of its own, as functions are.
    for (const body of bodies) {
      const runner = world.runner({ rules: RULES, target });
      assert.equal(fateName(await runner.run(world.holding(body))), 'acknowledge');
    }
    bodies = (await world.sent()).map(({ body }) => body);
    assert.equal(bodies.length, 2, `round ${round}`);
  }
  assert.equal(looked.length, 2 * 6);
});

test('a copy for a rule that is there no more is for every rule that covers the object', async () => {
  const { world, target } = worldWhere(
    (key) => key.startsWith('other/'),
    () => new Fault('target_throttled', 'slower', { retryAfterMs: 30_000 }),
  );
  await world.runner({ rules: RULES, target }).run(world.held());
  const [copy] = await world.sent();
  world.put('hello again');
  const renamed = { ...OTHER, name: 'renamed' };
  const end = await world.runner({ rules: [RULE, renamed] }).run(world.holding(copy?.body ?? ''));
  assert.equal(fateName(end), 'acknowledge');
  assert.equal(world.targetText(), 'hello again');
});
