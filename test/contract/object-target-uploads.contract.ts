// Contract of the object target, second part: uploads in several requests.
import assert from 'node:assert/strict';
import {
  assertAbsent,
  assertBytes,
  assertConflict,
  assertFault,
  bytesOf,
  type Check,
  checksumOf,
  committed,
  DEADLINE_MS,
  finish,
  live,
  metadataWith,
  openUpload,
  patternBytes,
  present,
  put,
  send,
} from './object-target-fixture.ts';

const wholeUploadChecks = {
  'an upload of several sends and a rest becomes one object': async (context) => {
    const location = context.at('upload');
    const { blockBytes } = context.target.capabilities;
    const bytes = patternBytes(blockBytes * 3 + 1_001);
    const metadata = { ...metadataWith({ a: '1' }), contentType: 'video/mp4', contentEncoding: 'gzip' };
    const session = await openUpload(context, location, 'absent', metadata);
    assert.equal(await send(context, session, bytes, 0, blockBytes * 2), blockBytes * 2);
    assert.equal(await send(context, session, bytes, blockBytes * 2, blockBytes * 3), blockBytes * 3);
    await assertAbsent(context, location);
    const object = committed(await finish(context, session, bytes, blockBytes * 3));
    assert.equal(object.sizeBytes, bytes.length);
    assert.equal(object.crc32c, checksumOf(bytes));
    assert.deepEqual({ ...object.metadata, custom: { ...object.metadata.custom } }, metadata);
    assert.deepEqual(await present(context, location), object);
    await assertBytes(context, location, bytes);
  },
  'an upload that ends at a block is finished without bytes': async (context) => {
    const location = context.at('even');
    const { blockBytes } = context.target.capabilities;
    const bytes = patternBytes(blockBytes * 2);
    const session = await openUpload(context, location);
    await send(context, session, bytes, 0, bytes.length);
    committed(await finish(context, session, bytes, bytes.length));
    await assertBytes(context, location, bytes);
  },
  'an upload of nothing becomes an empty object': async (context) => {
    const location = context.at('empty');
    const session = await openUpload(context, location);
    const object = committed(await finish(context, session, bytesOf(''), 0));
    assert.equal(object.sizeBytes, 0);
    await assertBytes(context, location, bytesOf(''));
  },
  'an upload in one finishing request becomes an object': async (context) => {
    const location = context.at('single');
    const bytes = patternBytes(context.target.capabilities.blockBytes * 2 + 5);
    const session = await openUpload(context, location);
    committed(await finish(context, session, bytes, 0));
    await assertBytes(context, location, bytes);
  },
  'custom metadata told at the finish joins that of the opening': async (context) => {
    const location = context.at('custom');
    const bytes = bytesOf('bytes');
    const session = await openUpload(context, location, 'absent', metadataWith({ opened: 'before' }));
    const custom = { 'replicator-crc32c': checksumOf(bytes) };
    const object = committed(await finish(context, session, bytes, 0, { custom }));
    assert.deepEqual({ ...object.metadata.custom }, { opened: 'before', ...custom });
  },
} as const satisfies Record<string, Check>;

