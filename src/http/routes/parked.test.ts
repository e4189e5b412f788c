import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { FAULTS, type FaultCode } from '../../core/faults.ts';
import { createApiKey, parseApiKeys } from '../../config/api-keys.ts';
import { openMemoryQueue } from '../../queues/memory/memory-queue.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { openTestApi, type TestApi } from '../testing/open-test-api.ts';

async function park(
  api: TestApi,
  code: FaultCode,
  keys: readonly string[],
  bucket = 'photos',
): Promise<void> {
  for (const key of keys) {
    const answer = await api.call('POST', '/v1/replicate', { json: { bucket, key } });
    assert.equal(answer.status, 202);
    const fault = { code, message: `${code}: ${key}`, details: {}, atMs: api.clock.nowMs() };
    const { lease } = await api.claimOne();
    await api.queue.park(lease, { fault, owed: false, delayMsIfDirty: 0 });
  }
}

async function dueKeys(api: TestApi): Promise<string[]> {
  return (await api.queue.claim({ total: 10_000, large: 10_000 })).map(({ source }) => source.key);
}

test('what is parked is told reason by reason, the largest first, with remedy, times and an example', async (t) => {
  const api = await openTestApi(t);
  assert.deepEqual((await api.call('GET', '/v1/parked')).json, { classes: [] });
  await park(api, 'too_large', ['huge']);
  api.clock.advance(60_000);
  await park(api, 'access_denied', ['a']);
  api.clock.advance(60_000);
  await park(api, 'access_denied', ['b']);
  await park(api, 'access_denied', ['public/c'], 'docs');
  const { status, json } = await api.call('GET', '/v1/parked');
  assert.equal(status, 200);
  const classes = json?.['classes'] as Record<string, unknown>[];
  const [first] = classes;
  const { example, ...facts } = first ?? {};
  const { title, remedy } = FAULTS.access_denied;
  assert.deepEqual(facts, {
    rule: 'default',
    fault: { code: 'access_denied', title, remedy },
    count: 2,
    firstAt: '2026-11-23T09:31:00.000Z',
    lastAt: '2026-11-23T09:32:00.000Z',
    isRechecked: true,
  });
  const shown = example as { id: string; source: object; fault: { message: string } };
  assert.deepEqual([shown.source, shown.fault.message], [{ bucket: 'photos', key: 'a' }, 'access_denied: a']);
  assert.deepEqual(
    classes.map(({ rule, fault, count, isRechecked }) => [
      rule,
      (fault as { code: string }).code,
      count,
      isRechecked,
    ]),
    [
      ['default', 'access_denied', 2, true],
      ['docs', 'access_denied', 1, true],
      ['default', 'too_large', 1, false],
    ],
  );
});

test('a class is redriven whole, by every field, and stands in the audit', async (t) => {
  const api = await openTestApi(t);
  const cases: readonly (readonly [body: object, keys: string[]])[] = [
    [{ fault: 'quota_exhausted' }, []],
    [{ fault: 'access_denied', bucket: 'photos', prefix: '2026/' }, ['2026/a']],
    [{ rule: 'docs' }, ['public/d']],
    [{ prefix: '2026' }, ['2026_b']],
    [{ fault: 'access_denied' }, ['c']],
    [{ bucket: 'photos' }, ['huge']],
  ];
  await park(api, 'access_denied', ['2026/a', '2026_b', 'c']);
  await park(api, 'access_denied', ['public/d'], 'docs');
  await park(api, 'too_large', ['huge']);
  for (const [body, keys] of cases) {
    const answer = await api.call('POST', '/v1/redrive', { json: body });
    assert.equal(answer.status, 202, answer.text);
    assert.deepEqual(answer.json, { redriven: keys.length, more: false }, JSON.stringify(body));
    assert.deepEqual(await dueKeys(api), keys);
    const line = api.log.findLast(({ facts }) => facts['audit'] === true);
    assert.deepEqual(line?.facts, {
      audit: true,
      action: 'parked.redrive',
      ...body,
      redriven: keys.length,
      more: false,
      keyId: 'loopback',
      requestId: answer.headers.get('x-request-id'),
    });
  }
});

test('more than one step holds is redriven by one request, in the order of the beginning', async (t) => {
  const api = await openTestApi(t);
  const keys = Array.from({ length: 1_201 }, (_, index) => `key-${index}`);
  await api.call('POST', '/v1/events', {
    json: {
      Records: keys.map((key) => ({
        eventSource: 'aws:s3',
        eventName: 'ObjectCreated:Put',
        s3: { bucket: { name: 'photos' }, object: { key } },
      })),
    },
  });
  const fault = { code: 'access_denied', message: 'no', details: {}, atMs: 0 } as const;
  for (const { lease } of await api.queue.claim({ total: keys.length, large: keys.length })) {
    await api.queue.park(lease, { fault, owed: false, delayMsIfDirty: 0 });
  }
  const answer = await api.call('POST', '/v1/redrive', { json: { fault: 'access_denied' } });
  assert.deepEqual(answer.json, { redriven: keys.length, more: false });
  assert.deepEqual(await dueKeys(api), keys);
});

