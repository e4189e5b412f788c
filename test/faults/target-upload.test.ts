// Upload sessions on a bad day, over real requests: the connection, the answers and the session itself fail, and one
// whole, verified object is there at the end, sent again only from where the target says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaultEffect, FaultMatch } from '../../sandbox/scripted-faults.ts';
import {
  BLOCK_BYTES,
  MAX_ATTEMPTS,
  gcsError,
  patternBytes,
  Pipeline,
  SOURCE_BUCKET,
  TARGET_BUCKET,
} from './pipeline.ts';

const LARGE = patternBytes(4 * BLOCK_BYTES + 5);
const SIZE = LARGE.length;

const range = (contains: string): FaultMatch => ({
  method: 'PUT',
  header: { name: 'content-range', contains },
});
/** All full blocks in one request. */
const SEND = range(`-${4 * BLOCK_BYTES - 1}/*`);
const ASK = range('bytes */*');
const FINISH = range(`/${SIZE}`);

async function opened(): Promise<Pipeline> {
  const pipeline = await Pipeline.open();
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', LARGE);
  return pipeline;
}

function sessionsOpened({ gcs }: Pipeline): number {
  return gcs.requests.filter((line) => line.startsWith('POST') && line.includes('uploadType=resumable'))
    .length;
}

function resumedFrom({ told }: Pipeline): number[] {
  return told.filter(({ name }) => name === 'uploadResumed').map(({ event }) => Number(event['fromByte']));
}

test('a connection that breaks while bytes are sent: the session says what it keeps, and the rest is sent', async () => {
  await using pipeline = await opened();
  pipeline.gcs.faults.add({
    match: SEND,
    effect: { kind: 'cut_request', afterBytes: 2 * BLOCK_BYTES + 1_000 },
  });
  await pipeline.assertReplicates('k');
  assert.deepEqual(resumedFrom(pipeline), [2 * BLOCK_BYTES], 'Only whole blocks are kept');
  assert.equal(sessionsOpened(pipeline), 1);
});

test('a session that keeps nothing is begun again at 0, without another session', async () => {
  await using pipeline = await opened();
  pipeline.gcs.faults.add({ match: SEND, effect: { kind: 'cut_request', afterBytes: 100 } });
  await pipeline.assertReplicates('k');
  assert.deepEqual([resumedFrom(pipeline), sessionsOpened(pipeline)], [[0], 1]);
});

test('503, 429, 408 and 500 in the middle of an upload are waited for, and the same session goes on', async () => {
  for (const status of [503, 429, 408, 500]) {
    await using pipeline = await opened();
    pipeline.gcs.faults.add({ match: SEND, effect: { kind: 'status', status }, times: 2 });
    pipeline.gcs.faults.add({ match: ASK, effect: { kind: 'status', status }, skip: 1 });
    await pipeline.assertReplicates('k');
    pipeline.assertAllHappened();
    assert.equal(sessionsOpened(pipeline), 1, String(status));
  }
});

test('a target that keeps less than was sent gets the rest from there', async () => {
  await using pipeline = await opened();
  // The last block is lost on the way into the store, and the answer is honest about it.
  const answer = `bytes=0-${3 * BLOCK_BYTES - 1}`;
  pipeline.gcs.faults.add({
    match: SEND,
    effect: { kind: 'cut_request', afterBytes: 3 * BLOCK_BYTES + 7 },
  });
  pipeline.gcs.faults.add({
    match: ASK,
    effect: {
      kind: 'edit_answer',
      edit: (given) => {
        assert.equal(given.headers['range'], answer);
        return { ...given, headers: { ...given.headers, range: `bytes=0-${BLOCK_BYTES - 1}` } };
      },
    },
  });
  await pipeline.assertReplicates('k');
  assert.deepEqual(resumedFrom(pipeline), [BLOCK_BYTES]);
});

