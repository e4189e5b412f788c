// The contract of the object target port: one suite, run by every driver and by independent servers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  insertBytes,
  metadataWith,
  type Check,
  type CheckContext,
  type ObjectTargetFixture,
} from './object-target-fixture.ts';
import { NAME_CHECKS } from './object-target-names.contract.ts';
import { OBJECT_CHECKS } from './object-target-objects.contract.ts';
import { UPLOAD_CHECKS } from './object-target-uploads.contract.ts';

const CHECKS = { ...OBJECT_CHECKS, ...UPLOAD_CHECKS, ...NAME_CHECKS } as const;

/** The name of a check, as the test runner prints it. */
export type ObjectTargetCheck = keyof typeof CHECKS;

/**
 * Registers the whole contract as tests. `open` is called once; every check uses keys of its own. A check in `skip`
 * does not run, and its reason is printed: for servers whose own fault is known.
 */
export function testObjectTarget(suite: {
  readonly name: string;
  open(): Promise<ObjectTargetFixture>;
  readonly skip?: Readonly<Partial<Record<ObjectTargetCheck, string>>>;
}): void {
  describe(`object target contract: ${suite.name}`, () => {
    let fixture: ObjectTargetFixture | null = null;
    before(async () => {
      fixture = await suite.open();
    });
    after(async () => {
      await fixture?.close();
    });
    Object.entries<Check>(CHECKS).forEach(([name, check], index) => {
      const reason = suite.skip?.[name as ObjectTargetCheck];
      if (reason !== undefined) console.warn(`NOT CHECKED on ${suite.name}: ${name}. ${reason}`);
      it(name, { skip: reason ?? false }, async () => {
        assert.ok(fixture !== null, 'The fixture is not open');
        await check(contextOf(fixture, `check-${index}/`));
      });
    });
  });
}

function contextOf(fixture: ObjectTargetFixture, prefix: string): CheckContext {
  const { target, bucket } = fixture;
  const context: CheckContext = {
    target,
    bucket,
    at: (name) => ({ bucket, key: prefix + name }),
    readBytes: async ({ key }) => await fixture.readBytes(key),
    async foreignWrite(location, bytes) {
      if (fixture.foreignWrite !== undefined) return await fixture.foreignWrite(location.key, bytes);
      const seen = await target.look(location, new AbortController().signal);
      const condition = seen.kind === 'absent' ? 'absent' : seen.object.token;
      const answer = await insertBytes(
        context,
        location,
        bytes,
        condition,
        metadataWith({ by: 'somebody else' }),
      );
      assert.equal(answer.kind, 'committed');
    },
  };
  return context;
}
