import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createApiKey, parseApiKeys } from '../../config/api-keys.ts';
import { numberedKeys, RunWorld, scanOf } from '../../replication/testing/run-world.ts';
import type { Runs } from '../../replication/runs.ts';
import { openTestApi, PHOTOS_RULE, type TestApi } from '../testing/open-test-api.ts';

const ARCHIVE = {
  ...PHOTOS_RULE,
  name: 'archive',
  source: { ...PHOTOS_RULE.source, prefix: 'archive/' },
  target: { ...PHOTOS_RULE.target, bucket: 'archive-copy' },
};
const EVERY = { ...PHOTOS_RULE, name: 'every', source: { ...PHOTOS_RULE.source, bucket: '*' } };
const RULES = [PHOTOS_RULE, ARCHIVE];

async function openApi(
  t: TestContext,
  rules = RULES,
): Promise<{ readonly api: TestApi; readonly world: RunWorld; readonly backfill: Runs }> {
  const world = new RunWorld();
  const backfill = await world.open({ scan: scanOf(numberedKeys(30), 10), rules });
  t.after(() => world.stop());
  return { api: await openTestApi(t, { rules, runs: { backfill } }), world, backfill };
}

const runsOf = (answer: { readonly json: Record<string, unknown> | null }): Record<string, unknown>[] =>
  answer.json?.['runs'] as Record<string, unknown>[];

function countsOf(run: Record<string, unknown> | null | undefined): Record<string, unknown> {
  return (run as { counts: Record<string, unknown> }).counts;
}

test('a backfill is begun, shown while it goes on, and shown when it has ended', async (t) => {
  const { api, world, backfill } = await openApi(t, [PHOTOS_RULE]);
  const begun = await api.call('POST', '/v1/backfills', { json: { bucket: 'photos', prefix: '2026/' } });
  assert.equal(begun.status, 202, begun.text);
  const [run] = runsOf(begun);
  assert.deepEqual(
    [run?.['rule'], run?.['buckets'], run?.['prefix'], run?.['state'], run?.['trigger']],
    ['default', ['photos'], '2026/', 'waiting', 'request'],
  );
  const path = begun.headers.get('location') ?? '';
  assert.equal(path, `/v1/backfills/${String(run?.['id'])}`);
  await world.reaches(backfill, String(run?.['id']), ({ state }) => state === 'draining');
  const shown = await api.call('GET', path);
  assert.deepEqual(
    [shown.status, shown.json?.['state'], shown.json?.['position']],
    [200, 'draining', undefined],
  );
  assert.equal(countsOf(shown.json)['fed'], 30);
  await world.endDue();
  await world.reaches(backfill, String(run?.['id']), ({ state }) => state === 'completed');
  const [listed] = runsOf(await api.call('GET', '/v1/backfills'));
  assert.equal(listed?.['state'], 'completed');
  assert.deepEqual(countsOf(listed)['outcomes'], { already_current: 30 });
});

test('each rule that covers what is asked for gets a run of its own part', async (t) => {
  const { api } = await openApi(t);
  const both = await api.call('POST', '/v1/backfills', { json: { bucket: 'photos' } });
  assert.deepEqual(
    runsOf(both).map(({ rule, prefix }) => [rule, prefix]),
    [
      ['default', ''],
      ['archive', 'archive/'],
    ],
  );
  assert.equal(both.headers.get('location'), '/v1/backfills');
  const narrowed = await api.call('POST', '/v1/backfills', {
    json: { rule: 'archive', prefix: 'archive/2026/' },
  });
  assert.deepEqual(
    runsOf(narrowed).map(({ rule, prefix }) => [rule, prefix]),
    [['archive', 'archive/2026/']],
  );
});