const progressChecks = {
  'a fresh upload keeps nothing': async (context) => {
    const session = await openUpload(context, context.at('fresh'));
    assert.deepEqual(await context.target.uploadProgress(session, live()), {
      kind: 'open',
      persistedBytes: 0,
    });
  },
  'asking for the progress finishes nothing, even when every byte is there': async (context) => {
    const location = context.at('asked');
    const { blockBytes } = context.target.capabilities;
    const bytes = patternBytes(blockBytes);
    const session = await openUpload(context, location);
    await send(context, session, bytes, 0, blockBytes);
    assert.deepEqual(await context.target.uploadProgress(session, live()), {
      kind: 'open',
      persistedBytes: blockBytes,
    });
    await assertAbsent(context, location);
    committed(await finish(context, session, bytes, blockBytes));
  },
  'after the finish the progress is the object, and finishing again changes nothing': async (context) => {
    const location = context.at('finished');
    const bytes = bytesOf('finished');
    const session = await openUpload(context, location);
    const object = committed(await finish(context, session, bytes, 0));
    assert.deepEqual(await context.target.uploadProgress(session, live()), { kind: 'committed', object });
    assert.deepEqual(committed(await finish(context, session, bytes, 0)), object);
    assert.deepEqual(await present(context, location), object);
  },
  'a failing source is thrown unchanged, and the upload goes on where the target says': async (context) => {
    const location = context.at('cut');
    const { blockBytes } = context.target.capabilities;
    const bytes = patternBytes(blockBytes * 4 + 77);
    const session = await openUpload(context, location);
    const cut = new Error('the source was cut');
    const halfBlock = Math.floor(blockBytes / 2);
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, blockBytes);
      yield bytes.subarray(blockBytes, blockBytes + halfBlock);
      throw cut;
    }
    const sending = context.target.sendUpload(
      { session, startByte: 0, lengthBytes: blockBytes * 4, body: broken() },
      live(),
    );
    await assert.rejects(sending, (error) => error === cut);
    const progress = await context.target.uploadProgress(session, live());
    assert.ok(progress.kind === 'open', `The upload is ${progress.kind}`);
    const { persistedBytes } = progress;
    assert.ok(
      persistedBytes <= blockBytes + halfBlock,
      `${persistedBytes} bytes are kept of ${blockBytes + halfBlock}`,
    );
    assert.equal(persistedBytes % blockBytes, 0);
    assert.equal(await send(context, session, bytes, persistedBytes, blockBytes * 4), blockBytes * 4);
    committed(await finish(context, session, bytes, blockBytes * 4));
    await assertBytes(context, location, bytes);
  },
  'a finish that leaves bytes out makes no object': async (context) => {
    const location = context.at('short');
    const { blockBytes } = context.target.capabilities;
    const bytes = patternBytes(blockBytes * 2);
    const session = await openUpload(context, location);
    await send(context, session, bytes, 0, blockBytes);
    await assertFault(finish(context, session, bytes, bytes.length), 'target_error');
    await assertAbsent(context, location);
    const progress = await context.target.uploadProgress(session, live());
    assert.deepEqual(progress, { kind: 'open', persistedBytes: blockBytes });
  },
  'an aborted send rejects with the reason of the signal': async (context) => {
    const { blockBytes } = context.target.capabilities;
    const session = await openUpload(context, context.at('aborted'));
    const controller = new AbortController();
    const reason = new Error('the reason of the test');
    const bytes = patternBytes(blockBytes);
    async function* stopped(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 1_000);
      controller.abort(reason);
      yield bytes.subarray(1_000);
    }
    const sending = context.target.sendUpload(
      { session, startByte: 0, lengthBytes: blockBytes, body: stopped() },
      controller.signal,
    );
    await assert.rejects(sending, (error) => error === reason);
    const finishing = context.target.finishUpload(
      {
        session,
        startByte: 0,
        lastBytes: bytes,
        totalBytes: bytes.length,
        crc32c: checksumOf(bytes),
        custom: {},
        deadlineMs: DEADLINE_MS,
      },
      controller.signal,
    );
    await assert.rejects(finishing, (error) => error === reason);
    await assertAbsent(context, context.at('aborted'));
  },
} as const satisfies Record<string, Check>;

const refusedFinishChecks = {
  'the condition "absent" is judged at the end of the upload': async (context) => {
    const location = context.at('late-absent');
    const session = await openUpload(context, location);
    await context.foreignWrite(location, bytesOf('foreign'));
    assertConflict(await finish(context, session, bytesOf('ours'), 0));
    await assertBytes(context, location, bytesOf('foreign'));
  },
  'a token is judged at the end of the upload, its metadata part included': async (context) => {
    const location = context.at('late-token');
    const first = await put(context, location, 'first');
    const session = await openUpload(context, location, first.token);
    const update = {
      location,
      token: first.token,
      metadata: metadataWith({ new: '1' }),
      deadlineMs: DEADLINE_MS,
    };
    committed(await context.target.updateMetadata(update, live()));
    assertConflict(await finish(context, session, bytesOf('second'), 0));
    await assertBytes(context, location, bytesOf('first'));
  },
  'an upload at the present token replaces the object': async (context) => {
    const location = context.at('at-token');
    const first = await put(context, location, 'first', 'absent', metadataWith({ old: '1' }));
    const session = await openUpload(context, location, first.token, metadataWith({ new: '2' }));
    const object = committed(await finish(context, session, bytesOf('second'), 0));
    assert.deepEqual({ ...object.metadata.custom }, { new: '2' });
    await assertBytes(context, location, bytesOf('second'));
  },
  'an upload whose bytes do not match their checksum never becomes visible': async (context) => {
    const location = context.at('damaged');
    const { blockBytes } = context.target.capabilities;
    const bytes = patternBytes(blockBytes + 9);
    const session = await openUpload(context, location);
    await send(context, session, bytes, 0, blockBytes);
    const wrong = checksumOf(bytes.subarray(1));
    await assertFault(
      finish(context, session, bytes, blockBytes, { crc32c: wrong }),
      'target_checksum_mismatch',
    );
    await assertAbsent(context, location);
  },
  'a cancelled upload is lost': async (context) => {
    const location = context.at('cancelled');
    const { blockBytes } = context.target.capabilities;
    const bytes = patternBytes(blockBytes);
    const session = await openUpload(context, location);
    await send(context, session, bytes, 0, blockBytes);
    await context.target.cancelUpload(session, live());
    await context.target.cancelUpload(session, live());
    assert.deepEqual(await context.target.uploadProgress(session, live()), { kind: 'lost' });
    await assertFault(finish(context, session, bytes, blockBytes), 'upload_session_lost');
    await assertAbsent(context, location);
  },
} as const satisfies Record<string, Check>;

export const UPLOAD_CHECKS = { ...wholeUploadChecks, ...progressChecks, ...refusedFinishChecks } as const;
