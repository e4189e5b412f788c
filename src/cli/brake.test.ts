// The commands about held deletes, against the real API over real HTTP.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TargetToken } from '../core/object.ts';
import type { Rule } from '../core/rule.ts';
import { openTestApi, PHOTOS_RULE } from '../http/testing/open-test-api.ts';
import { runCommand } from './testing/run-command.ts';

const MIRROR: Rule = {
  ...PHOTOS_RULE,
  deletes: 'mirror',
  deleteBrake: { count: 0, sharePercent: 100, windowMs: 3_600_000 },
};

test('the brakes are listed, and what they hold is released or rejected by the name of the rule', async (t) => {
  const none = await openTestApi(t, { rules: [PHOTOS_RULE] });
  assert.deepEqual(await runCommand(none.url, ['brake']), {
    exitCode: 0,
    out: '',
    err: 'No rule mirrors deletes.\n',
  });

  const api = await openTestApi(t, { rules: [MIRROR] });
  const calm = await runCommand(api.url, ['brake']);
  assert.match(calm.out, /^default: ready\n {2}deletes: 0 within 3600 s, at most 0; about 0 objects\n$/);
  const hold = async (): Promise<void> => {
    await runCommand(api.url, ['replicate', 's3://photos/k']);
    const { target, changeAtMs, lease } = await api.claimOne();
    await api.brake.ask({ rule: MIRROR, target, token: 'one' as TargetToken, changeAtMs });
    const fault = { code: 'delete_brake', message: 'held', details: {}, atMs: api.clock.nowMs() } as const;
    await api.queue.park(lease, { fault, owed: false, delayMsIfDirty: 0 });
  };
  await hold();
  const tripped = await runCommand(api.url, ['brake']);
  assert.match(tripped.out, /^default: tripped since 20/);
  assert.match(
    tripped.out,
    /held: {4}1; list them: replicator transfers .*--fault delete_brake --rule default/,
  );
  const released = await runCommand(api.url, ['brake', 'release', 'default']);
  assert.deepEqual([released.exitCode, released.out], [0, '1 held delete released\n'], released.err);
  const again = await runCommand(api.url, ['brake', 'reject', 'default', '--json']);
  assert.deepEqual(JSON.parse(again.out), { rule: 'default', action: 'reject', held: 0 });
  const nothing = await runCommand(api.url, ['brake', 'release', 'default']);
  assert.equal(nothing.out, 'Nothing was held.\n');
  const unknown = await runCommand(api.url, ['brake', 'release', 'other']);
  assert.notEqual(unknown.exitCode, 0);
  assert.match(unknown.err, /No rule of this name/);
});
