// The resumable protocol as it is on the wire, its awkward answers, and its secret.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, it, type TestContext } from 'node:test';
import type { EffectAnswer, ObjectTarget, UploadProgress, UploadSession } from '../../core/object-target.ts';
import {
  openOn,
  type RawAnswer,
  type RawRequest,
  type RawServer,
  refusal,
  resource,
  startRawServer,
} from './testing/raw-server.ts';

const BLOCK_BYTES = 256 * 1024;
const SECRET = 'AB-secret_12';
const TOKENS = { get: async () => 'the-token', refresh: async () => 'the-token' };

function live(): AbortSignal {
  return new AbortController().signal;
}

async function opened(
  t: TestContext,
  answer: (request: RawRequest) => RawAnswer,
): Promise<{ target: ObjectTarget; server: RawServer; session: UploadSession }> {
  const server = await startRawServer(answer);
  const target = await openOn(server.url, TOKENS);
  t.after(async () => {
    await target.close();
    await server.close();
  });
  return {
    target,
    server,
    session: { uri: `${server.url}/upload/x?uploadType=resumable&upload_id=${SECRET}` },
  };
}

async function openUpload(target: ObjectTarget): Promise<UploadSession> {
  return await target.openUpload(
    {
      location: { bucket: 'bucket', key: 'a b' },
      condition: 'absent',
      metadata: {
        contentType: 'video/mp4',
        cacheControl: null,
        contentDisposition: null,
        contentLanguage: null,
        contentEncoding: null,
        custom: { a: '1' },
      },
      placement: { storageClass: null, kmsKeyName: null },
    },
    live(),
  );
}

async function sendBlocks(
  target: ObjectTarget,
  session: UploadSession,
  startByte = 0,
): Promise<UploadProgress> {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(BLOCK_BYTES);
  }
  return await target.sendUpload({ session, startByte, lengthBytes: BLOCK_BYTES, body: body() }, live());
}

async function finish(
  target: ObjectTarget,
  session: UploadSession,
  lastBytes = Buffer.from('last'),
  custom: Readonly<Record<string, string>> = {},
): Promise<EffectAnswer> {
  return await target.finishUpload(
    {
      session,
      startByte: BLOCK_BYTES,
      lastBytes,
      totalBytes: BLOCK_BYTES + lastBytes.length,
      crc32c: 'AAAAAA==',
      custom,
      deadlineMs: 5_000,
    },
    live(),
  );
}

describe('the resumable protocol', () => {
  it('opens with metadata, condition and type, and keeps the address as it came', async (t) => {
    const path = `/upload/storage/v1/b/bucket/o?uploadType=resumable&upload_id=${SECRET}`;
    const { target, server } = await opened(t, ({ headers }) => ({
      status: 200,
      headers: { location: `http://${headers.host}${path}` },
    }));
    assert.equal((await openUpload(target)).uri, server.url + path);
    const [request] = server.requests;
    assert.equal(request?.method, 'POST');
    assert.equal(
      request.url,
      '/upload/storage/v1/b/bucket/o?uploadType=resumable&name=a%20b&ifGenerationMatch=0',
    );
    assert.equal(request.headers['x-upload-content-type'], 'video/mp4');
    assert.equal(request.headers.authorization, 'Bearer the-token');
    assert.deepEqual(JSON.parse(request.body.toString()), { metadata: { a: '1' }, contentType: 'video/mp4' });
  });

  it('sends, asks and finishes with exact ranges, lengths and headers, and without a token', async (t) => {
    const { target, server, session } = await opened(t, ({ headers }) =>
      headers['content-range']?.includes('/*')
        ? { status: 308, headers: { range: `bytes=0-${BLOCK_BYTES * 2 - 1}` } }
        : { status: 200, body: resource() },
    );
    await sendBlocks(target, session, BLOCK_BYTES);
    await target.uploadProgress(session, live());
    await finish(target, session, Buffer.from('last'), { 'replicator-crc32c': 'AAAAAA==' });
    await finish(target, session, Buffer.alloc(0));
    await target.cancelUpload(session, live());
    assert.deepEqual(
      server.requests.map(({ method, headers, body }) => [
        method,
        headers['content-range'],
        headers['content-length'],
        body.length,
      ]),
      [
        ['PUT', `bytes ${BLOCK_BYTES}-${BLOCK_BYTES * 2 - 1}/*`, String(BLOCK_BYTES), BLOCK_BYTES],
        ['PUT', 'bytes */*', '0', 0],
        ['PUT', `bytes ${BLOCK_BYTES}-${BLOCK_BYTES + 3}/${BLOCK_BYTES + 4}`, '4', 4],
        ['PUT', `bytes */${BLOCK_BYTES}`, '0', 0],
        ['DELETE', undefined, undefined, 0],
      ],
    );
    const finishing = server.requests[2]?.headers;
    assert.equal(finishing?.['x-goog-hash'], 'crc32c=AAAAAA==');
    assert.equal(finishing?.['x-goog-meta-replicator-crc32c'], 'AAAAAA==');
    for (const { url, headers } of server.requests) {
      assert.equal(url, `/upload/x?uploadType=resumable&upload_id=${SECRET}`);
      assert.equal(headers.authorization, undefined);
    }
  });

  it('a 308 without a range keeps nothing, with a shorter one keeps less than was sent', async (t) => {
    let headers: Record<string, string> = {};
    const { target, session } = await opened(t, () => ({ status: 308, headers }));
    assert.deepEqual(await sendBlocks(target, session), { kind: 'open', persistedBytes: 0 });
    headers = { range: 'bytes=0-99' };
    assert.deepEqual(await sendBlocks(target, session), { kind: 'open', persistedBytes: 100 });
  });

  it('a 308 beyond what was sent has another writer, and an odd range is not believed', async (t) => {
    let range = `bytes=0-${BLOCK_BYTES}`;
    const { target, session } = await opened(t, () => ({ status: 308, headers: { range } }));
    await assert.rejects(sendBlocks(target, session), { code: 'target_answer_mismatch' });
    assert.deepEqual(await target.uploadProgress(session, live()), {
      kind: 'open',
      persistedBytes: BLOCK_BYTES + 1,
    });
    range = 'bytes=5-9';
    await assert.rejects(target.uploadProgress(session, live()), { code: 'target_answer_mismatch' });
  });

  it('a finish answered with 308 is unfinished when bytes are missing, lost when there are too many', async (t) => {
    let range = `bytes=0-${BLOCK_BYTES - 1}`;
    const { target, session } = await opened(t, () => ({ status: 308, headers: { range } }));
    await assert.rejects(finish(target, session), { code: 'target_error' });
    range = `bytes=0-${BLOCK_BYTES * 2}`;
    await assert.rejects(finish(target, session), { code: 'upload_session_lost' });
  });

  for (const status of [404, 410, 499])
    it(`${status} is a lost session, and nothing to cancel`, async (t) => {
      const { target, session } = await opened(t, () => ({ status, body: 'gone' }));
      assert.deepEqual(await sendBlocks(target, session), { kind: 'lost' });
      assert.deepEqual(await target.uploadProgress(session, live()), { kind: 'lost' });
      await assert.rejects(finish(target, session), { code: 'upload_session_lost' });
      await target.cancelUpload(session, live());
    });

  it('a finish that the condition refuses is a conflict, a 503 is unanswered, a wrong checksum a fault', async (t) => {
    let answer: RawAnswer = refusal(
      412,
      'conditionNotMet',
      'At least one of the pre-conditions did not hold.',
    );
    const { target, session } = await opened(t, () => answer);
    assert.deepEqual(await finish(target, session), { kind: 'conflict' });
    answer = { status: 503, body: 'which exceeds already uploaded size of 0 byte(s).' };
    assert.equal((await finish(target, session)).kind, 'unanswered');
    answer = { status: 400, body: 'Provided CRC32C "AAAAAA==" doesn\'t match calculated CRC32C "iA8zTw==".' };
    await assert.rejects(finish(target, session), { code: 'target_checksum_mismatch' });
  });

  it('a body of another length than announced is a programming error', async (t) => {
    const { target, session } = await opened(t, () => ({ status: 308 }));
    for (const sizeBytes of [BLOCK_BYTES - 1, BLOCK_BYTES + 1]) {
      async function* body(): AsyncGenerator<Uint8Array> {
        yield Buffer.alloc(sizeBytes);
      }
      const request = { session, startByte: 0, lengthBytes: BLOCK_BYTES, body: body() };
      await assert.rejects(target.sendUpload(request, live()), /announced/);
    }
    const uneven = { session, startByte: 0, lengthBytes: 10, body: (async function* () {})() };
    await assert.rejects(target.sendUpload(uneven, live()), /multiple/);
    await assert.rejects(finish(target, session, undefined, { 'line\nbreak': 'x' }), /cannot be sent/);
    await assert.rejects(finish(target, session, undefined, { name: 'ü' }), /cannot be sent/);
  });
});

