// What a target refuses, and who else writes there: what a person has to see parks with its reason and is cured by a
// redrive; what passes by itself uses up no attempt; and no condition that failed is ever answered by the same write.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaultEffect } from '../../sandbox/scripted-faults.ts';
import { Fault, type FaultCode } from '../../src/core/faults.ts';
import { cachedAccessToken } from '../../src/google/access-token.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import {
  BLOCK_BYTES,
  gcsError,
  MAX_ATTEMPTS,
  notification,
  patternBytes,
  Pipeline,
  type PipelineOptions,
  RULE,
  SOURCE_BUCKET,
} from './pipeline.ts';

const UPLOAD = { path: '/upload/', method: 'POST' };
const LARGE = patternBytes(3 * BLOCK_BYTES + 5);
const FINISH = { method: 'PUT', header: { name: 'content-range', contains: `/${LARGE.length}` } };

async function opened(options: PipelineOptions = {}): Promise<Pipeline> {
  const pipeline = await Pipeline.open(options);
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  return pipeline;
}

/** The next write is refused by `effect` for good: it parks with `code` at once, and a redrive cures it. */
async function assertParksUntilRedriven(effect: FaultEffect, code: FaultCode, says: RegExp): Promise<void> {
  await using pipeline = await opened();
  pipeline.gcs.faults.add({ match: UPLOAD, effect, times: Infinity });
  const parked = await pipeline.assertParks('k', code);
  assert.match(parked.fault?.message ?? '', says);
  assert.equal(parked.attemptCount, 1);
  pipeline.gcs.faults.clear();
  assert.equal((await pipeline.redriven('k')).outcome, 'replicated');
  pipeline.assertEqual('k');
}

test('a finish that another writer was faster than is not repeated: both sides are looked at again', async () => {
  for (const bytes of ['one', LARGE]) {
    await using pipeline = await opened();
    await pipeline.s3.putObject(SOURCE_BUCKET, 'k', bytes);
    const run = async (): Promise<void> => pipeline.foreignWrite('k', 'theirs');
    pipeline.gcs.faults.add({
      match: bytes === LARGE ? FINISH : UPLOAD,
      effect: { kind: 'meanwhile', run },
    });
    await pipeline.assertReplicates('k');
    pipeline.assertAllHappened();
    assert.deepEqual(pipeline.retriedFaults(), [], 'Within one attempt');
  }
});

test('a write that landed without an answer is found by a look, and is not sent again', async () => {
  await using pipeline = await opened();
  pipeline.gcs.faults.add({ match: UPLOAD, effect: { kind: 'lose_answer' } });
  await pipeline.assertReplicates('k');
  assert.equal(pipeline.gcs.requests.filter((line) => line.includes('/upload/')).length, 1);
});

test('two services on one key: one write wins, the other looks again and finds it there', async () => {
  await using slow = await opened();
  await using fast = await Pipeline.open({ clouds: slow.clouds });
  slow.gcs.faults.add({
    match: UPLOAD,
    effect: {
      kind: 'meanwhile',
      run: async () => {
        await slow.s3.putObject(SOURCE_BUCKET, 'k', 'two');
        await fast.assertReplicates('k');
      },
    },
  });
  assert.equal((await slow.replicate('k')).outcome, 'already_current');
  slow.assertAllHappened();
  slow.assertEqual('k');
  assert.equal(slow.targetBytes('k')?.toString(), 'two');
});

test('a token service that is down is waited for without using up attempts, and nothing is sent without a token', async () => {
  let isDown = true;
  const accessToken = cachedAccessToken(async () => {
    if (isDown) throw new Fault('credentials_unavailable', 'The token service does not answer');
    return { token: 'token', expiresAtMs: null };
  }, SYSTEM_CLOCK);
  await using pipeline = await opened({ target: { accessToken } });
  await pipeline.take(notification(['k']));
  await pipeline.until('many tries', () =>
    pipeline.retriedFaults().length > 2 * MAX_ATTEMPTS ? true : null,
  );
  assert.deepEqual(new Set(pipeline.retriedFaults()), new Set(['credentials_unavailable']));
  assert.equal(pipeline.gcs.requests.length, 0);
  isDown = false;
  assert.equal((await pipeline.ended('k')).outcome, 'replicated');
});

test('one 401 renews the token, a second one parks', async () => {
  let refreshes = 0;
  const accessToken = {
    get: async () => `token-${refreshes}`,
    refresh: async () => {
      refreshes += 1;
      return `token-${refreshes}`;
    },
  };
  await using pipeline = await opened({ target: { accessToken } });
  const refused = gcsError(401, 'authError', 'Invalid Credentials');
  pipeline.gcs.faults.add({ match: {}, effect: refused });
  await pipeline.assertReplicates('k');
  assert.equal(refreshes, 1);
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
  pipeline.gcs.faults.add({ match: {}, effect: refused, times: Infinity });
  await pipeline.assertParks('k', 'credentials_invalid');
});