test('what no rule covers is refused, and the answer names what is wrong', async (t) => {
  const { api } = await openApi(t);
  const refused = async (json: object): Promise<unknown[]> => {
    const answer = await api.call('POST', '/v1/backfills', { json });
    return [answer.status, answer.json?.['code'], answer.json?.['detail']];
  };
  assert.deepEqual(await refused({ bucket: 'other' }), [
    422,
    'no_rule',
    'bucket: "other" belongs to no rule that is meant.',
  ]);
  assert.deepEqual(await refused({ rule: 'nobody' }), [422, 'no_rule', 'rule: there is no rule "nobody".']);
  assert.deepEqual(await refused({ rule: 'archive', prefix: 'elsewhere/' }), [
    422,
    'no_rule',
    'prefix: no rule that is meant covers a key that begins with "elsewhere/".',
  ]);
  assert.deepEqual(await refused({}), [
    400,
    'invalid_request',
    'rule: name one of "default", "archive", or a bucket.',
  ]);
  assert.equal((await refused({ bucket: 7 }))[0], 400);
  assert.equal((await refused({ bucket: 'photos', wrong: 1 }))[0], 400);
});

test('a rule for every bucket needs a bucket to be named', async (t) => {
  const { api } = await openApi(t, [EVERY]);
  const unclear = await api.call('POST', '/v1/backfills', { json: {} });
  assert.deepEqual(
    [unclear.status, unclear.json?.['detail']],
    [400, 'bucket: the rule "every" is for every bucket: name one.'],
  );
  const named = await api.call('POST', '/v1/backfills', { json: { bucket: 'any' } });
  assert.deepEqual(runsOf(named)[0]?.['buckets'], ['any']);
});

test('a backfill is cancelled, and an unknown one is told', async (t) => {
  const { api } = await openApi(t);
  const [run] = runsOf(await api.call('POST', '/v1/backfills', { json: { rule: 'archive' } }));
  const path = `/v1/backfills/${String(run?.['id'])}`;
  const cancelled = await api.call('DELETE', path);
  assert.deepEqual([cancelled.status, cancelled.json?.['state']], [200, 'cancelled']);
  assert.equal((await api.call('GET', path)).json?.['state'], 'cancelled');
  for (const method of ['GET', 'DELETE']) {
    const unknown = await api.call(method, '/v1/backfills/unknown');
    assert.deepEqual([unknown.status, unknown.json?.['code']], [404, 'run_not_found']);
  }
  const audited = api.log.filter(({ facts }) => facts['audit'] === true).map(({ facts }) => facts['action']);
  assert.deepEqual(audited, ['backfill.start', 'backfill.cancel']);
});

test('no more than a hundred may wait', async (t) => {
  const { api } = await openApi(t, [PHOTOS_RULE]);
  const statuses = new Map<number, number>();
  for (let count = 0; count < 105; count += 1) {
    const { status } = await api.call('POST', '/v1/backfills', {
      json: { bucket: 'photos', prefix: `p${count}` },
    });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  assert.deepEqual(
    [...statuses],
    [
      [202, 100],
      [429, 5],
    ],
  );
});

test('to begin and to cancel takes a key of the scope admin, to look one that reads', async (t) => {
  const made = (['read', 'write', 'admin'] as const).map((scope) =>
    createApiKey({ scope, id: scope, randomBytes: Uint8Array.from({ length: 32 }, () => scope.length) }),
  );
  const parsed = parseApiKeys(made.map(({ entry }) => entry).join(','));
  assert.ok(parsed.ok);
  const world = new RunWorld();
  const backfill = await world.open({ scan: scanOf([]) });
  t.after(() => world.stop());
  const api = await openTestApi(t, { auth: 'keys', apiKeys: parsed.value, rules: RULES, runs: { backfill } });
  const answers: number[][] = [];
  for (const { key } of made) {
    const headers = { authorization: `Bearer ${key}` };
    const post = await api.call('POST', '/v1/backfills', { json: { bucket: 'photos' }, headers });
    const get = await api.call('GET', '/v1/backfills', { headers });
    const remove = await api.call('DELETE', '/v1/backfills/unknown', { headers });
    answers.push([post.status, get.status, remove.status]);
  }
  assert.deepEqual(answers, [
    [403, 200, 403],
    [403, 403, 403],
    [202, 200, 404],
  ]);
});
