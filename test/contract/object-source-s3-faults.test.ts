// The S3 source and the sandbox on a bad day: each state of a bucket, an object, a clock or a connection that the
// sandbox can play, and the fault or answer that the source makes of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SandboxS3, startSandboxS3 } from '../../sandbox/s3/sandbox-s3.ts';
import { Fault } from '../../src/core/faults.ts';
import { openS3Source, type OpenSource, type S3SourceOptions } from '../../src/stores/s3/s3-source.ts';
import { assertFault, assertSameBytes, bytesOf, live, patternBytes } from './object-source-fixture.ts';

const keys = { accessKeyId: 'AKIDFAULTS', secretAccessKey: 'a-secret-of-the-faults' };
const location = { bucket: 'bucket', key: 'k' };

interface World extends AsyncDisposable {
  readonly sandbox: SandboxS3;
  readonly source: OpenSource;
}

/** A sandbox with one object, and a source that may differ from what is right for it. */
async function openWorld(
  options: Partial<S3SourceOptions> = {},
  bytes: Uint8Array = Buffer.from('0123456789'),
): Promise<World> {
  const sandbox = await startSandboxS3(keys);
  sandbox.createBucket('bucket');
  await sandbox.putObject('bucket', 'k', bytes);
  const source = await openS3Source({
    region: 'us-east-1',
    endpoint: sandbox.url,
    credentials: async () => keys,
    expectedOwner: () => null,
    clock: {
      nowMs: () => Date.now(),
      monotonicMs: () => performance.now(),
      sleep: () => Promise.reject(new Error('The source does not sleep')),
    },
    ...options,
  });
  return {
    sandbox,
    source,
    async [Symbol.asyncDispose]() {
      await source.close();
      await sandbox.close();
    },
  };
}

const whole = { location, pin: null, startByte: 0 };

test('a denied read is access_denied, for look and read', async () => {
  await using world = await openWorld();
  world.sandbox.denyReads('bucket', true);
  await assertFault(world.source.look(location, live()), 'access_denied');
  await assertFault(world.source.read(whole, live()), 'access_denied');
});

test('without permission to list, a missing key is access_denied and never absent', async () => {
  await using world = await openWorld();
  world.sandbox.denyListing('bucket', true);
  const missing = { bucket: 'bucket', key: 'missing' };
  await assertFault(world.source.look(missing, live()), 'access_denied');
  await assertFault(world.source.read({ ...whole, location: missing }, live()), 'access_denied');
  await assertFault(
    world.source.list({ bucket: 'bucket', prefix: '', cursor: null, limit: 5 }, live()),
    'access_denied',
  );
  assert.equal((await world.source.look(location, live())).kind, 'present');
});

test('an archived object can be looked at and not read, until it is restored', async () => {
  await using world = await openWorld();
  world.sandbox.setObjectState('bucket', 'k', { archived: true });
  const look = await world.source.look(location, live());
  assert.ok(look.kind === 'present');
  assert.equal(look.state.storageClass, 'GLACIER');
  await assertFault(world.source.read(whole, live()), 'object_archived');
  world.sandbox.setObjectState('bucket', 'k', { archived: false });
  const read = await world.source.read(whole, live());
  assert.ok(read.kind === 'body');
  assert.equal((await bytesOf(read.body)).toString(), '0123456789');
});

test('an object under a key of its owner is customer_key_needed', async () => {
  await using world = await openWorld();
  world.sandbox.setObjectState('bucket', 'k', { customerKey: true });
  await assertFault(world.source.look(location, live()), 'customer_key_needed');
  await assertFault(world.source.read(whole, live()), 'customer_key_needed');
});

test('a bucket of another account than the expected one is access_denied', async () => {
  await using world = await openWorld({ expectedOwner: () => '999999999999' });
  await assert.rejects(world.source.look(location, live()), (error) => {
    assert.ok(error instanceof Fault);
    assert.equal(error.code, 'access_denied');
    assert.match(error.message, /999999999999/);
    return true;
  });
});

