import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault, type FaultCode } from '../core/faults.ts';
import { digestMetadata } from '../core/metadata-map.ts';
import type { InsertRequest } from '../core/object-target.ts';
import type { SourceRead } from '../core/object-source.ts';
import { converge } from './converge.ts';
import { RULE, SOURCE, TARGET, World, replicateOnce } from './testing/world.ts';

const { signal } = new AbortController();
const MIRROR = { ...RULE, deletes: 'mirror' } as const;

const isFault = (code: FaultCode) => (error: unknown) => error instanceof Fault && error.code === code;

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
  await replicateOnce(world);
  const end = await converge(world.stores(), await world.begin({ sizeBytes: 5 }));
  assert.equal(end.outcome, 'already_current');
  assert.deepEqual(world.calls, ['target.look', 'source.look']);
});

test('the same bytes put again move no byte: the stamp is renewed and the outcome is already_current', async () => {
  const world = new World();
  world.put('hello');
  const first = await replicateOnce(world);
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
  const first = await replicateOnce(world);
  world.put('hello', { owner: 'ben' });
  const end = await converge(world.stores(), await world.begin());
  assert.equal(end.outcome, 'metadata_updated');
  assert.equal(end.receipt?.generation, first.receipt?.generation);
  const look = await world.target.look(TARGET, signal);
  assert.equal(look.kind === 'present' && look.object.metadata.custom['owner'], 'ben');
});

test('only a live change assumes that the target is free: what a backfill or a reconcile asks for is looked at', async () => {
  for (const transport of ['s3', 'backfill', 'reconcile'] as const) {
    const world = new World();
    world.put('hello');
    const attempt = await world.begin({ transport, sizeBytes: 5 });
    assert.equal((await converge(world.stores(), attempt)).outcome, 'replicated');
    const looks = transport === 's3' ? [] : ['target.look'];
    assert.deepEqual(world.calls, [...looks, 'source.read', 'target.insert'], transport);
  }
});

test('a source that is gone ends source_gone and leaves the target alone', async () => {
  const world = new World();
  world.put('hello');
  await replicateOnce(world);
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
  await replicateOnce(world);
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
  const again = adopted.attempt(await adopted.claimAgain(), MIRROR);
  assert.equal((await converge(adopted.stores(), again)).outcome, 'source_gone');
  assert.equal(adopted.targetText(), 'same');
});

test('a target whose bytes were changed under our stamp is copied again', async () => {
  const world = new World();
  world.put('hello');
  await replicateOnce(world);
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
    const attempt = round === 0 ? await world.begin() : world.attempt(await world.claimAgain());
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
