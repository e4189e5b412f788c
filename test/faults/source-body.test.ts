// Bodies of the source that break, lie or creep: whatever comes, only the whole object of one state is ever visible.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import { BLOCK_BYTES, MAX_ATTEMPTS, patternBytes, Pipeline, SOURCE_BUCKET } from './pipeline.ts';

const LARGE = patternBytes(4 * BLOCK_BYTES + 77);
const SMALL = patternBytes(5_000, 2);
const GET = { method: 'GET', path: `/${SOURCE_BUCKET}/k` };

async function opened(bytes: Buffer, options: Parameters<typeof Pipeline.open>[0] = {}): Promise<Pipeline> {
  const pipeline = await Pipeline.open(options);
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', bytes);
  return pipeline;
}

function sessionsOpened({ gcs }: Pipeline): number {
  return gcs.requests.filter((line) => line.startsWith('POST') && line.includes('uploadType=resumable'))
    .length;
}

function rangesRead({ told }: Pipeline): number[] {
  return told.filter(({ name }) => name === 'uploadResumed').map(({ event }) => Number(event['fromByte']));
}

function without<Value>(name: string, headers: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(headers).filter(([other]) => other !== name));
}

test('a source connection that breaks again and again: one session, and each read begins where the target stopped', async () => {
  await using pipeline = await opened(LARGE);
  const cuts = [BLOCK_BYTES + 1_000, BLOCK_BYTES + 3, 10];
  for (const afterBytes of cuts)
    pipeline.s3.faults.add({ match: GET, effect: { kind: 'cut_response', afterBytes } });
  await pipeline.assertReplicates('k');
  pipeline.assertAllHappened();
  assert.equal(sessionsOpened(pipeline), 1);
  assert.equal(rangesRead(pipeline).length, 3);
  assert.ok(
    rangesRead(pipeline).every((fromByte) => fromByte >= BLOCK_BYTES),
    `Nothing was begun anew: ${rangesRead(pipeline).join(', ')}`,
  );
  assert.deepEqual(pipeline.retriedFaults(), [], 'One attempt was enough');
});

test('a body that ends before its announced length is never visible, small or large', async () => {
  for (const bytes of [SMALL, LARGE]) {
    await using pipeline = await opened(bytes);
    pipeline.s3.faults.add({
      match: GET,
      effect: {
        kind: 'edit_answer',
        edit: ({ status, headers, body }) => ({
          status,
          headers: { ...headers, connection: 'close' },
          body: body.subarray(0, 3_000),
        }),
      },
    });
    await pipeline.assertReplicates('k');
    pipeline.assertAllHappened();
  }
});

test('a body without an announced length is refused, although its connection ends cleanly', async () => {
  for (const keptBytes of [3_000, SMALL.length]) {
    await using pipeline = await opened(SMALL);
    pipeline.s3.faults.add({
      match: GET,
      effect: {
        kind: 'edit_answer',
        edit: ({ status, headers, body }) => ({
          status,
          headers: without('content-length', headers),
          body: body.subarray(0, keptBytes),
        }),
      },
    });
    await pipeline.assertReplicates('k');
    assert.deepEqual(pipeline.retriedFaults(), ['source_read_broken']);
  }
});

test('bytes behind the announced length reach nobody, and a length that is too small is found by the checksum', async () => {
  for (const bytes of [SMALL, LARGE]) {
    await using pipeline = await opened(bytes);
    const junk = { kind: 'edit_answer' as const };
    pipeline.s3.faults.add({
      match: GET,
      effect: { ...junk, edit: (answer) => ({ ...answer, body: Buffer.concat([answer.body, SMALL]) }) },
    });
    await pipeline.assertReplicates('k');
    pipeline.s3.faults.add({
      match: GET,
      effect: {
        ...junk,
        edit: (answer) => ({
          ...answer,
          headers: { ...answer.headers, 'content-length': answer.body.length - 5 },
        }),
      },
    });
    await pipeline.s3.putObject(SOURCE_BUCKET, 'k', bytes.toReversed());
    await pipeline.assertReplicates('k');
    pipeline.assertAllHappened();
  }
});

test('one flipped bit in a body is found before the object is visible, and the object is read again', async () => {
  for (const bytes of [SMALL, LARGE]) {
    await using pipeline = await opened(bytes);
    pipeline.s3.faults.add({ match: GET, effect: { kind: 'corrupt_response', atByte: 2_345 } });
    const transfer = await pipeline.assertReplicates('k');
    assert.deepEqual(pipeline.retriedFaults(), ['source_checksum_mismatch']);
    assert.equal(transfer.receipt?.verified, 'source');
    assert.equal(pipeline.gcs.openSessions, 0, 'The session with the wrong bytes is cancelled');
  }
});