test('a session that keeps more than was sent has another writer: it is left, and the object is sent in a new one', async () => {
  await using pipeline = await opened();
  pipeline.gcs.faults.add({
    match: SEND,
    effect: {
      kind: 'edit_answer',
      edit: (given) => ({ ...given, headers: { ...given.headers, range: `bytes=0-${9 * BLOCK_BYTES - 1}` } }),
    },
  });
  await pipeline.assertReplicates('k');
  assert.deepEqual(pipeline.retriedFaults(), ['target_answer_mismatch']);
  assert.equal(sessionsOpened(pipeline), 2);
  assert.equal(pipeline.gcs.openSessions, 0, 'The first session is cancelled');
});

test('a 503 about the uploaded size is answered by asking for the offset', async () => {
  await using pipeline = await opened();
  const words =
    'Invalid request. According to the Content-Range header, the upload offset is 0 byte(s), which exceeds already uploaded size of 0 byte(s).';
  pipeline.gcs.faults.add({ match: SEND, effect: { kind: 'status', status: 503, body: words } });
  await pipeline.assertReplicates('k');
  const puts = pipeline.gcs.requests.filter((line) => line.startsWith('PUT'));
  assert.equal(puts.length, 4, 'Sent, asked, sent again, finished');
  assert.equal(sessionsOpened(pipeline), 1);
});

test('a session that is lost in the middle, or at the finish, gives way to a new one', async () => {
  for (const [match, status] of [
    [SEND, 410],
    [SEND, 404],
    [FINISH, 410],
    [FINISH, 404],
  ] as const) {
    await using pipeline = await opened();
    pipeline.gcs.faults.add({
      match,
      effect: { kind: 'meanwhile', run: () => pipeline.gcs.loseSessions() },
    });
    pipeline.gcs.faults.add({ match, effect: { kind: 'status', status } });
    await pipeline.assertReplicates('k');
    assert.ok(sessionsOpened(pipeline) >= 2);
    assert.ok(pipeline.retriedFaults().every((code) => code === 'upload_session_lost'));
  }
});

test('a lost answer to the finish is asked for at the session, and nothing is sent twice', async () => {
  const ends: FaultEffect[] = [
    { kind: 'lose_answer' },
    { kind: 'replace_answer', status: 500 },
    { kind: 'replace_answer', status: 503, body: 'busy' },
  ];
  for (const effect of ends) {
    await using pipeline = await opened();
    pipeline.gcs.faults.add({ match: FINISH, effect });
    const transfer = await pipeline.assertReplicates('k');
    assert.equal(transfer.receipt?.generation, pipeline.gcs.getObject(TARGET_BUCKET, 'k')?.generation);
    assert.equal(sessionsOpened(pipeline), 1);
    assert.deepEqual(pipeline.retriedFaults(), []);
    assert.ok(!pipeline.told.some(({ event }) => event['status'] === 'settling'), 'Nothing is owed');
  }
});

test('a finish about which not even the session answers is owed: looked at now, and once more after the grace', async () => {
  await using pipeline = await opened();
  pipeline.gcs.faults.add({ match: FINISH, effect: { kind: 'lose_answer' } });
  pipeline.gcs.faults.add({ match: ASK, effect: { kind: 'status', status: 503 } });
  await pipeline.assertReplicates('k');
  pipeline.assertAllHappened();
  const statuses = pipeline.told
    .filter(({ name }) => name === 'transferFinished')
    .map(({ event }) => event['status']);
  assert.deepEqual(statuses, ['settling', 'done']);
  assert.equal(sessionsOpened(pipeline), 1);
});

/** Lets the store's answers about an object say something else than what it holds. */
function lying(lie: Readonly<Record<string, unknown>>): FaultEffect {
  return {
    kind: 'edit_answer',
    edit: (answer) => {
      if (answer.status !== 200) return answer;
      const body = Buffer.from(JSON.stringify({ ...(JSON.parse(answer.body.toString()) as object), ...lie }));
      return { ...answer, headers: { ...answer.headers, 'content-length': body.length }, body };
    },
  };
}

