import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renewAfterPause } from './renew-after-pause.ts';

const PAUSE_MS = 3_000;

function setUp() {
  const now = { wallMs: 1_000_000, monotonicMs: 500 };
  const events: string[] = [];
  let count = 0;
  let fails = 0;
  const use = renewAfterPause({
    clock: { nowMs: () => now.wallMs, monotonicMs: () => now.monotonicMs },
    longestPauseMs: PAUSE_MS,
    open: async () => {
      if (fails > 0) {
        fails -= 1;
        throw new Error('cannot be opened');
      }
      count += 1;
      const name = `opened ${count}`;
      events.push(name);
      return { name, close: async () => void events.push(`closed ${name}`) };
    },
  });
  return { now, events, use, failNext: (times: number) => void (fails = times) };
}

test('what is open is kept between uses that follow each other, and closed and opened anew after a pause', async () => {
  const { now, events, use } = setUp();
  assert.equal(await use(async ({ name }) => name), 'opened 1');
  now.wallMs += PAUSE_MS;
  assert.equal(await use(async ({ name }) => name), 'opened 1');
  now.wallMs += PAUSE_MS + 1;
  assert.equal(await use(async ({ name }) => name), 'opened 2');
  assert.deepEqual(events, ['opened 1', 'closed opened 1', 'opened 2']);
});

test('a pause counts by whichever clock went on', async () => {
  const { now, use } = setUp();
  await use(async () => {});
  now.monotonicMs += PAUSE_MS + 1;
  assert.equal(await use(async ({ name }) => name), 'opened 2');
});

test('a long use is no pause, and a use that fails closes nothing', async () => {
  const { now, events, use } = setUp();
  await use(async () => {
    now.wallMs += 900_000;
  });
  await assert.rejects(
    use(async () => Promise.reject(new Error('the call failed'))),
    /the call failed/,
  );
  assert.equal(await use(async ({ name }) => name), 'opened 1');
  assert.deepEqual(events, ['opened 1']);
});

test('nothing is closed while somebody uses it', async () => {
  const { now, events, use } = setUp();
  const { promise, resolve } = Promise.withResolvers<void>();
  const long = use(async ({ name }) => {
    await promise;
    return name;
  });
  await use(async () => {});
  now.wallMs += PAUSE_MS + 1;
  assert.equal(await use(async ({ name }) => name), 'opened 1');
  resolve();
  assert.equal(await long, 'opened 1');
  assert.deepEqual(events, ['opened 1']);
});

test('what cannot be opened fails its use, and the next one tries again', async () => {
  const { events, use, failNext } = setUp();
  failNext(2);
  for (let time = 0; time < 2; time += 1)
    await assert.rejects(
      use(async () => {}),
      /cannot be opened/,
    );
  assert.equal(await use(async ({ name }) => name), 'opened 1');
  assert.deepEqual(events, ['opened 1']);
});
