import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault, type FaultCode } from '../core/faults.ts';
import type { EffectAnswer, InsertRequest } from '../core/object-target.ts';
import { LeaseLost } from './attempt.ts';
import { converge } from './converge.ts';
import type { Stores } from './copy-object.ts';
import { LEASE_MS, RULE, SOURCE, TARGET, World, replicateOnce } from './testing/world.ts';

const UNANSWERED: EffectAnswer = { kind: 'unanswered', fault: new Fault('target_error', 'no answer') };
const MIRROR = { ...RULE, deletes: 'mirror' } as const;

const isFault = (code: FaultCode) => (error: unknown) => error instanceof Fault && error.code === code;

test('a delete whose object was replaced meanwhile removes nothing', async () => {
  const world = new World();
  world.put('one');
  await replicateOnce(world);
  world.source.remove(SOURCE);
  let isFirst = true;
  const stores = world.stores({
    target: {
      remove: async (request, aborted) => {
        if (isFirst) {
          isFirst = false;
          world.target.foreignWrite(TARGET, Buffer.from('theirs'));
        }
        return world.target.remove(request, aborted);
      },
    },
  });
  assert.equal((await converge(stores, await world.begin({}, MIRROR))).outcome, 'source_gone');
  assert.equal(world.targetText(), 'theirs');
});

test('an optimistic write that meets another one looks at everything again and never repeats the old bytes', async () => {
  const world = new World();
  world.put('one');
  const inserted: string[] = [];
  const stores = world.stores({
    target: {
      insert: async (request: InsertRequest, aborted) => {
        inserted.push(Buffer.from(request.body).toString());
        if (inserted.length === 1) {
          // Meanwhile another worker brings the newer version.
          world.put('two');
          world.target.foreignWrite(TARGET, Buffer.from('two'));
        }
        return world.target.insert(request, aborted);
      },
    },
  });
  const end = await converge(stores, await world.begin({ sizeBytes: 3 }));
  assert.ok(end.outcome === 'replicated' || end.outcome === 'metadata_updated', end.outcome);
  assert.equal(world.targetText(), 'two');
  assert.ok(!inserted.slice(1).includes('one'), 'The old bytes were sent again');
  assert.equal(world.source.openBodyCount, 0);
});

test('an older version never replaces a newer one that arrived between the look and the write', async () => {
  const world = new World();
  world.put('one');
  await replicateOnce(world);
  world.clock.advance(1000);
  world.put('two');
  let isFirst = true;
  const stores = world.stores({
    target: {
      insert: async (request: InsertRequest, aborted) => {
        if (isFirst) {
          isFirst = false;
          world.clock.advance(1000);
          world.put('three');
          world.target.foreignWrite(TARGET, Buffer.from('three'));
        }
        return world.target.insert(request, aborted);
      },
    },
  });
  await converge(stores, await world.begin());
  assert.equal(world.targetText(), 'three');
});

test('the write is conditioned on a token that was seen before the source was read', async () => {
  const world = new World();
  world.put('one');
  await replicateOnce(world);
  world.put('two, longer');
  await converge(world.stores(), await world.begin());
  const lookAt = world.calls.indexOf('target.look');
  const readAt = world.calls.indexOf('source.read');
  assert.ok(
    lookAt >= 0 && lookAt < readAt && readAt < world.calls.indexOf('target.insert'),
    world.calls.join(),
  );
});

test('a write that landed without an answer is found again: replicated, and a later look is owed', async () => {
  const world = new World();
  world.put('hello');
  let isFirst = true;
  const stores = world.stores({
    target: {
      insert: async (request: InsertRequest, aborted) => {
        const answer = await world.target.insert(request, aborted);
        if (!isFirst) return answer;
        isFirst = false;
        return UNANSWERED;
      },
    },
  });
  const attempt = await world.begin();
  assert.equal((await converge(stores, attempt)).outcome, 'replicated');
  assert.equal(attempt.owed, true);
  assert.equal(world.calls.filter((call) => call === 'target.insert').length, 1);
});

test('after an unanswered write that did not land nothing more is sent: the next attempt does, and a look is owed', async () => {
  const world = new World();
  world.put('hello');
  const stores = world.stores({ target: { insert: async () => UNANSWERED } });
  const attempt = await world.begin();
  await assert.rejects(converge(stores, attempt), isFault('target_error'));
  assert.equal(attempt.owed, true);
  assert.equal(world.calls.filter((call) => call === 'target.insert').length, 1);
  const next = world.attempt(await world.claimAgain());
  assert.equal((await converge(world.stores(), next)).outcome, 'replicated');
});