test('an overwrite without storage.objects.delete parks and names that permission; a redrive cures it', async () => {
  await using pipeline = await opened();
  await pipeline.assertReplicates('k');
  pipeline.gcs.deny('storage.objects.delete');
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
  const parked = await pipeline.assertParks('k', 'access_denied');
  assert.match(parked.fault?.message ?? '', /storage\.objects\.delete/);
  assert.equal(pipeline.targetBytes('k')?.toString(), 'one');
  pipeline.gcs.allow('all');
  assert.equal((await pipeline.redriven('k')).outcome, 'replicated');
  pipeline.assertEqual('k');
});

test('an object under retention stays as it is, and its transfer parks', async () => {
  const rule = { ...RULE, target: { ...RULE.target, bucket: 'retained' } };
  await using pipeline = await Pipeline.open({ rules: [rule] });
  pipeline.gcs.createBucket('retained', { retentionSec: 3_600 });
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  assert.equal((await pipeline.replicate('k')).outcome, 'replicated');
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
  await pipeline.assertParks('k', 'retention_blocked');
  assert.equal(pipeline.gcs.getObject('retained', 'k')?.read().toString(), 'one');
});

test('a hold, a missing encryption key, an empty quota and a closed account park with their reason', async () => {
  await assertParksUntilRedriven(
    gcsError(403, 'objectUnderActiveHold', "Object 'k' is under active Temporary hold"),
    'retention_blocked',
    /hold/,
  );
  await assertParksUntilRedriven(
    gcsError(403, 'forbidden', 'Permission denied on Cloud KMS key. Is it enabled?'),
    'key_access_denied',
    /KMS key/,
  );
  await assertParksUntilRedriven(
    gcsError(403, 'quotaExceeded', 'The project exceeded its quota'),
    'quota_exhausted',
    /quota/,
  );
  const closed = 'The billing account for the owning project is disabled in state absent';
  await assertParksUntilRedriven(gcsError(403, 'accountDisabled', closed), 'quota_exhausted', /billing/);
});

test('one name that takes a write a second gets the last of many versions, and nothing parks', async () => {
  // The target's clock moves with its requests, so that the test does not have to wait for real seconds.
  let requests = 0;
  await using pipeline = await Pipeline.open({
    targetCloud: { rateLimitPerObject: true, targetNowMs: () => Date.UTC(2026, 0, 1) + 40 * (requests += 1) },
  });
  for (let version = 1; version <= 5; version += 1) {
    await pipeline.s3.putObject(SOURCE_BUCKET, 'k', `version ${version}`);
    const triesBefore = pipeline.told.length;
    await pipeline.take(notification(['k']));
    await pipeline.until('a try at this version', () =>
      pipeline.told.length > triesBefore + 1 ? true : null,
    );
  }
  await pipeline.until('the last version', async () =>
    (await pipeline.ended('k')) && pipeline.targetBytes('k')?.toString() === 'version 5' ? true : null,
  );
  assert.deepEqual(new Set(pipeline.retriedFaults()), new Set(['target_throttled']));
  assert.ok(!pipeline.told.some(({ name }) => name === 'transferParked'));
});

test('a write that is refused as too frequent for its name is waited for, and the last version arrives', async () => {
  await using pipeline = await opened();
  const words = 'The object demo-target/k exceeded the rate limit for object mutation operations';
  pipeline.gcs.faults.add({ match: UPLOAD, effect: gcsError(429, 'rateLimitExceeded', words), times: 3 });
  await pipeline.take(notification(['k']));
  await pipeline.until('a refusal', () => (pipeline.retriedFaults().length > 0 ? true : null));
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
  await pipeline.take(notification(['k']));
  await pipeline.atRest();
  pipeline.assertAllHappened();
  assert.equal(pipeline.targetBytes('k')?.toString(), 'two');
  assert.deepEqual(new Set(pipeline.retriedFaults()), new Set(['target_throttled']));
});

