// What a source says instead of giving its object: overload, errors, refusals, absence, and no answer at all. Nothing
// of it is ever taken for a deletion, and what passes by itself needs nobody.
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import type { FaultEffect } from '../../sandbox/scripted-faults.ts';
import { SANDBOX_KEYS } from '../../sandbox/two-clouds.ts';
import type { FaultCode } from '../../src/core/faults.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import { openS3Source } from '../../src/stores/s3/s3-source.ts';
import {
  MAX_ATTEMPTS,
  notification,
  Pipeline,
  type PipelineOptions,
  RULE,
  s3Error,
  SOURCE_BUCKET,
} from './pipeline.ts';

const OBJECT = { path: `/${SOURCE_BUCKET}/k` };
const MIRROR = { ...RULE, deletes: 'mirror' } as const;

async function opened(options: PipelineOptions = {}): Promise<Pipeline> {
  const pipeline = await Pipeline.open(options);
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  return pipeline;
}

/** Lets `effect` hit the next requests, announces `k`, and fails unless it arrives after retries for `code` only. */
async function assertPasses(
  effect: FaultEffect,
  times: number,
  code: FaultCode,
  options: PipelineOptions = {},
): Promise<void> {
  await using pipeline = await opened(options);
  pipeline.s3.faults.add({ match: OBJECT, effect, times });
  await pipeline.assertReplicates('k');
  pipeline.assertAllHappened();
  assert.deepEqual(new Set(pipeline.retriedFaults()), new Set([code]));
}

test('SlowDown uses up no attempt, however often the source says it', async () => {
  await assertPasses(s3Error(503, 'SlowDown'), 3 * MAX_ATTEMPTS, 'source_throttled');
});

test('a Retry-After of the source is obeyed', async () => {
  await using pipeline = await opened({ backoffCapMs: 5_000 });
  pipeline.s3.faults.add({
    match: OBJECT,
    effect: { ...s3Error(503, 'SlowDown'), headers: { 'retry-after': '1' } },
  });
  await pipeline.assertReplicates('k');
  const retrying = pipeline.told.find(({ name }) => name === 'transferRetrying');
  assert.ok(Number(retrying?.event['retryInMs']) >= 1_000, JSON.stringify(retrying));
});

test('500, 502 and 504 of the source pass: the first counts as an attempt, the others are about the store', async () => {
  await assertPasses(s3Error(500, 'InternalError'), MAX_ATTEMPTS - 1, 'source_error');
  for (const status of [502, 504]) {
    const page = { kind: 'status', status, body: '<html>gateway</html>' } as const;
    await assertPasses(page, 2 * MAX_ATTEMPTS, 'source_unavailable');
  }
});

test('a 400 RequestTimeout is tried again, and an ExpiredToken renews the credentials once within the attempt', async () => {
  await assertPasses(s3Error(400, 'RequestTimeout'), MAX_ATTEMPTS - 1, 'source_error');
  const loads: boolean[] = [];
  await using pipeline = await opened({
    source: {
      credentials: async (request) => {
        if (request !== undefined) loads.push(true);
        return { ...SANDBOX_KEYS };
      },
    },
  });
  pipeline.s3.faults.add({ match: OBJECT, effect: s3Error(400, 'ExpiredToken') });
  await pipeline.assertReplicates('k');
  assert.deepEqual([loads.length, pipeline.retriedFaults()], [1, []]);
});

test('a clock that is wrong by hours is put right by the answer; one that stays refused parks and says so', async () => {
  const fiveHoursLate = { ...SYSTEM_CLOCK, nowMs: () => Date.now() - 5 * 3_600_000 };
  await using late = await opened({ source: { clock: fiveHoursLate } });
  await late.assertReplicates('k');
  assert.deepEqual(late.retriedFaults(), []);
  await using pipeline = await opened();
  pipeline.s3.faults.add({ match: OBJECT, effect: s3Error(403, 'RequestTimeTooSkewed'), times: Infinity });
  const transfer = await pipeline.assertParks('k', 'clock_skewed');
  assert.match(transfer.fault?.message ?? '', /time of this machine/);
});

