import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import type { TargetToken } from '../../core/object.ts';
import type { Rule } from '../../core/rule.ts';
import { openTestApi, PHOTOS_RULE, type TestApi } from '../testing/open-test-api.ts';

const MIRROR: Rule = {
  ...PHOTOS_RULE,
  deletes: 'mirror',
  deleteBrake: { count: 2, sharePercent: 100, windowMs: 3_600_000 },
};
const IGNORE: Rule = { ...PHOTOS_RULE, name: 'docs', source: { ...PHOTOS_RULE.source, bucket: 'docs' } };

/** An API whose rule has deleted two objects and holds so many. */
async function openHeld(t: TestContext, held: number): Promise<TestApi> {
  const api = await openTestApi(t, { rules: [MIRROR, IGNORE] });
  for (let index = 0; index < held + 2; index += 1) {
    const key = `k${index}`;
    assert.equal((await api.call('POST', '/v1/replicate', { json: { bucket: 'photos', key } })).status, 202);
    const claimed = await api.claimOne();
    const { kind } = await api.brake.ask({
      rule: MIRROR,
      target: claimed.target,
      token: `${index}` as TargetToken,
      changeAtMs: claimed.changeAtMs,
    });
    if (kind !== 'held') {
      await api.queue.finish(claimed.lease, { outcome: 'deleted', receipt: null, owed: false });
      continue;
    }
    const fault = { code: 'delete_brake', message: 'held', details: {}, atMs: api.clock.nowMs() } as const;
    await api.queue.park(claimed.lease, { fault, owed: false, delayMsIfDirty: 0 });
  }
  return api;
}

test('the brakes of the mirroring rules are shown with counts, limit, window and what they hold', async (t) => {
  const api = await openHeld(t, 3);
  const { status, json } = await api.call('GET', '/v1/brakes');
  assert.equal(status, 200);
  assert.deepEqual(json, {
    brakes: [
      {
        rule: 'default',
        state: 'tripped',
        trippedAt: new Date(api.clock.nowMs()).toISOString(),
        deletes: 2,
        limit: 2,
        windowSec: 3600,
        objects: 0,
        limits: { count: 2, sharePercent: 100 },
        held: 3,
        released: 0,
      },
    ],
  });
});

test('a release makes the held transfers due, is audited, and a second one finds nothing', async (t) => {
  const api = await openHeld(t, 3);
  const path = '/v1/rules/default/brake';
  const first = await api.call('POST', path, { json: { action: 'release' } });
  assert.deepEqual([first.status, first.json], [202, { rule: 'default', action: 'release', held: 3 }]);
  const due = await api.queue.claim({ total: 10, large: 10 });
  assert.equal(due.length, 3);
  for (const { target, changeAtMs } of due) {
    const token = 'other' as TargetToken;
    assert.equal((await api.brake.ask({ rule: MIRROR, target, token, changeAtMs })).kind, 'go');
  }
  const second = await api.call('POST', path, { json: { action: 'reject' } });
  assert.deepEqual(second.json, { rule: 'default', action: 'reject', held: 0 });
  assert.deepEqual(
    api.log
      .filter(({ facts }) => facts['audit'] === true)
      .map(({ facts }) => [facts['action'], facts['held']]),
    [
      ['brake.release', 3],
      ['brake.reject', 0],
    ],
  );
});

test('a reject lets every delete from before it keep its object', async (t) => {
  const api = await openHeld(t, 3);
  await api.call('POST', '/v1/rules/default/brake', { json: { action: 'reject' } });
  for (const { target, changeAtMs } of await api.queue.claim({ total: 10, large: 10 })) {
    const token = 'other' as TargetToken;
    assert.equal((await api.brake.ask({ rule: MIRROR, target, token, changeAtMs })).kind, 'keep');
  }
});

test('a redrive of the class of the brake is a release; one of a part of it, or of the rule, is not', async (t) => {
  const api = await openHeld(t, 3);
  const isTripped = async () => {
    const { brakes } = (await api.call('GET', '/v1/brakes')).json as { brakes: { state: string }[] };
    return brakes[0]?.state === 'tripped';
  };
  for (const json of [{ fault: 'delete_brake', prefix: 'x' }, { rule: 'docs' }, { fault: 'access_denied' }]) {
    await api.call('POST', '/v1/redrive', { json });
    assert.equal(await isTripped(), true, JSON.stringify(json));
  }
  await api.call('POST', '/v1/redrive', { json: { fault: 'delete_brake', rule: 'docs' } });
  assert.equal(await isTripped(), true);
  const all = await api.call('POST', '/v1/redrive', { json: { fault: 'delete_brake' } });
  assert.deepEqual(all.json, { redriven: 3, more: false });
  assert.equal(await isTripped(), false);
});

test('an unknown rule, an unknown action and a key that may not are refused', async (t) => {
  const key = 'a-read-key-of-some-length';
  const sha256 = createHash('sha256').update(key).digest('hex');
  const api = await openTestApi(t, {
    rules: [MIRROR],
    auth: 'keys',
    apiKeys: [{ scope: 'read', id: 'reader', sha256 }],
  });
  const headers = { authorization: `Bearer ${key}` };
  const denied = await api.call('POST', '/v1/rules/default/brake', { json: { action: 'release' }, headers });
  assert.equal(denied.status, 403);
  assert.equal((await api.call('GET', '/v1/brakes', { headers })).status, 200);
  const open = await openTestApi(t, { rules: [MIRROR] });
  const unknown = await open.call('POST', '/v1/rules/other/brake', { json: { action: 'release' } });
  assert.deepEqual([unknown.status, unknown.json?.['code']], [404, 'not_found']);
  const wrong = await open.call('POST', '/v1/rules/default/brake', { json: { action: 'forget' } });
  assert.equal(wrong.status, 400);
  assert.match(wrong.text, /must be release or reject/);
});