test('a finish or an insert that confirms another size or checksum is never done: both sides are looked at again', async () => {
  for (const lie of [{ size: '7' }, { crc32c: 'AAAAAA==' }]) {
    for (const bytes of [LARGE, LARGE.subarray(0, 100)]) {
      await using pipeline = await Pipeline.open();
      await pipeline.s3.putObject(SOURCE_BUCKET, 'k', bytes);
      const match = bytes.length === SIZE ? FINISH : { method: 'POST', path: '/upload/' };
      pipeline.gcs.faults.add({ match, effect: lying(lie) });
      const transfer = await pipeline.replicate('k');
      assert.deepEqual(pipeline.retriedFaults(), ['target_answer_mismatch'], JSON.stringify(lie));
      assert.equal(transfer.status, 'done');
      pipeline.assertEqual('k');
    }
  }
});

test('a target that goes on confirming something else parks', async () => {
  await using pipeline = await opened();
  for (const match of [{ method: 'GET', path: '/o/k' }, FINISH])
    pipeline.gcs.faults.add({ match, effect: lying({ size: '7' }), times: Infinity });
  await pipeline.assertParks('k', 'target_answer_mismatch');
});

test('one flipped bit on the way to the target is refused by its checksum, and the object is sent again', async () => {
  const small = LARGE.subarray(0, BLOCK_BYTES);
  for (const [bytes, match] of [
    [LARGE, SEND],
    [small, { method: 'POST', path: '/upload/' }],
  ] as const) {
    await using pipeline = await Pipeline.open();
    await pipeline.s3.putObject(SOURCE_BUCKET, 'k', bytes);
    // In the middle of the bytes, behind the metadata of an insert.
    pipeline.gcs.faults.add({ match, effect: { kind: 'corrupt_request', atByte: BLOCK_BYTES / 2 } });
    await pipeline.assertReplicates('k');
    pipeline.assertAllHappened();
    assert.deepEqual(pipeline.retriedFaults(), ['target_checksum_mismatch']);
  }
});

test('bytes that are damaged on each way to the target park, and are never visible', async () => {
  await using pipeline = await opened();
  pipeline.gcs.faults.add({ match: SEND, effect: { kind: 'corrupt_request', atByte: 77 }, times: Infinity });
  const transfer = await pipeline.assertParks('k', 'target_checksum_mismatch');
  assert.equal(transfer.attemptCount, MAX_ATTEMPTS);
  assert.equal(pipeline.targetBytes('k'), null);
});

test('an insert whose answer is a 5xx although the object is there is found again, not sent again', async () => {
  await using pipeline = await Pipeline.open();
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'small');
  pipeline.gcs.faults.add({
    match: { method: 'POST', path: '/upload/' },
    effect: { kind: 'replace_answer', status: 503, body: gcsError(503, 'backendError', 'busy').body },
  });
  await pipeline.assertReplicates('k');
  assert.equal(pipeline.gcs.requests.filter((line) => line.startsWith('POST')).length, 1);
});

test('an access token that ends in the middle of an upload is not needed there, and renewed for the next call', async () => {
  let refreshes = 0;
  let valid = 'first';
  await using pipeline = await Pipeline.open({
    target: {
      accessToken: {
        get: async () => (refreshes === 0 ? 'first' : valid),
        refresh: async () => {
          refreshes += 1;
          return valid;
        },
      },
    },
  });
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', LARGE);
  const refused = gcsError(401, 'authError', 'Invalid Credentials');
  pipeline.gcs.faults.add({
    match: SEND,
    effect: {
      kind: 'meanwhile',
      run: () => {
        valid = 'second';
        pipeline.gcs.faults.add({
          match: { header: { name: 'authorization', contains: 'first' } },
          effect: refused,
          times: Infinity,
        });
      },
    },
  });
  await pipeline.assertReplicates('k');
  assert.equal(refreshes, 0, 'The session needs no token');
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'small');
  await pipeline.assertReplicates('k');
  assert.equal(refreshes, 1);
  assert.deepEqual(pipeline.retriedFaults(), []);
});