test('a permission that is taken away parks, and is no deletion even where deletions are mirrored', async () => {
  for (const deny of ['denyReads', 'denyListing'] as const) {
    await using pipeline = await opened({ rules: [MIRROR] });
    await pipeline.assertReplicates('k');
    pipeline.s3.deleteObject(SOURCE_BUCKET, 'k');
    pipeline.s3[deny](SOURCE_BUCKET, true);
    const transfer = await pipeline.assertParks('k', 'access_denied');
    assert.match(transfer.fault?.message ?? '', /s3:GetObject/);
    assert.equal(pipeline.targetBytes('k')?.toString(), 'one');
  }
});

test('a HEAD that answers 404 while a GET has the object proves nothing', async () => {
  await using pipeline = await opened({ rules: [MIRROR] });
  await pipeline.assertReplicates('k');
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
  pipeline.s3.faults.add({
    match: { ...OBJECT, method: 'HEAD' },
    effect: { kind: 'status', status: 404 },
    times: Infinity,
  });
  await pipeline.assertReplicates('k');
});

test('a 404 that names no missing key, or a missing bucket, is never a deletion', async () => {
  const answers: readonly (readonly [FaultEffect, FaultCode])[] = [
    [s3Error(404, 'NoSuchBucket'), 'source_bucket_missing'],
    [{ kind: 'status', status: 404, body: '<html>no such page</html>' }, 'source_refused'],
  ];
  for (const [effect, code] of answers) {
    await using pipeline = await opened({ rules: [MIRROR] });
    await pipeline.assertReplicates('k');
    pipeline.s3.faults.add({ match: OBJECT, effect, times: Infinity });
    await pipeline.assertParks('k', code);
    assert.equal(pipeline.targetBytes('k')?.toString(), 'one');
  }
});

test('an archived object parks, and the event of its restore brings it', async () => {
  await using pipeline = await opened();
  pipeline.s3.setObjectState(SOURCE_BUCKET, 'k', { archived: true });
  await pipeline.assertParks('k', 'object_archived');
  pipeline.s3.setObjectState(SOURCE_BUCKET, 'k', { restoredUntilMs: Date.now() + 3_600_000 });
  await pipeline.take(notification(['k'], 'ObjectRestore:Completed'));
  const done = await pipeline.until('the restored object', async () => {
    const transfer = await pipeline.newest('k');
    return transfer?.status === 'done' ? transfer : null;
  });
  assert.equal(done.outcome, 'replicated');
  assert.equal(pipeline.targetBytes('k')?.toString(), 'one');
});

test('an object under the key of its owner (SSE-C) parks and says that nobody else can read it', async () => {
  await using pipeline = await opened();
  pipeline.s3.setObjectState(SOURCE_BUCKET, 'k', { customerKey: true });
  const transfer = await pipeline.assertParks('k', 'customer_key_needed');
  assert.equal(transfer.attemptCount, 1);
});

test('a KMS key that is disabled or denied parks and names kms:Decrypt', async () => {
  const denied =
    'User: arn:aws:iam::1:user/u is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext';
  for (const effect of [s3Error(400, 'KMS.DisabledException'), s3Error(403, 'AccessDenied', denied)]) {
    await using pipeline = await opened();
    pipeline.s3.faults.add({ match: OBJECT, effect, times: Infinity });
    const transfer = await pipeline.assertParks('k', 'key_access_denied');
    assert.match(transfer.fault?.message ?? '', /kms:Decrypt/);
  }
});

test('a bucket whose requester has to pay parks, by that name where the source says so', async () => {
  const says = 'Bucket is Requester Pays bucket but the requester did not agree to pay';
  for (const [message, code] of [
    [says, 'requester_pays'],
    ['Access Denied', 'access_denied'],
  ] as const) {
    await using pipeline = await opened();
    pipeline.s3.faults.add({ match: OBJECT, effect: s3Error(403, 'AccessDenied', message), times: Infinity });
    const transfer = await pipeline.assertParks('k', code);
    assert.equal(transfer.attemptCount, 1);
  }
});

