// The GCS driver under the contract of its port, against the sandbox over real HTTP; and what it makes of a bad network
// and of answers that come after the effect, or never.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type SandboxGcs, startSandboxGcs } from '../../sandbox/gcs/sandbox-gcs.ts';
import type { ObjectTarget } from '../../src/core/object-target.ts';
import type { HttpClient } from '../../src/exchange/connections.ts';
import { openGcsTarget } from '../../src/stores/gcs/gcs-target.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import {
  assertAbsent,
  assertBytes,
  assertConflict,
  assertFault,
  bytesOf,
  type CheckContext,
  checksumOf,
  committed,
  DEADLINE_MS,
  finish,
  insertBytes,
  live,
  metadataWith,
  openUpload,
  patternBytes,
  present,
  put,
  send,
  streamOf,
} from './object-target-fixture.ts';
import { testObjectTarget } from './object-target.contract.ts';

const BUCKET = 'target-bucket';
const TOKEN = 'token-of-the-test';
const BLOCK_BYTES = 256 * 1024;

async function openSandbox(httpClient: HttpClient = 'own'): Promise<{
  readonly sandbox: SandboxGcs;
  readonly target: ObjectTarget;
  close(): Promise<void>;
}> {
  const sandbox = await startSandboxGcs({ bearerToken: TOKEN });
  sandbox.createBucket(BUCKET);
  const target = await openGcsTarget({
    endpoint: sandbox.url,
    accessToken: { get: async () => TOKEN, refresh: async () => TOKEN },
    clock: SYSTEM_CLOCK,
    timeouts: { connectMs: 2_000, headersMs: 900, bodyIdleMs: 900 },
    connections: 8,
    httpClient,
  });
  return {
    sandbox,
    target,
    async close() {
      await target.close();
      await sandbox.close();
    },
  };
}

for (const httpClient of ['own', 'undici'] as const)
  testObjectTarget({
    name: `gcs on the sandbox, client ${httpClient}`,
    async open() {
      const sandboxed = await openSandbox(httpClient);
      return {
        target: sandboxed.target,
        bucket: BUCKET,
        readBytes: async (key) => sandboxed.sandbox.getObject(BUCKET, key)?.read() ?? null,
        close: async () => await sandboxed.close(),
      };
    },
  });

