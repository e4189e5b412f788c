import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault, type FaultCode } from '../core/faults.ts';
import { digestMetadata } from '../core/metadata-map.ts';
import type { EffectAnswer, InsertRequest } from '../core/object-target.ts';
import type { SourceRead } from '../core/object-source.ts';
import { type AttemptEnd, LeaseLost } from './attempt.ts';
import { converge } from './converge.ts';
import type { Stores } from './copy-object.ts';
import { LEASE_MS, RULE, SOURCE, TARGET, World } from './testing/world.ts';

const { signal } = new AbortController();
const UNANSWERED: EffectAnswer = { kind: 'unanswered', fault: new Fault('target_error', 'no answer') };
const MIRROR = { ...RULE, deletes: 'mirror' } as const;

const isFault = (code: FaultCode) => (error: unknown) => error instanceof Fault && error.code === code;

/** Replicates once and finishes the row, so that a receipt exists. */
async function replicated(world: World): Promise<AttemptEnd> {
  const attempt = await world.begin();
  const end = await converge(world.stores(), attempt);
  await world.queue.finish(attempt.lease, { ...end, owed: attempt.owed });
  world.calls.length = 0;
  return end;
}

test('a new small object of known size costs two calls: the read and the insert', async () => {
  const world = new World();
  world.put('hello', { owner: 'ann' });
  const end = await converge(world.stores(), await world.begin({ sizeBytes: 5 }));
  assert.equal(end.outcome, 'replicated');
  assert.equal(end.receipt?.verified, 'source');
  assert.deepEqual(world.calls, ['source.read', 'target.insert']);
  assert.equal(world.targetText(), 'hello');
});

test('without a hint the target is looked at before the source is read', async () => {
  const world = new World();
  world.put('hello');
  await converge(world.stores(), await world.begin());
  assert.deepEqual(world.calls, ['target.look', 'source.read', 'target.insert']);
});

test('a key with a receipt is looked at although the change tells a small size', async () => {
  const world = new World();
  world.put('hello');
  await replicated(world);
  const end = await converge(world.stores(), await world.begin({ sizeBytes: 5 }));
  assert.equal(end.outcome, 'already_current');
  assert.deepEqual(world.calls, ['target.look', 'source.look']);
});

test('the same bytes put again move no byte: the stamp is renewed and the outcome is already_current', async () => {
  const world = new World();
  world.put('hello');
  const first = await replicated(world);
  world.clock.advance(5000);
  world.put('hello');
  const end = await converge(world.stores(), await world.begin());
  assert.equal(end.outcome, 'already_current');
  assert.equal(end.receipt?.generation, first.receipt?.generation);
  assert.deepEqual(world.calls, ['target.look', 'source.look', 'target.updateMetadata']);
});

test('other metadata within the same second is seen and written without moving a byte', async () => {
  const world = new World();
  world.put('hello', { owner: 'ann' });
  const first = await replicated(world);
  world.put('hello', { owner: 'ben' });
  const end = await converge(world.stores(), await world.begin());
  assert.equal(end.outcome, 'metadata_updated');
  assert.equal(end.receipt?.generation, first.receipt?.generation);
  const look = await world.target.look(TARGET, signal);
  assert.equal(look.kind === 'present' && look.object.metadata.custom['owner'], 'ben');
});

test('a source that is gone ends source_gone and leaves the target alone', async () => {
  const world = new World();
  world.put('hello');
  await replicated(world);
  world.source.remove(SOURCE);
  const attempt = await world.begin();
  assert.deepEqual(await converge(world.stores(), attempt), { outcome: 'source_gone', receipt: null });
  assert.equal(world.targetText(), 'hello');
  assert.match(attempt.note ?? '', /deleted after the change, or never existed/);
});