test('a bucket in another region parks and names the region to set', async () => {
  await using pipeline = await opened({ source: { region: 'eu-west-1' } });
  const transfer = await pipeline.assertParks('k', 'wrong_region');
  assert.match(transfer.fault?.message ?? '', /is in us-east-1, not in eu-west-1/);
});

test('a source that cannot be found or reached is waited for, without using up attempts, and then read', async () => {
  await using pipeline = await opened();
  const unreachable = ['http://nowhere.invalid', `http://127.0.0.1:${await closedPort()}`];
  for (const endpoint of unreachable) {
    const source = await openS3Source({
      region: 'us-east-1',
      endpoint,
      credentials: async () => SANDBOX_KEYS,
      expectedOwner: () => null,
      clock: SYSTEM_CLOCK,
    });
    await pipeline.stopWorker();
    pipeline.startWorker({ source });
    await pipeline.s3.putObject(SOURCE_BUCKET, 'k', endpoint);
    await pipeline.take(notification(['k']));
    const retries = pipeline.retriedFaults().length;
    await pipeline.until('many tries', () =>
      pipeline.retriedFaults().length >= retries + 2 * MAX_ATTEMPTS ? true : null,
    );
    assert.equal((await pipeline.newest('k'))?.attemptCount, 0);
    await pipeline.stopWorker();
    await source.close();
    pipeline.startWorker();
    assert.equal((await pipeline.ended('k')).outcome, 'replicated');
    pipeline.assertEqual('k');
  }
  assert.deepEqual(new Set(pipeline.retriedFaults()), new Set(['source_unreachable']));
});

test('an address that takes connections and never answers is given up', async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  assert.ok(address !== null && typeof address === 'object');
  const source = await openS3Source({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${address.port}`,
    credentials: async () => SANDBOX_KEYS,
    expectedOwner: () => null,
    clock: SYSTEM_CLOCK,
    headersTimeoutMs: 300,
  });
  await using pipeline = await opened();
  await pipeline.stopWorker();
  pipeline.startWorker({ source });
  await pipeline.take(notification(['k']));
  await pipeline.until('a given up request', () => (pipeline.retriedFaults().length > 0 ? true : null));
  assert.equal(pipeline.retriedFaults()[0], 'source_error');
  await pipeline.stopWorker();
  await source.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => silent.close(resolve));
  pipeline.startWorker();
  assert.equal((await pipeline.ended('k')).outcome, 'replicated');
});

test('a document that trickles from either store is given up, and asked for again', async () => {
  for (const [name, code] of [
    ['gcs', 'target_error'],
    ['s3', 'source_error'],
  ] as const) {
    let waitedMs = 0;
    await using pipeline = await opened({ time: { monotonicMs: () => performance.now() + waitedMs } });
    // A look at the target is a document, and so is a refusal of the source.
    pipeline.s3.denyReads(SOURCE_BUCKET, name === 's3');
    let isSending = false;
    pipeline[name].watch(({ stage }) => void (isSending ||= stage === 'sending'));
    pipeline[name].faults.add({
      match: { method: 'GET' },
      effect: { kind: 'trickle_response', afterBytes: 1, bytesPerSec: 20 },
    });
    await pipeline.take(notification(['k']));
    await pipeline.until('the slow answer', () => (isSending ? true : null));
    pipeline.s3.denyReads(SOURCE_BUCKET, false);
    await pipeline.until('its end', () => {
      waitedMs += 100;
      return pipeline.retriedFaults().length > 0 ? true : null;
    });
    assert.equal((await pipeline.ended('k')).outcome, 'replicated');
    assert.equal(pipeline.retriedFaults()[0], code);
  }
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}
