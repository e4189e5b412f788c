import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as check, asyncProperty, integer } from 'fast-check';
import { crc32c, crc32cToBase64 } from '../core/checksum.ts';
import { Fault, type FaultCode } from '../core/faults.ts';
import type { SourceRead } from '../core/object-source.ts';
import type { EffectAnswer, UploadFinishRequest, UploadSendRequest } from '../core/object-target.ts';
import type { UploadCheckpoint } from '../core/transfer-queue.ts';
import { converge } from './converge.ts';
import { LEASE_MS, RULE, SOURCE, TARGET, World } from './testing/world.ts';

const isFault = (code: FaultCode) => (error: unknown) => error instanceof Fault && error.code === code;
const { signal } = new AbortController();
/** Blocks of 16 bytes, chunks of 64: 200 bytes are large and have a tail. */
const LARGE = Buffer.from(Array.from({ length: 200 }, (_, index) => index));
const OTHER = Buffer.from(LARGE.map((byte) => 255 - byte));

function count(world: World, call: string): number {
  return world.calls.filter((made) => made === call).length;
}

/** A world whose first body breaks after `afterBytes`. */
function cutSource(world: World, afterBytes: number): { read: World['source']['read'] } {
  let isFirst = true;
  return {
    read: async (request, aborted): Promise<SourceRead> => {
      const read = await world.source.read(request, aborted);
      if (!isFirst || read.kind !== 'body') return read;
      isFirst = false;
      return { ...read, body: cut(read.body, afterBytes) };
    },
  };
}

async function* cut(body: AsyncIterable<Uint8Array>, afterBytes: number): AsyncGenerator<Uint8Array> {
  let seen = 0;
  for await (const chunk of body) {
    if (seen + chunk.length > afterBytes) throw new Fault('source_read_broken', 'cut on purpose');
    seen += chunk.length;
    yield chunk;
  }
}

test('objects of every size around chunk and block arrive whole, by the path their size asks for', async () => {
  for (const size of [0, 1, 15, 16, 17, 63, 64, 65, 79, 80, 81, 128, 200]) {
    const world = new World();
    const bytes = LARGE.subarray(0, size);
    world.source.put(SOURCE, bytes);
    const end = await converge(world.stores(), await world.begin());
    assert.equal(end.outcome, 'replicated', String(size));
    assert.equal(end.receipt?.verified, 'source');
    assert.deepEqual(Buffer.from(world.target.bytesOf(TARGET) ?? [9]), bytes, String(size));
    assert.equal(count(world, 'target.openUpload'), size > 64 ? 1 : 0, String(size));
    assert.equal(world.source.openBodyCount, 0);
  }
});

test('a large object is read once and finished by a request of its own', async () => {
  const world = new World();
  world.source.put(SOURCE, LARGE);
  await converge(world.stores(), await world.begin());
  assert.deepEqual(world.calls, [
    'target.look',
    'source.read',
    'target.openUpload',
    'target.sendUpload',
    'target.finishUpload',
  ]);
});

test('a source cut anywhere continues in the same session where the target stopped', async () => {
  await check(
    asyncProperty(integer({ min: 0, max: 199 }), async (afterBytes) => {
      const world = new World();
      world.source.put(SOURCE, LARGE);
      const end = await converge(world.stores({ source: cutSource(world, afterBytes) }), await world.begin());
      assert.equal(end.outcome, 'replicated');
      assert.deepEqual(Buffer.from(world.target.bytesOf(TARGET) ?? []), LARGE);
      assert.equal(count(world, 'target.openUpload'), 1);
      assert.equal(count(world, 'source.read'), 2);
      assert.equal(world.source.openBodyCount, 0);
    }),
  );
});

test('a target that keeps less than was sent gets the rest again, from what it acknowledged', async () => {
  const world = new World();
  world.source.put(SOURCE, LARGE);
  let isFirst = true;
  const stores = world.stores({
    target: {
      sendUpload: async (request: UploadSendRequest, aborted) => {
        if (!isFirst) return world.target.sendUpload(request, aborted);
        isFirst = false;
        const half: UploadSendRequest = { ...request, lengthBytes: 96, body: cutAt(request.body, 96) };
        await world.target.sendUpload(half, aborted);
        throw new Fault('target_error', 'connection reset');
      },
    },
  });
  const end = await converge(stores, await world.begin());
  assert.equal(end.outcome, 'replicated');
  assert.deepEqual(world.resumedFrom, [96]);
  assert.deepEqual(Buffer.from(world.target.bytesOf(TARGET) ?? []), LARGE);
});