test('a target that is overloaded for many requests loses nothing and parks nothing', async () => {
  await using pipeline = await Pipeline.open();
  const keys = Array.from({ length: 20 }, (_, index) => `object-${index}`);
  for (const key of keys) await pipeline.s3.putObject(SOURCE_BUCKET, key, `bytes of ${key}`);
  for (const effect of [
    gcsError(429, 'rateLimitExceeded', 'The bucket asks for fewer requests'),
    gcsError(503, 'backendError', 'busy'),
  ])
    pipeline.gcs.faults.add({ match: {}, effect, times: 60 });
  await pipeline.take(notification(keys));
  for (const key of keys) {
    assert.equal((await pipeline.ended(key)).status, 'done');
    pipeline.assertEqual(key);
  }
  pipeline.assertAllHappened();
  assert.ok(!pipeline.told.some(({ name }) => name === 'transferParked'));
});

test('a name that is too long only after the mapping, or that the target keeps for itself, parks before a byte is read', async () => {
  const rule = { ...RULE, target: { ...RULE.target, prefix: '.well-known/acme-challenge/' } };
  const long = { ...RULE, target: { ...RULE.target, prefix: 'p/' } };
  for (const [mapped, key] of [
    [long, 'k'.repeat(1023)],
    [rule, 'token'],
  ] as const) {
    await using pipeline = await Pipeline.open({ rules: [mapped] });
    await pipeline.s3.putObject(SOURCE_BUCKET, key, 'one');
    await pipeline.assertParks(key, 'name_not_storable');
    assert.deepEqual([pipeline.s3.requests.length, pipeline.gcs.requests.length], [0, 0]);
  }
});

test('a target bucket that is missing parks everything as one class; once it is there a redrive brings all', async () => {
  const rule = { ...RULE, target: { ...RULE.target, bucket: 'later' } };
  await using pipeline = await Pipeline.open({ rules: [rule] });
  const keys = ['a', 'b', 'c'];
  for (const key of keys) await pipeline.s3.putObject(SOURCE_BUCKET, key, `bytes of ${key}`);
  await pipeline.take(notification(keys));
  for (const key of keys) assert.equal((await pipeline.ended(key)).fault?.code, 'target_bucket_missing', key);
  const classes = await pipeline.queue.parkedClasses();
  assert.deepEqual(
    classes.map(({ faultCode, count }) => [faultCode, count]),
    [['target_bucket_missing', 3]],
  );
  pipeline.gcs.createBucket('later');
  await pipeline.queue.redriveClass({ filter: { ruleName: rule.name }, limit: 10, cursor: null });
  for (const key of keys) {
    assert.equal((await pipeline.ended(key)).outcome, 'replicated');
    assert.equal(pipeline.gcs.getObject('later', key)?.read().toString(), `bytes of ${key}`);
  }
});

test('a stored session that has expired while its transfer was parked gives way to a new one', async () => {
  let aheadMs = 0;
  await using pipeline = await Pipeline.open({
    targetCloud: { targetNowMs: () => Date.now() + aheadMs },
  });
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', LARGE);
  const read = { method: 'GET', path: `/${SOURCE_BUCKET}/k` };
  pipeline.s3.faults.add({ match: read, effect: { kind: 'cut_response', afterBytes: 2 * BLOCK_BYTES + 9 } });
  pipeline.s3.faults.add({
    match: { ...read, header: { name: 'range', contains: 'bytes=' } },
    effect: { kind: 'meanwhile', run: () => pipeline.s3.denyReads(SOURCE_BUCKET, true) },
  });
  await pipeline.assertParks('k', 'access_denied');
  assert.equal(pipeline.gcs.openSessions, 1, 'The session is kept for the redrive');
  aheadMs = 8 * 24 * 3_600_000;
  pipeline.s3.denyReads(SOURCE_BUCKET, false);
  assert.equal((await pipeline.redriven('k')).outcome, 'replicated');
  pipeline.assertEqual('k');
  assert.equal(pipeline.gcs.requests.filter((line) => line.includes('uploadType=resumable&name=')).length, 2);
});

test('a stored session is gone on with after a park, pinned to the state that it belongs to', async () => {
  await using pipeline = await Pipeline.open();
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', LARGE);
  const read = { method: 'GET', path: `/${SOURCE_BUCKET}/k` };
  pipeline.s3.faults.add({ match: read, effect: { kind: 'cut_response', afterBytes: 2 * BLOCK_BYTES + 9 } });
  pipeline.s3.faults.add({
    match: { ...read, header: { name: 'range', contains: 'bytes=' } },
    effect: { kind: 'meanwhile', run: () => pipeline.s3.denyReads(SOURCE_BUCKET, true) },
  });
  await pipeline.assertParks('k', 'access_denied');
  pipeline.s3.denyReads(SOURCE_BUCKET, false);
  assert.equal((await pipeline.redriven('k')).outcome, 'replicated');
  pipeline.assertEqual('k');
  assert.equal(pipeline.gcs.requests.filter((line) => line.includes('uploadType=resumable&name=')).length, 1);
});