test('a name that looks encoded gets the hint that keys in JSON are literal', async () => {
  const world = new World();
  const attempt = await world.begin({ key: 'a%20b+c' });
  assert.equal((await converge(world.stores(), attempt)).outcome, 'source_gone');
  assert.match(attempt.note ?? '', /literal/);
});

test('a mirrored delete removes our copy, and nothing that others wrote or that was adopted', async () => {
  const world = new World();
  world.put('hello');
  await replicated(world);
  world.source.remove(SOURCE);
  assert.equal((await converge(world.stores(), await world.begin({}, MIRROR))).outcome, 'deleted');
  assert.equal(world.targetText(), null);

  const foreign = new World();
  foreign.target.foreignWrite(TARGET, Buffer.from('theirs'));
  assert.equal((await converge(foreign.stores(), await foreign.begin({}, MIRROR))).outcome, 'source_gone');
  assert.equal(foreign.targetText(), 'theirs');

  const adopted = new World();
  adopted.put('same');
  adopted.target.foreignWrite(TARGET, Buffer.from('same'));
  const end = await converge(adopted.stores(), await adopted.begin({}, { ...MIRROR, adopt: 'size' }));
  assert.equal(end.outcome, 'metadata_updated', 'The content type of the foreign object differed');
  adopted.source.remove(SOURCE);
  const again = adopted.attempt(await secondClaim(adopted), MIRROR);
  assert.equal((await converge(adopted.stores(), again)).outcome, 'source_gone');
  assert.equal(adopted.targetText(), 'same');
});

/** The running attempt is given back and claimed again, as after a failure. */
async function secondClaim(world: World): ReturnType<World['claim']> {
  world.clock.advance(LEASE_MS + 1);
  return world.claim();
}

test('a delete whose object was replaced meanwhile removes nothing', async () => {
  const world = new World();
  world.put('one');
  await replicated(world);
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
  await replicated(world);
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
  await replicated(world);
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
  const next = world.attempt(await secondClaim(world));
  assert.equal((await converge(world.stores(), next)).outcome, 'replicated');
});

test('agreement after a refused write is not our doing: it was there already', async () => {
  const world = new World();
  world.put('hello');
  await replicated(world);
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
  await replicated(world);
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
  const removing = world.attempt(await secondClaim(world), MIRROR);
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
  const renewed = await converge(world.stores(), world.attempt(await secondClaim(world), bySize));
  assert.equal(renewed.outcome, 'metadata_updated');
  assert.equal(renewed.receipt?.verified, 'size');
  const current = await converge(world.stores(), world.attempt(await secondClaim(world), bySize));
  assert.equal(current.receipt?.verified, 'size');
});

