// Reads: the part of the object source contract that keeps two states of an object from being mixed.
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import {
  assertSameBytes,
  bytesOf,
  live,
  openRead,
  patternBytes,
  type SourceCheck,
  stateOf,
} from './object-source-fixture.ts';

const MIB = 1024 * 1024;

export const READ_CHECKS = {
  'a read yields every byte': async (context) => {
    for (const sizeBytes of [1, 1000, 300_001]) {
      const location = context.at(`${sizeBytes}`);
      const bytes = patternBytes(sizeBytes, sizeBytes);
      await context.put(location, bytes, {});
      const read = await openRead(context, location, null, 0);
      assert.equal(read.state.sizeBytes, sizeBytes);
      assertSameBytes(await bytesOf(read.body), bytes, location.key);
    }
  },

  'a pinned read yields the bytes from its start to the end of the object': async (context) => {
    const bytes = patternBytes(200_003, 7);
    for (const location of [context.at('k'), context.versionedAt('k')]) {
      await context.put(location, bytes, {});
      const pin = await stateOf(context, location);
      for (const startByte of [0, 1, 65_536, 200_002]) {
        const read = await openRead(context, location, pin, startByte);
        assert.deepEqual(read.state, pin, `the state from byte ${startByte}`);
        assertSameBytes(await bytesOf(read.body), bytes.subarray(startByte), `from byte ${startByte}`);
      }
    }
  },

  'an empty object has an empty body': async (context) => {
    const location = context.at('empty');
    await context.put(location, new Uint8Array(), {});
    const pin = await stateOf(context, location);
    assert.equal(pin.sizeBytes, 0);
    for (const bound of [null, pin]) {
      const read = await openRead(context, location, bound, 0);
      assert.equal((await bytesOf(read.body)).length, 0);
      assert.deepEqual(read.state, pin);
    }
  },

  'a read without a pin says how absence was proved': async (context) => {
    const { source } = context;
    const never = context.at('never');
    assert.deepEqual(await source.read({ location: never, pin: null, startByte: 0 }, live()), {
      kind: 'absent',
      proof: 'no_such_key',
    });
    const marked = context.versionedAt('marked');
    await context.putText(marked, 'text');
    await context.remove(marked);
    assert.deepEqual(await source.read({ location: marked, pin: null, startByte: 0 }, live()), {
      kind: 'absent',
      proof: 'delete_marker',
    });
  },

  'a pinned read after an overwrite says changed, from every byte': async (context) => {
    const location = context.at('k');
    await context.put(location, patternBytes(1000, 1), {});
    const pin = await stateOf(context, location);
    await context.put(location, patternBytes(1000, 2), {});
    for (const startByte of [0, 1, 999]) {
      const read = await context.source.read({ location, pin, startByte }, live());
      assert.deepEqual(read, { kind: 'changed' }, `from byte ${startByte}`);
    }
  },

  'a pinned read after an overwrite with a shorter object says changed': async (context) => {
    const location = context.at('k');
    await context.put(location, patternBytes(1000, 1), {});
    const pin = await stateOf(context, location);
    await context.put(location, patternBytes(10, 2), {});
    for (const startByte of [0, 999]) {
      const read = await context.source.read({ location, pin, startByte }, live());
      assert.deepEqual(read, { kind: 'changed' }, `from byte ${startByte}`);
    }
  },

  'a pinned read after a removal says changed': async (context) => {
    const location = context.at('k');
    await context.put(location, patternBytes(1000, 1), {});
    const pin = await stateOf(context, location);
    await context.remove(location);
    for (const startByte of [0, 500]) {
      const read = await context.source.read({ location, pin, startByte }, live());
      assert.deepEqual(read, { kind: 'changed' }, `from byte ${startByte}`);
    }
  },

  'a new read of a version that is no longer current says changed': async (context) => {
    const location = context.versionedAt('k');
    await context.put(location, patternBytes(1000, 1), {});
    const pin = await stateOf(context, location);
    await context.put(location, patternBytes(1000, 2), {});
    const read = await context.source.read({ location, pin, startByte: 0 }, live());
    assert.deepEqual(read, { kind: 'changed' });
  },

  'a long read of an old version goes on in that version or says changed': async (context) => {
    const location = context.versionedAt('k');
    const old = patternBytes(1000, 1);
    await context.put(location, old, {});
    const pin = await stateOf(context, location);
    await context.put(location, patternBytes(1000, 2), {});
    const read = await context.source.read({ location, pin, startByte: 400 }, live());
    if (read.kind === 'body') {
      assert.deepEqual(read.state, pin);
      assertSameBytes(await bytesOf(read.body), old.subarray(400), 'the old version');
    } else {
      assert.deepEqual(read, { kind: 'changed' });
    }
  },

  'an overwrite during a read never mixes two objects': async (context) => {
    const location = context.at('k');
    const old = patternBytes(4 * MIB, 1);
    await context.put(location, old, {});
    const read = await openRead(context, location, null, 0);
    const chunks: Uint8Array[] = [];
    for await (const chunk of read.body) {
      if (chunks.length === 0) await context.put(location, patternBytes(4 * MIB, 2), {});
      chunks.push(Uint8Array.from(chunk));
    }
    assertSameBytes(Buffer.concat(chunks), old, 'the object that was opened');
  },

  'stored encodings are not undone': async (context) => {
    const location = context.at('k');
    const bytes = gzipSync(Buffer.from('text '.repeat(1000)));
    await context.put(location, bytes, { contentEncoding: 'gzip', contentType: 'text/plain' });
    const read = await openRead(context, location, null, 0);
    assert.equal(read.state.sizeBytes, bytes.length);
    assertSameBytes(await bytesOf(read.body), bytes, 'the stored bytes');
  },

  'bodies that are discarded or left free their connection': async (context) => {
    const location = context.at('k');
    await context.put(location, patternBytes(MIB, 1), {});
    // More reads than connections: one leak in each round would stop the last rounds.
    for (let round = 0; round <= context.connectionCount; round += 1) {
      (await openRead(context, location, null, 0)).discard();
      const left = await openRead(context, location, null, 0);
      for await (const chunk of left.body) if (chunk.length > 0) break;
      const untouched = await openRead(context, location, null, 0);
      await untouched.body[Symbol.asyncIterator]().return?.();
      const twice = await openRead(context, location, null, 0);
      twice.discard();
      twice.discard();
    }
    assert.equal((await stateOf(context, location)).sizeBytes, MIB);
  },

  'an abort in the middle of a body rejects with its reason': async (context) => {
    const location = context.at('k');
    await context.put(location, patternBytes(8 * MIB, 1), {});
    const controller = new AbortController();
    const reason = new Error('the lease is lost');
    const read = await openRead(context, location, null, 0, controller.signal);
    await assert.rejects(
      async () => {
        for await (const chunk of read.body) if (chunk.length > 0) controller.abort(reason);
      },
      (error) => error === reason,
    );
    assert.equal((await stateOf(context, location)).sizeBytes, 8 * MIB);
  },
} as const satisfies Record<string, SourceCheck>;
