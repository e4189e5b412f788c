import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../core/clock.ts';
import { Fault } from '../core/faults.ts';
import { type AwsCredentials, awsCredentials, cachedCredentials } from './credentials.ts';

const MINUTE_MS = 60_000;

function manualClock(): Clock & { advance(ms: number): void } {
  let nowMs = Date.UTC(2026, 10, 2);
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: () => Promise.reject(new Error('not used')),
    advance(ms) {
      nowMs += ms;
    },
  };
}

/** Hands out `key-1`, `key-2`, ... living `lifeMs` each; `fail` makes the next loads fail. */
function countingLoader(clock: Clock, lifeMs: number | null) {
  const loader = {
    count: 0,
    failure: null as Error | null,
    load: async (): Promise<AwsCredentials> => {
      loader.count += 1;
      if (loader.failure !== null) throw loader.failure;
      const expiration = lifeMs === null ? undefined : new Date(clock.nowMs() + lifeMs);
      return { accessKeyId: `key-${loader.count}`, secretAccessKey: 's', sessionToken: 't', expiration };
    },
  };
  return loader;
}

test('credentials are loaded once and renewed five minutes before they expire', async () => {
  const clock = manualClock();
  const loader = countingLoader(clock, 60 * MINUTE_MS);
  const provide = cachedCredentials(loader.load, clock);
  assert.equal((await provide()).accessKeyId, 'key-1');
  clock.advance(54 * MINUTE_MS);
  assert.equal((await provide()).accessKeyId, 'key-1');
  clock.advance(MINUTE_MS + 1);
  assert.equal((await provide()).accessKeyId, 'key-2');
  assert.equal(loader.count, 2);
});

test('credentials that live for less than the early renewal are still used more than once', async () => {
  const clock = manualClock();
  const loader = countingLoader(clock, 4 * MINUTE_MS);
  const provide = cachedCredentials(loader.load, clock);
  await provide();
  clock.advance(MINUTE_MS);
  await provide();
  assert.equal(loader.count, 1);
  clock.advance(MINUTE_MS + 1);
  await provide();
  assert.equal(loader.count, 2);
});

test('keys without an end are never loaded again', async () => {
  const clock = manualClock();
  const loader = countingLoader(clock, null);
  const provide = cachedCredentials(loader.load, clock);
  await provide();
  clock.advance(1000 * 24 * 60 * MINUTE_MS);
  await provide();
  assert.equal(loader.count, 1);
});

test('callers share one renewal', async () => {
  const clock = manualClock();
  const loader = countingLoader(clock, 60 * MINUTE_MS);
  const provide = cachedCredentials(loader.load, clock);
  const all = await Promise.all([provide(), provide(), provide()]);
  assert.deepEqual(
    all.map((item) => item.accessKeyId),
    ['key-1', 'key-1', 'key-1'],
  );
  assert.equal(loader.count, 1);
});

test('rejected credentials are renewed once, whoever reports them first', async () => {
  const clock = manualClock();
  const loader = countingLoader(clock, 60 * MINUTE_MS);
  const provide = cachedCredentials(loader.load, clock);
  const rejected = await provide();
  const [a, b] = await Promise.all([provide({ rejected }), provide({ rejected })]);
  assert.deepEqual([a.accessKeyId, b.accessKeyId], ['key-2', 'key-2']);
  assert.equal((await provide({ rejected })).accessKeyId, 'key-2');
  assert.equal(loader.count, 2);
});

test('a failed early renewal keeps the old credentials to their end, then is a fault', async () => {
  const clock = manualClock();
  const loader = countingLoader(clock, 60 * MINUTE_MS);
  const provide = cachedCredentials(loader.load, clock);
  await provide();
  loader.failure = new Error('token service down');
  clock.advance(56 * MINUTE_MS);
  assert.equal((await provide()).accessKeyId, 'key-1');
  assert.equal((await provide()).accessKeyId, 'key-1');
  assert.equal(loader.count, 2, 'the renewal is not tried with every request');
  clock.advance(5 * MINUTE_MS);
  await assert.rejects(provide(), (error) => {
    assert.ok(error instanceof Fault);
    assert.equal(error.code, 'credentials_unavailable');
    assert.match(error.message, /token service down/);
    return true;
  });
  loader.failure = null;
  assert.equal((await provide()).accessKeyId, 'key-4');
});

test('a rejected key is not used again when its renewal fails', async () => {
  const clock = manualClock();
  const loader = countingLoader(clock, 60 * MINUTE_MS);
  const provide = cachedCredentials(loader.load, clock);
  const rejected = await provide();
  loader.failure = new Error('down');
  await assert.rejects(provide({ rejected }), (error) => error instanceof Fault);
});

test('given keys are used as they are', async () => {
  const provide = awsCredentials({
    region: 'eu-west-1',
    clock: manualClock(),
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'a-secret',
    sessionToken: 'a-token',
  });
  assert.deepEqual(await provide(), {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'a-secret',
    sessionToken: 'a-token',
  });
});

test('half a pair of keys is a mistake of the caller', () => {
  assert.throws(() => awsCredentials({ region: 'r', clock: manualClock(), accessKeyId: 'AKIDEXAMPLE' }));
});

test('a profile that does not exist is credentials_unavailable, and the message says why', async () => {
  const provide = awsCredentials({
    region: 'eu-west-1',
    clock: manualClock(),
    profile: 'no-such-profile-anywhere',
  });
  await assert.rejects(provide(), (error) => {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.code, 'credentials_unavailable');
    assert.match(error.message, /Error: ./);
    return true;
  });
});