test('a metadata update that the target confirms as something else is a fault', async () => {
  const world = new World();
  world.put('hello', { owner: 'ann' });
  await replicated(world);
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
  const refused = world.attempt(await secondClaim(world));
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

test('a target whose bytes were changed under our stamp is copied again', async () => {
  const world = new World();
  world.put('hello');
  await replicated(world);
  const look = await world.target.look(TARGET, signal);
  assert.equal(look.kind, 'present');
  world.target.foreignWrite(TARGET, Buffer.from('hellx'), look.object.metadata);
  assert.equal((await converge(world.stores(), await world.begin())).outcome, 'replicated');
  assert.equal(world.targetText(), 'hello');
});

test('names that cannot be stored, reserved names and objects that are too large are refused before a byte moves', async () => {
  const world = new World();
  const refused: readonly [string, FaultCode][] = [
    ['line\nbreak', 'name_not_storable'],
    ['..', 'name_not_storable'],
    ['.replicator-parts/x', 'reserved_name'],
  ];
  for (const [key, code] of refused) {
    await assert.rejects(converge(world.stores(), await world.begin({ key })), isFault(code), key);
  }
  assert.deepEqual(world.calls, []);
  world.put('x'.repeat(100));
  const stores = world.stores({
    target: { capabilities: { ...world.target.capabilities, maxObjectBytes: 99 } },
  });
  await assert.rejects(converge(stores, await world.begin()), isFault('too_large'));
  assert.equal(world.source.openBodyCount, 0);
  assert.equal(world.calls.filter((call) => call === 'target.openUpload').length, 0);
});

test('bytes that do not match the checksum of the source never become visible, small or large', async () => {
  for (const size of [10, 200]) {
    const world = new World();
    const checksum = { algorithm: 'sha256', value: 'd3Jvbmc=', kind: 'full_object' } as const;
    world.source.put(SOURCE, Buffer.alloc(size, 1), { checksum });
    const attempt = await world.begin();
    await assert.rejects(converge(world.stores(), attempt), isFault('source_checksum_mismatch'));
    assert.equal(attempt.unsavedProgress?.checkpoint ?? null, null, 'Wrong bytes are never continued');
    assert.equal(world.targetText(), null);
    assert.equal(world.source.openBodyCount, 0);
  }
});

test('a target that confirms something else is a fault, never a success', async () => {
  const world = new World();
  world.put('hello');
  const stores = world.stores({
    target: {
      insert: async (request: InsertRequest, aborted) => {
        const answer = await world.target.insert(request, aborted);
        if (answer.kind !== 'committed' || answer.object === null) return answer;
        return { kind: 'committed', object: { ...answer.object, sizeBytes: 4 } };
      },
    },
  });
  await assert.rejects(converge(stores, await world.begin()), isFault('target_answer_mismatch'));
});

test('strict verification parks an object without a comparable checksum before reading it', async () => {
  const world = new World();
  world.source.put(SOURCE, Buffer.from('hello'), { etag: 'multi-2', checksum: null });
  const strict = { ...RULE, verify: 'strict' } as const;
  await assert.rejects(converge(world.stores(), await world.begin({}, strict)), isFault('not_comparable'));
  assert.equal(world.source.openBodyCount, 0);
});

test('a source that changes under every look goes back to the queue instead of looping', async () => {
  const world = new World();
  world.put('hello');
  const stores = world.stores({ target: { insert: async () => Promise.resolve({ kind: 'conflict' }) } });
  await assert.rejects(converge(stores, await world.begin()), isFault('source_changing'));
  assert.ok(world.calls.filter((call) => call === 'target.insert').length <= 6);
});

test('every failing path frees its connection and its memory', async () => {
  const world = new World();
  world.put('hello');
  const failing = new Fault('source_read_broken', 'cut');
  const stores = world.stores({
    source: {
      read: async (request, aborted): Promise<SourceRead> => {
        const read = await world.source.read(request, aborted);
        if (read.kind !== 'body') return read;
        async function* broken(): AsyncGenerator<Uint8Array> {
          yield Buffer.from('h');
          throw failing;
        }
        read.discard();
        return { ...read, body: broken() };
      },
    },
  });
  for (let round = 0; round < 300; round += 1) {
    const attempt = round === 0 ? await world.begin() : world.attempt(await secondClaim(world));
    await assert.rejects(converge(stores, attempt), failing);
  }
  assert.equal(world.source.openBodyCount, 0);
  (await world.byteBudget.acquire(1000, AbortSignal.timeout(1000)))();
});

test('what is written carries all the metadata and a stamp that agrees with itself', async () => {
  const world = new World();
  world.put('hello', { owner: 'Ännchen', 'replicator-source': 'forged' });
  const end = await converge(world.stores(), await world.begin());
  assert.deepEqual(end.receipt?.droppedMetadata, ['replicator-source']);
  const look = await world.target.look(TARGET, signal);
  assert.equal(look.kind, 'present');
  const { custom } = look.object.metadata;
  assert.equal(custom['owner'], 'Ännchen');
  assert.equal(custom['replicator-source'], 'from/a%2Fb%20c.txt');
  assert.equal(custom['replicator-source-metadata'], digestMetadata(look.object.metadata));
});