test('an object whose bytes are wrong each time is parked, and never visible', async () => {
  await using pipeline = await opened(LARGE);
  pipeline.s3.faults.add({ match: GET, effect: { kind: 'corrupt_response', atByte: 9 }, times: Infinity });
  const transfer = await pipeline.assertParks('k', 'source_checksum_mismatch');
  assert.equal(transfer.attemptCount, MAX_ATTEMPTS);
  assert.equal(pipeline.targetBytes('k'), null);
});

test('where the source keeps no checksum, the receipt claims no more than the way from it', async () => {
  await using pipeline = await Pipeline.open();
  await pipeline.s3.putSyntheticObject(SOURCE_BUCKET, 'k', { sizeBytes: 5_000, seed: 3, checksums: false });
  const transfer = await pipeline.assertReplicates('k');
  assert.equal(transfer.receipt?.verified, 'transfer');
  assert.equal(transfer.receipt.sourceChecksum, null);
});

test('a body that stalls with its connection open is given up and read again', async () => {
  for (const bytes of [SMALL, LARGE]) {
    await using pipeline = await opened(bytes, { source: { bodyIdleTimeoutMs: 300 } });
    pipeline.s3.faults.add({ match: GET, effect: { kind: 'stall_response', afterBytes: 4_000 } });
    await pipeline.assertReplicates('k');
    pipeline.assertAllHappened();
  }
});

test('a body that trickles is given up, and other objects are copied meanwhile', async () => {
  let waitedMs = 0;
  await using pipeline = await opened(SMALL, {
    source: { clock: { ...SYSTEM_CLOCK, monotonicMs: () => waitedMs } },
    maxConcurrency: 2,
  });
  pipeline.s3.faults.add({
    match: GET,
    effect: { kind: 'trickle_response', afterBytes: 100, bytesPerSec: 50 },
  });
  for (const key of ['a', 'b', 'c']) await pipeline.s3.putObject(SOURCE_BUCKET, key, `bytes of ${key}`);
  const slow = pipeline.assertReplicates('k');
  await pipeline.until('the slow read', () => (pipeline.s3.faults.pending === 0 ? true : null));
  for (const key of ['a', 'b', 'c']) await pipeline.assertReplicates(key);
  assert.equal((await pipeline.newest('k'))?.status, 'copying', 'The slow one is still on its way');
  waitedMs = 30_000;
  await slow;
  assert.deepEqual(pipeline.retriedFaults(), ['source_read_broken']);
});

test('a range that is answered with another range, or with the whole object, is never appended', async () => {
  const wrongRanges: readonly ((
    whole: Buffer,
    fromByte: number,
  ) => {
    readonly status: number;
    readonly contentRange: string | null;
    readonly body: Buffer;
  })[] = [
    (whole, from) => ({
      status: 206,
      contentRange: `bytes ${from - 1}-${whole.length - 1}/${whole.length}`,
      body: whole.subarray(from - 1),
    }),
    (whole, from) => ({
      status: 206,
      contentRange: `bytes ${from}-${whole.length - 2}/${whole.length}`,
      body: whole.subarray(from, whole.length - 1),
    }),
    (whole) => ({ status: 200, contentRange: null, body: whole }),
  ];
  for (const wrong of wrongRanges) {
    await using pipeline = await opened(LARGE);
    pipeline.s3.faults.add({ match: GET, effect: { kind: 'cut_response', afterBytes: BLOCK_BYTES + 9 } });
    pipeline.s3.faults.add({
      match: { ...GET, header: { name: 'range', contains: 'bytes=' } },
      effect: {
        kind: 'edit_answer',
        edit: ({ headers }) => {
          const fromByte = Number(/bytes (\d+)-/.exec(String(headers['content-range']))?.[1]);
          const { status, contentRange, body } = wrong(LARGE, fromByte);
          return {
            status,
            headers: {
              ...without('content-range', headers),
              ...(contentRange === null ? {} : { 'content-range': contentRange }),
              'content-length': body.length,
            },
            body,
          };
        },
      },
    });
    await pipeline.assertReplicates('k');
    pipeline.assertAllHappened();
    assert.equal(sessionsOpened(pipeline), 1);
  }
});