test('a wrong request is refused by the name of its field, and nothing is redriven', async (t) => {
  const api = await openTestApi(t);
  await park(api, 'access_denied', ['a']);
  const cases: readonly (readonly [body: unknown, detail: RegExp])[] = [
    [{}, /^body: must name at least one of fault, rule, bucket, prefix$/],
    [[], /^body: must be a JSON object$/],
    [null, /^body: must be a JSON object$/],
    [
      { fault: 'no_such_fault' },
      /^fault: "no_such_fault" is no code of the fault table \(docs\/faults\.md lists them\)$/,
    ],
    [{ fault: 7 }, /^fault: 7 is no code/],
    [{ fault: `x${'y'.repeat(5_000)}` }, /^fault: "xy{90,100} is no code/],
    [{ fault: 'access_denied', colour: 'red' }, /^unknown field: colour$/],
    [{ rule: '' }, /^rule: must not be empty$/],
    [{ rule: ['default'] }, /^rule: must be a string$/],
    [{ bucket: '' }, /^bucket: must not be empty$/],
    [{ prefix: '' }, /^prefix: must not be empty$/],
    [{ prefix: 'x'.repeat(1_025) }, /^prefix: must be at most 1024/],
  ];
  for (const [json, detail] of cases) {
    const answer = await api.call('POST', '/v1/redrive', { json });
    assert.equal(answer.status, 400, JSON.stringify(json));
    assert.equal(answer.json?.['code'], 'invalid_request');
    assert.match(String(answer.json['detail']), detail);
  }
  assert.equal((await api.call('POST', '/v1/redrive')).status, 400);
  assert.equal((await api.call('GET', '/v1/redrive')).status, 405);
  assert.equal((await api.queue.counts()).byStatus.parked, 1);
  assert.deepEqual(
    api.log.filter(({ facts }) => facts['audit'] === true),
    [],
  );
});

test('reading needs the scope read, redriving the scope admin, and the audit names the key', async (t) => {
  const keys = (['write', 'read', 'admin'] as const).map((scope, index) =>
    createApiKey({ scope, id: `the-${scope}`, randomBytes: new Uint8Array(32).fill(index) }),
  );
  const parsed = parseApiKeys(keys.map(({ entry }) => entry).join(','));
  assert.ok(parsed.ok);
  const api = await openTestApi(t, { auth: 'keys', apiKeys: parsed.value });
  const statuses = async (method: string, path: string, json?: object): Promise<number[]> => {
    const answers: number[] = [];
    for (const { key } of keys) {
      const headers = { authorization: `Bearer ${key}` };
      const answer = await api.call(method, path, json === undefined ? { headers } : { json, headers });
      answers.push(answer.status);
    }
    return answers;
  };
  assert.deepEqual(await statuses('GET', '/v1/parked'), [403, 200, 200]);
  assert.deepEqual(await statuses('POST', '/v1/redrive', { fault: 'access_denied' }), [403, 403, 202]);
  assert.equal((await api.call('GET', '/v1/parked')).status, 401);
  assert.equal((await api.call('POST', '/v1/redrive', { json: { rule: 'x' } })).status, 401);
  const audits = api.log.filter(({ facts }) => facts['audit'] === true);
  assert.deepEqual(
    audits.map(({ facts }) => facts['keyId']),
    ['the-admin'],
  );
});

test('a restore that is complete queues the parked archived object by itself', async (t) => {
  const api = await openTestApi(t);
  await park(api, 'object_archived', ['cold', 'colder']);
  const restore = async (eventName: string): Promise<unknown> => {
    const s3 = { bucket: { name: 'photos' }, object: { key: 'cold' } };
    const json = { Records: [{ eventSource: 'aws:s3', eventName, s3 }] };
    return (await api.call('POST', '/v1/events', { json })).json?.['accepted'];
  };
  assert.equal(await restore('ObjectRestore:Post'), 0);
  assert.deepEqual(await dueKeys(api), []);
  assert.equal(await restore('ObjectRestore:Completed'), 1);
  assert.deepEqual(await dueKeys(api), ['cold']);
  const classes = (await api.call('GET', '/v1/parked')).json?.['classes'] as { count: number }[];
  assert.deepEqual(
    classes.map(({ count }) => count),
    [1],
  );
});

/** A memory queue of five parked transfers whose redrives take one row a step, after `before` each. */
async function openWithSteps(t: TestContext, before: (step: number) => unknown): Promise<TestApi> {
  const clock = new ManualClock();
  let lastId = 0;
  const newId = (): string => `transfer-${(lastId += 1)}`;
  const queue = openMemoryQueue({
    clock,
    leaseMs: 60_000,
    settleGraceMs: 5_000,
    smallMaxBytes: 1_000,
    newId,
  });
  const whole = queue.redriveClass.bind(queue);
  let step = 0;
  queue.redriveClass = async (request) => {
    await before((step += 1));
    return whole({ ...request, limit: 1 });
  };
  const api = await openTestApi(t, { queue });
  await park(api, 'access_denied', ['a', 'b', 'c', 'd', 'e']);
  return api;
}

test('a service that is stopped meanwhile says how far it came, and that there is more', async (t) => {
  const closings: Promise<void>[] = [];
  const api = await openWithSteps(t, async (step) => {
    if (step !== 2) return;
    closings.push(api.app.close());
    await new Promise<void>((resolve) => setImmediate(resolve));
  });
  const answer = await api.call('POST', '/v1/redrive', { json: { fault: 'access_denied' } });
  await Promise.all(closings);
  assert.deepEqual([answer.status, answer.json], [202, { redriven: 2, more: true }]);
  assert.equal((await api.queue.counts()).byStatus.parked, 3);
});

test('where a later step fails, the audit still tells what the earlier ones did', async (t) => {
  const api = await openWithSteps(t, (step) => {
    if (step === 4) throw new Error('the disk is full');
  });
  const answer = await api.call('POST', '/v1/redrive', { json: { fault: 'access_denied' } });
  assert.equal(answer.status, 500);
  const line = api.log.find(({ facts }) => facts['audit'] === true);
  assert.deepEqual([line?.facts['redriven'], line?.facts['more']], [3, true]);
});
