// The real service while the target answers 503 to everything, and while it takes one change a second of one name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { notification, SOURCE_BUCKET, SystemUnderTest, TARGET_BUCKET } from './service-under-test.ts';

interface StatusAnswer {
  readonly counts: Readonly<Record<'queued' | 'copying' | 'settling' | 'parked', number>>;
  readonly ready: boolean;
  readonly stores: readonly {
    readonly store: string;
    readonly down: { readonly since: string; readonly fault: { readonly code: string } } | null;
  }[];
}

async function status(system: SystemUnderTest): Promise<StatusAnswer> {
  return (await system.service.get('/v1/status')).body as StatusAnswer;
}

async function postNew(system: SystemUnderTest, keys: readonly string[]): Promise<void> {
  for (const key of keys) await system.clouds.s3.putObject(SOURCE_BUCKET, key, `bytes of ${key}`);
  assert.equal((await system.service.post('/v1/events', notification(keys))).status, 202);
}

function linesSaying(system: SystemUnderTest, text: string): Record<string, unknown>[] {
  return system.service.logLines
    .filter((line) => line.includes(`"msg":"${text}`))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('a target that answers 503: changes are taken, the state is told once, and all is there after its return', async () => {
  await using system = await SystemUnderTest.start({ SETTLE_GRACE_SEC: '1' });
  system.clouds.gcs.faults.add({ match: {}, effect: { kind: 'status', status: 503 }, times: Infinity });
  const first = Array.from({ length: 150 }, (_, index) => `early/${index}`);
  await postNew(system, first);
  const down = await system.until('the target to be told as down', async () => {
    const target = (await status(system)).stores.find(({ store }) => store === 'target');
    return target?.down ?? null;
  });
  assert.equal(down.fault.code, 'target_unavailable');
  assert.ok(Math.abs(Date.parse(down.since) - Date.now()) < 120_000, down.since);

  const later = Array.from({ length: 150 }, (_, index) => `late/${index}`);
  const before = system.clouds.gcs.requestCount;
  await postNew(system, later);
  await sleep(3_000);
  assert.ok(system.clouds.gcs.requestCount - before <= 60, 'It is asked by few, not by every change');
  const meanwhile = await status(system);
  assert.equal(meanwhile.ready, true);
  assert.equal(meanwhile.counts.parked, 0);
  assert.ok(meanwhile.counts.queued >= 250, `${meanwhile.counts.queued} wait`);
  const ready = await fetch(`${system.service.url}/readyz`);
  assert.equal(ready.status, 200);
  const { text } = await metrics(system);
  assert.match(text, /^replicator_store_up\{store="target"\} 0$/m);
  assert.match(text, /^replicator_store_up\{store="source"\} 1$/m);
  assert.match(text, /^replicator_store_down_seconds\{store="target"\} [0-9.]*[1-9]/m);

  system.clouds.gcs.faults.clear();
  await system.until('everything to be at the target', async () => {
    const objects = system.clouds.gcs.objects(TARGET_BUCKET);
    return objects.length === first.length + later.length ? objects : null;
  });
  for (const object of system.clouds.gcs.objects(TARGET_BUCKET))
    assert.equal(object.read().toString(), `bytes of ${object.name}`);
  await system.until('nothing to wait any more', async () => {
    const { counts } = await status(system);
    return Object.entries(counts).every(([name, count]) => name === 'quarantined' || count === 0)
      ? counts
      : null;
  });
  assert.deepEqual(
    [linesSaying(system, 'store down').length, linesSaying(system, 'store up again').length],
    [1, 1],
  );
  const warnings = linesSaying(system, 'retrying').length;
  assert.ok(warnings <= 40, `${warnings} lines about single objects, from before the state was told`);
  assert.equal(linesSaying(system, 'failed').length, 0);
  const { transfers } = (await system.service.get('/v1/transfers?limit=100')).body as {
    transfers: { attemptCount: number }[];
  };
  assert.ok(transfers.every(({ attemptCount }) => attemptCount === 0));
  assert.deepEqual(
    (await status(system)).stores.map(({ down: now }) => now),
    [null, null],
  );
});

async function metrics(system: SystemUnderTest): Promise<{ readonly text: string }> {
  const answer = await fetch(`${system.service.url}/metrics`);
  return { text: await answer.text() };
}

test('one name overwritten as fast as it goes, at a target that takes one change a second, ends at its last version', async () => {
  const changes: number[] = [];
  await using system = await SystemUnderTest.start(
    { SETTLE_GRACE_SEC: '1' },
    { rateLimitPerObject: true, onTargetChange: () => void changes.push(performance.now()) },
  );
  const startMs = performance.now();
  let version = 0;
  while (performance.now() - startMs < 3_000) {
    version += 1;
    await system.clouds.s3.putObject(SOURCE_BUCKET, 'hot', `version ${version}`);
    assert.equal((await system.service.post('/v1/events', notification(['hot']))).status, 202);
  }
  const last = `version ${version}`;
  const seconds = (performance.now() - startMs) / 1000;
  await system.until('the last version', async () => {
    const object = system.clouds.gcs.getObject(TARGET_BUCKET, 'hot');
    return object?.read().toString() === last ? object : null;
  });
  const transfer = await system.ended('hot');
  assert.equal(transfer.status, 'done');
  assert.equal(system.clouds.gcs.getObject(TARGET_BUCKET, 'hot')?.read().toString(), last);
  assert.ok(version >= 20, `${version} overwrites`);
  assert.ok(
    changes.length >= 2 && changes.length <= Math.ceil(seconds) + 2,
    `${changes.length} writes for ${version} overwrites`,
  );
  assert.equal(linesSaying(system, 'retrying').length, 0, 'The target never had to refuse');
});