test('agreement after a refused write is not our doing: it was there already', async () => {
  const world = new World();
  world.put('hello');
  await replicateOnce(world);
  const again = new World();
  again.source.put(SOURCE, Buffer.from('hello'));
  const attempt = await again.begin({ sizeBytes: 5 });
  let isFirst = true;
  const stores = again.stores({
    target: {
      insert: async (request: InsertRequest, aborted) => {
        const answer = await again.target.insert(request, aborted);
        if (!isFirst) return answer;
        isFirst = false;
        // Somebody with our stamp was there first.
        return again.target.insert(request, aborted);
      },
    },
  });
  assert.equal((await converge(stores, attempt)).outcome, 'already_current');
  assert.equal(attempt.owed, false);
});

test('a metadata update and a delete without an answer are named by what they did', async () => {
  const world = new World();
  world.put('hello', { owner: 'ann' });
  await replicateOnce(world);
  world.put('hello', { owner: 'ben' });
  const silent = world.stores({
    target: {
      updateMetadata: async (request, aborted) => {
        await world.target.updateMetadata(request, aborted);
        return UNANSWERED;
      },
      remove: async (request, aborted) => {
        await world.target.remove(request, aborted);
        return UNANSWERED;
      },
    },
  });
  const updating = await world.begin();
  assert.equal((await converge(silent, updating)).outcome, 'metadata_updated');
  assert.equal(updating.owed, true);
  world.source.remove(SOURCE);
  const removing = world.attempt(await world.claimAgain(), MIRROR);
  assert.equal((await converge(silent, removing)).outcome, 'deleted');
});

test('what was adopted by size alone never claims more, whatever is renewed later', async () => {
  const world = new World();
  const bySize = { ...RULE, adopt: 'size' } as const;
  world.source.put(SOURCE, Buffer.from('same'), { etag: 'multi-1', metadata: { user: { v: '1' } } });
  world.target.foreignWrite(TARGET, Buffer.from('othr'));
  const adopted = await converge(world.stores(), await world.begin({}, bySize));
  assert.equal(adopted.receipt?.verified, 'size');
  world.source.put(SOURCE, Buffer.from('same'), { etag: 'multi-1', metadata: { user: { v: '2' } } });
  const renewed = await converge(world.stores(), world.attempt(await world.claimAgain(), bySize));
  assert.equal(renewed.outcome, 'metadata_updated');
  assert.equal(renewed.receipt?.verified, 'size');
  const current = await converge(world.stores(), world.attempt(await world.claimAgain(), bySize));
  assert.equal(current.receipt?.verified, 'size');
});

test('a metadata update that the target confirms as something else is a fault', async () => {
  const world = new World();
  world.put('hello', { owner: 'ann' });
  await replicateOnce(world);
  world.put('hello', { owner: 'ben' });
  const stores = world.stores({
    target: {
      updateMetadata: async (request, aborted) => {
        const answer = await world.target.updateMetadata(request, aborted);
        if (answer.kind !== 'committed' || answer.object === null) return answer;
        return { kind: 'committed', object: { ...answer.object, sizeBytes: 3 } };
      },
    },
  });
  await assert.rejects(converge(stores, await world.begin()), isFault('target_answer_mismatch'));
});

test('an attempt that is aborted while an effect is on its way is owed; a refused effect is not', async () => {
  const world = new World();
  world.put('hello');
  const thrown = new Error('aborted');
  const fail = (error: Error): Stores => {
    const insert = async (): Promise<EffectAnswer> => {
      throw error;
    };
    return world.stores({ target: { insert } });
  };
  const aborted = await world.begin();
  await assert.rejects(converge(fail(thrown), aborted), thrown);
  assert.equal(aborted.owed, true);
  const refused = world.attempt(await world.claimAgain());
  await assert.rejects(converge(fail(new Fault('access_denied', 'no')), refused), isFault('access_denied'));
  assert.equal(refused.owed, false);
});

test('no effect is sent when the lease is about to end', async () => {
  const world = new World();
  world.put('hello');
  const attempt = await world.begin();
  world.clock.advance(LEASE_MS - 1000);
  await assert.rejects(converge(world.stores(), attempt), LeaseLost);
  assert.equal(world.targetText(), null);
  assert.equal(world.source.openBodyCount, 0);
  assert.equal(attempt.owed, false);
});
