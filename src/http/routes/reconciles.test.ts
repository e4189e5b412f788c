import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunWorld, scanOf } from '../../replication/testing/run-world.ts';
import { openTestApi, PHOTOS_RULE } from '../testing/open-test-api.ts';

const EVERY = { ...PHOTOS_RULE, name: 'every', source: { ...PHOTOS_RULE.source, bucket: '*' } };
const RULES = [{ ...PHOTOS_RULE, source: { ...PHOTOS_RULE.source, prefix: '2026/' } }, EVERY];

test('every rule is reconciled, or the one that is named; what is not known is refused', async (t) => {
  const world = new RunWorld();
  const reconcile = await world.open({
    kind: 'reconcile',
    rules: RULES,
    scan: scanOf(['a', 'b']),
    findBuckets: async () => ['found-1', 'found-2'],
  });
  t.after(() => world.stop());
  const api = await openTestApi(t, { rules: RULES, runs: { reconcile } });
  const all = await api.call('POST', '/v1/reconciles', { json: {} });
  assert.equal(all.status, 202, all.text);
  const runs = all.json?.['runs'] as Record<string, unknown>[];
  assert.deepEqual(
    runs.map(({ rule, prefix, buckets }) => [rule, prefix, buckets]),
    [
      ['default', '2026/', ['photos']],
      ['every', '', undefined],
    ],
  );
  const [, every] = runs;
  const id = String(every?.['id']);
  await world.reaches(reconcile, id, ({ state }) => state === 'draining');
  const shown = await api.call('GET', `/v1/reconciles/${id}`);
  assert.deepEqual(shown.json?.['buckets'], ['found-1', 'found-2']);
  assert.match(shown.text, /"fed":4,/, 'both buckets are listed');

  const one = await api.call('POST', '/v1/reconciles', { json: { rule: 'every' } });
  assert.match(one.headers.get('location') ?? '', /^\/v1\/reconciles\/run-/);
  const unknown = await api.call('POST', '/v1/reconciles', { json: { rule: 'nobody' } });
  assert.deepEqual([unknown.status, unknown.json?.['code']], [422, 'no_rule']);
  assert.equal((await api.call('POST', '/v1/reconciles', { json: { bucket: 'photos' } })).status, 400);
  assert.equal((await api.call('GET', '/v1/reconciles/unknown')).json?.['code'], 'run_not_found');
});