describe('gcs target under faults', () => {
  let opened: Awaited<ReturnType<typeof openSandbox>>;
  let context: CheckContext;
  let keyCount = 0;

  before(async () => {
    opened = await openSandbox();
    context = {
      target: opened.target,
      bucket: BUCKET,
      at: (name) => ({ bucket: BUCKET, key: `${keyCount}/${name}` }),
      readBytes: async ({ key }) => opened.sandbox.getObject(BUCKET, key)?.read() ?? null,
      async foreignWrite() {
        throw new Error('No foreign writer here');
      },
    };
  });
  beforeEach(() => {
    keyCount += 1;
    opened.sandbox.faults.clear();
    opened.sandbox.allow('all');
  });
  after(async () => {
    await opened.close();
  });

  it('a lost answer leaves an insert unanswered although the object is there', async () => {
    const location = context.at('lost');
    opened.sandbox.faults.add({ match: { method: 'POST' }, effect: { kind: 'lose_answer' } });
    const answer = await insertBytes(context, location, bytesOf('bytes'), 'absent');
    assert.ok(answer.kind === 'unanswered');
    assert.equal(answer.fault.code, 'target_error');
    await assertBytes(context, location, bytesOf('bytes'));
    assertConflict(await insertBytes(context, location, bytesOf('bytes'), 'absent'));
  });

  for (const status of [500, 503, 408])
    it(`a ${status} after the effect leaves it unanswered`, async () => {
      const location = context.at('replaced');
      const first = await put(context, location, 'bytes');
      opened.sandbox.faults.add({ match: { method: 'DELETE' }, effect: { kind: 'replace_answer', status } });
      const answer = await context.target.remove(
        { location, token: first.token, deadlineMs: DEADLINE_MS },
        live(),
      );
      assert.equal(answer.kind, 'unanswered');
      await assertAbsent(context, location);
    });

  it('a success that shows no object is unanswered', async () => {
    const location = context.at('unreadable');
    opened.sandbox.faults.add({
      match: { method: 'POST' },
      effect: { kind: 'replace_answer', status: 200, body: '{"kind":"storage#object"}' },
    });
    assert.equal((await insertBytes(context, location, bytesOf('x'), 'absent')).kind, 'unanswered');
    assert.equal((await present(context, location)).sizeBytes, 1);
  });

  it('a cut in the middle of an insert leaves it unanswered and nothing visible', async () => {
    const location = context.at('cut');
    opened.sandbox.faults.add({
      match: { method: 'POST' },
      effect: { kind: 'cut_request', afterBytes: 50_000 },
    });
    assert.equal((await insertBytes(context, location, patternBytes(400_000), 'absent')).kind, 'unanswered');
    await assertAbsent(context, location);
  });

  it('an insert that is not answered within its deadline is unanswered', async () => {
    const location = context.at('late');
    opened.sandbox.faults.add({ match: { method: 'POST' }, effect: { kind: 'latency', ms: 2_000 } });
    const bytes = bytesOf('late');
    const startedAtMs = performance.now();
    const answer = await context.target.insert(
      {
        location,
        condition: 'absent',
        metadata: metadataWith({}),
        placement: { storageClass: null, kmsKeyName: null },
        body: bytes,
        crc32c: checksumOf(bytes),
        deadlineMs: 50,
      },
      live(),
    );
    assert.ok(answer.kind === 'unanswered');
    assert.match(answer.fault.message, /no answer within 50 ms/);
    assert.ok(performance.now() - startedAtMs < 1_500);
  });

  it('a 429 is a refusal that says how long to wait', async () => {
    opened.sandbox.faults.add({
      match: { method: 'POST' },
      effect: { kind: 'status', status: 429, headers: { 'retry-after': '7' } },
    });
    await assert.rejects(
      insertBytes(context, context.at('throttled'), bytesOf('x'), 'absent'),
      ({ code, retryAfterMs }: { code?: unknown; retryAfterMs?: unknown }) =>
        code === 'target_throttled' && retryAfterMs === 7_000,
    );
  });

  it('an overwrite without the permission to delete names that permission', async () => {
    const location = context.at('denied');
    const { token } = await put(context, location, 'first');
    opened.sandbox.deny('storage.objects.delete');
    await assert.rejects(
      insertBytes(context, location, bytesOf('second'), token),
      (error: { code?: unknown; message?: unknown; details?: unknown }) => {
        assert.equal(error.code, 'access_denied');
        assert.match(String(error.message), /storage\.objects\.delete/);
        assert.equal((error.details as Record<string, unknown>)['permission'], 'storage.objects.delete');
        return true;
      },
    );
  });

  it('an upload that was cut goes on at the offset that the target tells', async () => {
    const location = context.at('resumed');
    const bytes = patternBytes(BLOCK_BYTES * 8 + 321);
    const session = await openUpload(context, location);
    opened.sandbox.faults.add({
      match: { method: 'PUT' },
      effect: { kind: 'cut_request', afterBytes: BLOCK_BYTES * 3 + 5_000 },
    });
    await assertFault(send(context, session, bytes, 0, BLOCK_BYTES * 8), 'target_error');
    const progress = await context.target.uploadProgress(session, live());
    assert.deepEqual(progress, { kind: 'open', persistedBytes: BLOCK_BYTES * 3 });
    assert.equal(await send(context, session, bytes, BLOCK_BYTES * 3, BLOCK_BYTES * 8), BLOCK_BYTES * 8);
    committed(await finish(context, session, bytes, BLOCK_BYTES * 8));
    await assertBytes(context, location, bytes);
  });

  it('a send that the target stops reading ends by itself', async () => {
    const session = await openUpload(context, context.at('stalled'));
    opened.sandbox.faults.add({
      match: { method: 'PUT' },
      effect: { kind: 'stall_request', afterBytes: 10_000 },
    });
    const bytes = patternBytes(BLOCK_BYTES * 40);
    await assertFault(send(context, session, bytes, 0, bytes.length), 'target_error');
    assert.deepEqual(await context.target.uploadProgress(session, live()), {
      kind: 'open',
      persistedBytes: 0,
    });
  });

  it('a 503 before the body was read ends the send, and the source is closed', async () => {
    const session = await openUpload(context, context.at('unwilling'));
    opened.sandbox.faults.add({ match: { method: 'PUT' }, effect: { kind: 'status', status: 503 } });
    let isClosed = false;
    const bytes = patternBytes(BLOCK_BYTES * 20);
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* streamOf(bytes);
      } finally {
        isClosed = true;
      }
    }
    const sending = context.target.sendUpload(
      { session, startByte: 0, lengthBytes: bytes.length, body: source() },
      live(),
    );
    await assertFault(sending, 'target_unavailable');
    assert.ok(isClosed);
  });

  it('bytes beyond what the target keeps are a fault, and asking tells the true offset', async () => {
    const bytes = patternBytes(BLOCK_BYTES * 3);
    const session = await openUpload(context, context.at('gap'));
    await send(context, session, bytes, 0, BLOCK_BYTES);
    await assertFault(send(context, session, bytes, BLOCK_BYTES * 2, BLOCK_BYTES * 3), 'target_error');
    assert.deepEqual(await context.target.uploadProgress(session, live()), {
      kind: 'open',
      persistedBytes: BLOCK_BYTES,
    });
  });

  it('a finish whose answer is lost is unanswered, and the progress shows the object', async () => {
    const location = context.at('finish-lost');
    const session = await openUpload(context, location);
    opened.sandbox.faults.add({ match: { method: 'PUT' }, effect: { kind: 'lose_answer' } });
    assert.equal((await finish(context, session, bytesOf('bytes'), 0)).kind, 'unanswered');
    const progress = await context.target.uploadProgress(session, live());
    assert.ok(progress.kind === 'committed', `The upload is ${progress.kind}`);
    assert.deepEqual(progress.object, await present(context, location));
  });

  it('a session that the target forgot is lost', async () => {
    const session = await openUpload(context, context.at('forgotten'));
    const bytes = patternBytes(BLOCK_BYTES);
    opened.sandbox.loseSessions();
    assert.deepEqual(await context.target.uploadProgress(session, live()), { kind: 'lost' });
    const sent = await context.target.sendUpload(
      { session, startByte: 0, lengthBytes: bytes.length, body: streamOf(bytes) },
      live(),
    );
    assert.deepEqual(sent, { kind: 'lost' });
    await assertFault(finish(context, session, bytesOf('x'), 0), 'upload_session_lost');
  });

  it('one flipped bit on the way is refused by the checksum', async () => {
    const location = context.at('flipped');
    const session = await openUpload(context, location);
    const bytes = patternBytes(BLOCK_BYTES);
    opened.sandbox.faults.add({
      match: { method: 'PUT' },
      effect: { kind: 'corrupt_request', atByte: 70_000 },
    });
    await send(context, session, bytes, 0, BLOCK_BYTES);
    await assertFault(finish(context, session, bytes, BLOCK_BYTES), 'target_checksum_mismatch');
    await assertAbsent(context, location);
  });
});