test('a wrong secret and an unknown key are credentials_invalid', async () => {
  for (const credentials of [
    { ...keys, secretAccessKey: 'wrong' },
    { ...keys, accessKeyId: 'AKIDUNKNOWN' },
  ]) {
    await using world = await openWorld({ credentials: async () => credentials });
    await assertFault(world.source.look(location, live()), 'credentials_invalid');
  }
});

test('a region that is not that of the bucket is wrong_region and names the right one', async () => {
  await using world = await openWorld({ region: 'eu-west-1' });
  await assert.rejects(world.source.look(location, live()), (error) => {
    assert.ok(error instanceof Fault);
    assert.equal(error.code, 'wrong_region');
    assert.match(error.message, /is in us-east-1, not in eu-west-1/);
    return true;
  });
});

test('a clock that is hours wrong is put right', async () => {
  await using world = await openWorld({
    clock: {
      nowMs: () => Date.now() + 5 * 3_600_000,
      monotonicMs: () => performance.now(),
      sleep: () => Promise.reject(new Error('The source does not sleep')),
    },
  });
  assert.equal((await world.source.look(location, live())).kind, 'present');
});

test('a read that was cut goes on where it stopped, bound to the same state', async () => {
  const bytes = patternBytes(3_000_000, 5);
  await using world = await openWorld({}, bytes);
  world.sandbox.faults.add({
    match: { method: 'GET', path: '/bucket/k' },
    effect: { kind: 'cut_response', afterBytes: 1_234_567 },
  });
  const first = await world.source.read(whole, live());
  assert.ok(first.kind === 'body');
  const kept: Uint8Array[] = [];
  await assert.rejects(
    async () => {
      for await (const chunk of first.body) kept.push(Uint8Array.from(chunk));
    },
    (error) => {
      assert.ok(error instanceof Fault);
      assert.equal(error.code, 'source_read_broken');
      assert.equal(error.details['expectedBytes'], bytes.length);
      assert.equal(error.details['bytesRead'], Buffer.concat(kept).length);
      return true;
    },
  );
  const startByte = Buffer.concat(kept).length;
  assert.ok(startByte > 0 && startByte <= 1_234_567);
  const rest = await world.source.read({ location, pin: first.state, startByte }, live());
  assert.ok(rest.kind === 'body');
  assertSameBytes(Buffer.concat([...kept, await bytesOf(rest.body)]), bytes, 'both reads together');
});

test('a stalled read is given up, and the next one works', async () => {
  await using world = await openWorld({ bodyIdleTimeoutMs: 100 });
  world.sandbox.faults.add({ match: { method: 'GET' }, effect: { kind: 'stall_response', afterBytes: 4 } });
  const read = await world.source.read(whole, live());
  assert.ok(read.kind === 'body');
  await assertFault(bytesOf(read.body), 'source_read_broken');
  assert.equal((await world.source.look(location, live())).kind, 'present');
});

test('an object replaced between two ranges says changed', async () => {
  await using world = await openWorld();
  const look = await world.source.look(location, live());
  assert.ok(look.kind === 'present');
  await world.sandbox.putObject('bucket', 'k', '9876543210');
  assert.deepEqual(await world.source.read({ location, pin: look.state, startByte: 4 }, live()), {
    kind: 'changed',
  });
});

test('a lost answer and an overload are faults that pass', async () => {
  await using world = await openWorld();
  world.sandbox.faults.add({ match: {}, effect: { kind: 'lose_answer' } });
  await assertFault(world.source.look(location, live()), 'source_error');
  world.sandbox.faults.add({
    match: {},
    effect: { kind: 'status', status: 503, headers: { 'retry-after': '2' } },
  });
  await assert.rejects(world.source.look(location, live()), (error) => {
    assert.ok(error instanceof Fault);
    assert.deepEqual([error.code, error.retryAfterMs], ['source_throttled', 2000]);
    return true;
  });
  assert.equal((await world.source.look(location, live())).kind, 'present');
});

test('a look is one request, and a read is one request', async () => {
  await using world = await openWorld();
  const before = world.sandbox.requests.length;
  await world.source.look(location, live());
  const read = await world.source.read(whole, live());
  assert.ok(read.kind === 'body');
  await bytesOf(read.body);
  assert.deepEqual(world.sandbox.requests.slice(before), ['HEAD /bucket/k', 'GET /bucket/k']);
});
