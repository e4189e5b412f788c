// The commands that begin runs, against the real API over real HTTP.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Fault } from '../core/faults.ts';
import { openTestApi, PHOTOS_RULE, type TestApi } from '../http/testing/open-test-api.ts';
import type { RunsOptions } from '../replication/runs.ts';
import { numberedKeys, RunWorld, scanOf } from '../replication/testing/run-world.ts';
import { runCommand } from './testing/run-command.ts';

async function open(
  t: TestContext,
  scan: RunsOptions['scan'],
  kind: RunsOptions['kind'] = 'backfill',
): Promise<{ readonly api: TestApi; readonly world: RunWorld }> {
  const world = new RunWorld();
  const runs = await world.open({ scan, rules: [PHOTOS_RULE], kind });
  t.after(() => world.stop());
  return { world, api: await openTestApi(t, { rules: [PHOTOS_RULE], runs: { [kind]: runs } }) };
}

/** Ends what the run feeds, until told to stop. */
function endAll(world: RunWorld): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const running = (async () => {
    while (!stopping.signal.aborted) {
      await world.endDue();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

test('a backfill is begun and followed to its end', async (t) => {
  const { api, world } = await open(t, scanOf(numberedKeys(20)));
  const ending = endAll(world);
  const { exitCode, out, err } = await runCommand(api.url, ['backfill', 's3://photos/2026/']);
  await ending.stop();
  assert.equal(exitCode, 0, err);
  assert.match(err, /^run-1: rule default, s3:\/\/photos\/2026\/\n/);
  assert.match(err, /run-1: completed, 20 listed, 20 fed, 20 ended\n$/);
  assert.match(
    out,
    /^run-1 {2}completed {2}rule default, s3:\/\/photos\/2026\/\n {2}20 listed, 20 fed, 20 ended\n$/,
  );
});

test('with --detach it is left to the service, and --cancel ends it', async (t) => {
  const { api } = await open(t, scanOf(numberedKeys(20)));
  const begun = await runCommand(api.url, [
    'backfill',
    '--rule',
    'default',
    '--prefix',
    'a',
    '--detach',
    '--json',
  ]);
  assert.equal(begun.exitCode, 0, begun.err);
  const [{ id, prefix }] = (JSON.parse(begun.out) as { runs: [{ id: string; prefix: string }] }).runs;
  assert.equal(prefix, 'a');
  const cancelled = await runCommand(api.url, ['backfill', '--cancel', id]);
  assert.match(cancelled.out, /^run-1 {2}cancelled/);
  const unknown = await runCommand(api.url, ['backfill', '--cancel', 'nobody']);
  assert.deepEqual([unknown.exitCode, /no run of this id/.test(unknown.err)], [1, true]);
});

test('parked transfers make the end partial', async (t) => {
  const { api, world } = await open(t, scanOf(['one']));
  const following = runCommand(api.url, ['backfill']);
  const { queue } = world.world;
  for (;;) {
    const [claimed] = await queue.claim({ total: 1, large: 1 });
    if (claimed !== undefined) {
      const fault = { code: 'access_denied', message: 'on purpose', details: {}, atMs: 0 } as const;
      await queue.park(claimed.lease, { fault, owed: false, delayMsIfDirty: 0 });
      break;
    }
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const { exitCode, out } = await following;
  assert.equal(exitCode, 3);
  assert.match(out, /1 parked\n {2}"replicator parked" lists the reasons/);
});

test('a backfill that fails says why and what to do', async (t) => {
  const { api } = await open(t, async function* scan() {
    yield* [];
    throw new Fault('access_denied', 's3:ListBucket on the bucket photos');
  });
  const { exitCode, out } = await runCommand(api.url, ['backfill']);
  assert.equal(exitCode, 1);
  assert.match(out, /fault: {3}access_denied: s3:ListBucket on the bucket photos\n {2}remedy: {2}Grant/);
});

/** The state of the newest backfill. */
async function stateOf(api: TestApi): Promise<string | undefined> {
  const { json } = await api.call('GET', '/v1/backfills');
  return (json as { runs: { state: string }[] }).runs[0]?.state;
}

test('Ctrl-C ends the following and not the backfill', async (t) => {
  const { api } = await open(t, scanOf(['one']));
  const interrupt = new AbortController();
  const following = runCommand(api.url, ['backfill'], { signal: interrupt.signal });
  for (;;) {
    if ((await stateOf(api)) === 'draining') break;
  }
  interrupt.abort();
  assert.equal((await following).exitCode, 130);
  assert.equal(await stateOf(api), 'draining');
});

test('arguments that contradict or name nothing are a usage failure', async (t) => {
  const { api } = await open(t, scanOf([]));
  for (const args of [
    ['backfill', 'photos'],
    ['backfill', 's3://photos/a', '--prefix', 'b'],
    ['backfill', 's3://photos', '--cancel', 'x'],
  ])
    assert.equal((await runCommand(api.url, args)).exitCode, 2, args.join(' '));
  const noRule = await runCommand(api.url, ['backfill', 's3://elsewhere']);
  assert.deepEqual(
    [noRule.exitCode, /"elsewhere" belongs to no rule[^]*replicator config print/.test(noRule.err)],
    [1, true],
  );
});

test('a reconcile is begun for every rule or one, followed to its end, and cancelled', async (t) => {
  const { api, world } = await open(t, scanOf(['one', 'two']), 'reconcile');
  const ending = endAll(world);
  const { exitCode, out, err } = await runCommand(api.url, ['reconcile']);
  await ending.stop();
  assert.equal(exitCode, 0, err);
  assert.match(out, /^run-1 {2}completed {2}rule default, s3:\/\/photos\/\n {2}2 listed, 2 fed, 2 ended\n$/);
  const unknown = await runCommand(api.url, ['reconcile', '--rule', 'nobody']);
  assert.deepEqual([unknown.exitCode, /there is no rule "nobody"/.test(unknown.err)], [1, true]);
  const begun = await runCommand(api.url, ['reconcile', '--rule', 'default', '--detach', '--json']);
  const [{ id }] = (JSON.parse(begun.out) as { runs: [{ id: string }] }).runs;
  assert.equal((await runCommand(api.url, ['reconcile', '--cancel', id])).exitCode, 0);
  assert.equal((await runCommand(api.url, ['reconcile', '--cancel', id, '--rule', 'default'])).exitCode, 2);
});