describe('the address of an upload session', () => {
  it('is refused on a host that is not the target', async (t) => {
    const addresses = [
      'https://attacker.example/upload?upload_id=x',
      'https://storage.googleapis.com/upload?upload_id=x',
      'http://127.0.0.1:1/upload?upload_id=x',
      '/upload?upload_id=x',
      'not an address',
    ];
    for (const location of addresses) {
      const { target } = await opened(t, () => ({ status: 200, headers: { location } }));
      await assert.rejects(openUpload(target), (error: { code?: unknown }) => {
        assert.equal(error.code, 'target_answer_mismatch');
        assert.ok(!inspect(error).includes('upload_id'));
        return true;
      });
    }
    const { target } = await opened(t, () => ({ status: 200 }));
    await assert.rejects(openUpload(target), { code: 'target_answer_mismatch' });
  });

  it('of another endpoint is lost, and is not asked', async (t) => {
    const other = await startRawServer(() => ({ status: 308 }));
    t.after(async () => await other.close());
    const { target, server } = await opened(t, () => ({ status: 308 }));
    for (const host of [other.host, `${server.host}@${other.host}`, `${other.host}#@${server.host}`]) {
      const session = { uri: `http://${host}/upload?upload_id=x` };
      assert.deepEqual(await target.uploadProgress(session, live()), { kind: 'lost' });
      await assert.rejects(finish(target, session), { code: 'upload_session_lost' });
      await target.cancelUpload(session, live());
    }
    assert.equal(other.requests.length + server.requests.length, 0);
  });

  it('stands in no error, whatever the answer', async (t) => {
    const answers: RawAnswer[] = [
      ...[400, 401, 403, 404, 410, 412, 429, 500, 503].map((status) => ({
        status,
        body: `Trouble with http://host/upload?uploadType=resumable&upload_id=${SECRET}`,
      })),
      { status: 308, headers: { range: `bytes=0-${BLOCK_BYTES * 9}` } },
      (response) => response.destroy(),
    ];
    for (const answer of answers) {
      const { target, session } = await opened(t, () => answer);
      for (const call of [
        async () => await sendBlocks(target, session),
        async () => await target.uploadProgress(session, live()),
        async () => await finish(target, session),
        async () => await target.cancelUpload(session, live()),
      ]) {
        const ended = await call().then(
          (value) => value,
          (error: unknown) => error,
        );
        assert.ok(!inspect(ended, { depth: 10 }).includes(SECRET), inspect(ended));
      }
    }
  });
});