async function* cutAt(body: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

test('a source replaced while the rest is read again: no byte of two versions meet, the new one arrives whole', async () => {
  const world = new World();
  world.source.put(SOURCE, LARGE);
  const { read } = cutSource(world, 100);
  let reads = 0;
  const stores = world.stores({
    source: {
      read: async (request, aborted) => {
        reads += 1;
        if (reads === 2) world.source.put(SOURCE, OTHER);
        return read(request, aborted);
      },
    },
  });
  const end = await converge(stores, await world.begin());
  assert.equal(end.outcome, 'replicated');
  assert.deepEqual(Buffer.from(world.target.bytesOf(TARGET) ?? []), OTHER);
  assert.equal(count(world, 'target.cancelUpload'), 1);
});

test('a finish whose answer is lost is asked for at the session: no later look is owed', async () => {
  const world = new World();
  world.source.put(SOURCE, LARGE);
  const stores = world.stores({
    target: {
      finishUpload: async (request: UploadFinishRequest, aborted): Promise<EffectAnswer> => {
        await world.target.finishUpload(request, aborted);
        return { kind: 'unanswered', fault: new Fault('target_error', 'no answer') };
      },
    },
  });
  const attempt = await world.begin();
  assert.equal((await converge(stores, attempt)).outcome, 'replicated');
  assert.equal(attempt.owed, false);
  assert.equal(count(world, 'target.openUpload'), 1);
});

test('a finish that nobody can tell about is owed and not repeated: the next attempt brings the object', async () => {
  const world = new World();
  world.source.put(SOURCE, LARGE);
  const unanswered = { kind: 'unanswered', fault: new Fault('target_error', 'no answer') } as const;
  const stores = world.stores({ target: { finishUpload: async () => unanswered } });
  const attempt = await world.begin();
  await assert.rejects(converge(stores, attempt), isFault('target_error'));
  assert.equal(attempt.owed, true);
  assert.equal(count(world, 'target.openUpload'), 1, 'The bytes are not sent twice in one attempt');
  world.clock.advance(LEASE_MS + 1);
  const next = await converge(world.stores(), world.attempt(await world.claim()));
  assert.equal(next.outcome, 'replicated');
  assert.deepEqual(Buffer.from(world.target.bytesOf(TARGET) ?? []), LARGE);
});

test('a session that is lost ends the attempt and forgets the checkpoint', async () => {
  const world = new World();
  world.source.put(SOURCE, LARGE);
  const { read } = cutSource(world, 100);
  const stores = world.stores({
    source: { read },
    target: {
      uploadProgress: async (session, aborted) => {
        world.target.expireUploads();
        return world.target.uploadProgress(session, aborted);
      },
    },
  });
  const attempt = await world.begin();
  await assert.rejects(converge(stores, attempt), isFault('upload_session_lost'));
  assert.equal(attempt.unsavedProgress?.checkpoint, null);
});

test('an upload that gets nowhere gives up after a few tries with the fault of the last one', async () => {
  const world = new World();
  world.source.put(SOURCE, LARGE);
  const stores = world.stores({
    target: {
      sendUpload: async () => {
        throw new Fault('target_error', 'reset again');
      },
    },
  });
  const attempt = await world.begin();
  await assert.rejects(converge(stores, attempt), /reset again/);
  assert.ok(count(world, 'target.sendUpload') <= 6);
  assert.equal(world.source.openBodyCount, 0);
});

/** Runs a first attempt that dies after some bytes, and returns what its heartbeat would have stored. */
async function interrupted(world: World, afterBytes: number): Promise<UploadCheckpoint> {
  world.source.put(SOURCE, LARGE);
  const stores = world.stores({
    source: cutSource(world, afterBytes),
    target: {
      uploadProgress: async () => {
        throw new Error('killed');
      },
    },
  });
  const attempt = await world.begin();
  await assert.rejects(converge(stores, attempt), /killed/);
  assert.ok(attempt.unsavedProgress?.checkpoint, 'A checkpoint was left');
  const { checkpoint } = attempt.unsavedProgress;
  assert.ok(await world.queue.progress(attempt.lease, { bytesDone: 0, sizeBytes: 200, checkpoint }));
  await world.queue.release(attempt.lease, { owed: false });
  world.calls.length = 0;
  return checkpoint;
}

test('after a crash the stored session goes on: same session, the source checksum still compared', async () => {
  for (const afterBytes of [70, 130, 150, 190]) {
    const world = new World();
    await interrupted(world, afterBytes);
    const end = await converge(world.stores(), world.attempt(await world.claim()));
    assert.equal(end.outcome, 'replicated');
    assert.equal(end.receipt?.verified, 'source');
    assert.deepEqual(Buffer.from(world.target.bytesOf(TARGET) ?? []), LARGE);
    assert.equal(count(world, 'target.openUpload'), 0, 'The session was continued');
    assert.equal(world.resumedFrom.length, 1);
  }
});

test('a stored session of another source version is cancelled, and the new version copied from its start', async () => {
  const world = new World();
  await interrupted(world, 150);
  world.source.put(SOURCE, OTHER);
  const end = await converge(world.stores(), world.attempt(await world.claim()));
  assert.equal(end.outcome, 'replicated');
  assert.deepEqual(Buffer.from(world.target.bytesOf(TARGET) ?? []), OTHER);
  assert.equal(count(world, 'target.cancelUpload'), 1);
  assert.equal(count(world, 'target.uploadProgress'), 0, 'Nobody asks how far a session of other bytes is');
  assert.equal(count(world, 'target.openUpload'), 1);
});

test('a stored session opened at another target token is cancelled, not finished', async () => {
  const world = new World();
  await interrupted(world, 150);
  world.target.foreignWrite(TARGET, Buffer.from('theirs'));
  const end = await converge(world.stores(), world.attempt(await world.claim()));
  assert.equal(end.outcome, 'replicated');
  assert.equal(count(world, 'target.cancelUpload'), 1);
});

test('a stored session that the target has forgotten: the object is copied from its start', async () => {
  const world = new World();
  await interrupted(world, 150);
  world.target.expireUploads();
  const end = await converge(world.stores(), world.attempt(await world.claim()));
  assert.equal(end.outcome, 'replicated');
  assert.equal(count(world, 'target.openUpload'), 1);
  assert.equal(count(world, 'target.cancelUpload'), 0);
});

test('a target that loses the metadata of the finishing request gets the whole stamp once more, at the same token', async () => {
  const world = new World();
  world.source.put(SOURCE, LARGE);
  const stores = world.stores({
    target: {
      finishUpload: async (request: UploadFinishRequest, aborted): Promise<EffectAnswer> => {
        const answer = await world.target.finishUpload(request, aborted);
        if (answer.kind !== 'committed' || answer.object === null) return answer;
        const { metadata } = answer.object;
        const stripped = {
          location: TARGET,
          token: answer.object.token,
          metadata: { ...metadata, custom: {} },
          deadlineMs: 1000,
        };
        return world.target.updateMetadata(stripped, signal);
      },
    },
  });
  const end = await converge(stores, await world.begin());
  assert.equal(end.outcome, 'replicated');
  const look = await world.target.look(TARGET, signal);
  assert.equal(
    look.kind === 'present' && look.object.metadata.custom['replicator-crc32c'],
    end.receipt?.crc32c,
  );
});

test('a stored session is never finished for another target: a rule that was mapped anew begins again', async () => {
  const world = new World();
  await interrupted(world, 150);
  const moved = { ...RULE, target: { ...RULE.target, prefix: 'new/' } };
  const claimed = await world.claim();
  const end = await converge(world.stores(), world.attempt(claimed, moved));
  assert.equal(end.outcome, 'replicated');
  assert.equal(world.target.bytesOf(TARGET), null, 'Nothing was written where the rule no longer points');
  assert.deepEqual(
    Buffer.from(world.target.bytesOf({ bucket: 'to', key: `new/${TARGET.key}` }) ?? []),
    LARGE,
  );
});

test('a finish that took effect before the crash is believed only if the target still shows it', async () => {
  const world = new World();
  const checkpoint = await interrupted(world, 150);
  const { session } = checkpoint;
  const progress = await world.target.uploadProgress(session, signal);
  assert.equal(progress.kind, 'open');
  const from = progress.persistedBytes;
  const rest = LARGE.subarray(from, 192);
  async function* body(): AsyncGenerator<Uint8Array> {
    yield rest;
  }
  await world.target.sendUpload({ session, startByte: from, lengthBytes: rest.length, body: body() }, signal);
  const request = {
    session,
    startByte: 192,
    lastBytes: LARGE.subarray(192),
    totalBytes: 200,
    deadlineMs: 1000,
  };
  await world.target.finishUpload({ ...request, crc32c: crc32cToBase64(crc32c(LARGE)), custom: {} }, signal);
  world.target.foreignRemove(TARGET);
  const end = await converge(world.stores(), world.attempt(await world.claim()));
  assert.equal(end.outcome, 'replicated');
  assert.deepEqual(Buffer.from(world.target.bytesOf(TARGET) ?? []), LARGE, 'The object is there again');
});

test('a checksum that cannot be saved half-way is never skipped: the object is read again from its start', async () => {
  const world = new World();
  const md5Only = { checksum: null } as const;
  world.source.put(SOURCE, LARGE, md5Only);
  const stores = world.stores({
    source: cutSource(world, 150),
    target: {
      uploadProgress: async () => {
        throw new Error('killed');
      },
    },
  });
  const strict = { ...RULE, verify: 'strict' } as const;
  const attempt = await world.begin({}, strict);
  await assert.rejects(converge(stores, attempt), /killed/);
  const checkpoint = attempt.unsavedProgress?.checkpoint ?? null;
  await world.queue.progress(attempt.lease, { bytesDone: 0, sizeBytes: 200, checkpoint });
  await world.queue.release(attempt.lease, { owed: false });
  const end = await converge(world.stores(), world.attempt(await world.claim(), strict));
  assert.equal(end.receipt?.verified, 'source');
  assert.equal(count(world, 'target.cancelUpload'), 1);
});

test('a cancel that is refused fails nothing else', async () => {
  const world = new World();
  await interrupted(world, 150);
  world.source.put(SOURCE, OTHER);
  const refuse = async (): Promise<void> => {
    throw new Fault('target_refused', 'no');
  };
  const end = await converge(
    world.stores({ target: { cancelUpload: refuse } }),
    world.attempt(await world.claim()),
  );
  assert.equal(end.outcome, 'replicated');
});
