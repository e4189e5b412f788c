// What the memory target has beyond its port: the hooks of tests, and rows of a real store that the contract cannot
// reach through every driver.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32c, crc32cToBase64 } from '../../core/checksum.ts';
import type { TargetMetadata } from '../../core/object.ts';
import type { UploadProgress, UploadSession } from '../../core/object-target.ts';
import { MemoryTarget } from './memory-target.ts';

const LOCATION = { bucket: 'bucket', key: 'key' };
const METADATA: TargetMetadata = {
  contentType: null,
  cacheControl: null,
  contentDisposition: null,
  contentLanguage: null,
  contentEncoding: null,
  custom: {},
};

function live(): AbortSignal {
  return new AbortController().signal;
}

async function upload(target: MemoryTarget): Promise<UploadSession> {
  return await target.openUpload({ location: LOCATION, condition: 'absent', metadata: METADATA }, live());
}

async function send(
  target: MemoryTarget,
  session: UploadSession,
  startByte: number,
  text: string,
): Promise<UploadProgress> {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text);
  }
  return await target.sendUpload({ session, startByte, lengthBytes: text.length, body: body() }, live());
}

describe('memory target', () => {
  it('generations and sessions count up, the same in every run', async () => {
    const runs = await Promise.all(
      [1, 2].map(async () => {
        const target = new MemoryTarget({ buckets: ['bucket'] });
        const tokens = ['a', 'b'].map((text) => target.foreignWrite(LOCATION, Buffer.from(text)).token);
        return [...tokens, (await upload(target)).uri, (await upload(target)).uri];
      }),
    );
    assert.deepEqual(runs[0], ['1/1', '2/1', 'memory:upload-1', 'memory:upload-2']);
    assert.deepEqual(runs[0], runs[1]);
  });

  it('the metageneration begins at 1 again with every generation', async () => {
    const target = new MemoryTarget({ buckets: ['bucket'] });
    const first = target.foreignWrite(LOCATION, Buffer.from('one'));
    const request = { location: LOCATION, token: first.token, metadata: METADATA, deadlineMs: 1 };
    const updated = await target.updateMetadata(request, live());
    assert.ok(updated.kind === 'committed');
    assert.equal(updated.object?.token, '1/2');
    assert.equal(target.foreignWrite(LOCATION, Buffer.from('two')).token, '2/1');
  });

  it('bytes before what an upload keeps are skipped without being compared', async () => {
    const target = new MemoryTarget({ buckets: ['bucket'], blockBytes: 4 });
    const session = await upload(target);
    await send(target, session, 0, 'AAAA');
    assert.deepEqual(await send(target, session, 0, 'BBBBCCCC'), { kind: 'open', persistedBytes: 8 });
    const bytes = Buffer.from('AAAACCCC');
    const request = {
      session,
      startByte: 8,
      lastBytes: Buffer.alloc(0),
      totalBytes: 8,
      crc32c: crc32cToBase64(crc32c(bytes)),
      custom: {},
      deadlineMs: 1,
    };
    assert.equal((await target.finishUpload(request, live())).kind, 'committed');
    assert.deepEqual(target.bytesOf(LOCATION), bytes);
  });

  it('bytes beyond what an upload keeps are refused', async () => {
    const target = new MemoryTarget({ buckets: ['bucket'], blockBytes: 4 });
    const session = await upload(target);
    await assert.rejects(send(target, session, 4, 'AAAA'), { code: 'target_error' });
    assert.deepEqual(await target.uploadProgress(session, live()), { kind: 'open', persistedBytes: 0 });
  });

  it('an upload longer than the object it should become is lost', async () => {
    const target = new MemoryTarget({ buckets: ['bucket'], blockBytes: 4 });
    const session = await upload(target);
    await send(target, session, 0, 'AAAABBBB');
    const request = {
      session,
      startByte: 4,
      lastBytes: Buffer.alloc(0),
      totalBytes: 4,
      crc32c: 'AAAAAA==',
      custom: {},
      deadlineMs: 1,
    };
    await assert.rejects(target.finishUpload(request, live()), { code: 'upload_session_lost' });
  });

  it('expired uploads are lost', async () => {
    const target = new MemoryTarget({ buckets: ['bucket'] });
    const session = await upload(target);
    target.expireUploads();
    assert.deepEqual(await target.uploadProgress(session, live()), { kind: 'lost' });
  });

  it('nothing that was handed in or out can change what is stored', async () => {
    const target = new MemoryTarget({ buckets: ['bucket'] });
    const bytes = Buffer.from('bytes');
    const custom = { a: '1' };
    const object = target.foreignWrite(LOCATION, bytes, { ...METADATA, custom });
    bytes.fill(0);
    custom.a = '2';
    (object.metadata.custom as Record<string, string>)['a'] = '3';
    assert.equal(Buffer.from(target.bytesOf(LOCATION) ?? []).toString(), 'bytes');
    const seen = await target.look(LOCATION, live());
    assert.deepEqual(seen.kind === 'present' ? seen.object.metadata.custom : null, { a: '1' });
  });

  it('somebody else can delete', async () => {
    const target = new MemoryTarget({ buckets: ['bucket'] });
    target.foreignWrite(LOCATION, Buffer.from('bytes'));
    target.foreignRemove(LOCATION);
    assert.deepEqual(await target.look(LOCATION, live()), { kind: 'absent' });
    assert.equal(target.bytesOf(LOCATION), null);
  });
});
