// The contract of the object source port: one suite, run by every driver and against independent servers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ObjectSourceFixture, SourceCheck, SourceCheckContext } from './object-source-fixture.ts';
import { LOOK_CHECKS } from './object-source-looks.contract.ts';
import { NAME_CHECKS } from './object-source-names.contract.ts';
import { READ_CHECKS } from './object-source-reads.contract.ts';

const CHECKS = { ...LOOK_CHECKS, ...READ_CHECKS, ...NAME_CHECKS } as const;

/** A read that nobody frees would hang the next one: no check may wait for ever. */
const CHECK_TIMEOUT_MS = 20_000;

/** The name of a check, as the test runner prints it. */
export type ObjectSourceCheck = keyof typeof CHECKS;

/**
 * Registers the whole contract as tests. `open` is called once; every check uses keys of its own. A check in `skip`
 * does not run, and its reason is printed: for servers whose own fault is known.
 */
export function testObjectSource(suite: {
  readonly name: string;
  open(): Promise<ObjectSourceFixture>;
  readonly skip?: Readonly<Partial<Record<ObjectSourceCheck, string>>>;
}): void {
  describe(`object source contract: ${suite.name}`, () => {
    let fixture: ObjectSourceFixture | null = null;
    before(async () => {
      fixture = await suite.open();
    });
    after(async () => {
      await fixture?.close();
    });
    Object.entries<SourceCheck>(CHECKS).forEach(([name, check], index) => {
      const reason = suite.skip?.[name as ObjectSourceCheck];
      if (reason !== undefined) console.warn(`NOT CHECKED on ${suite.name}: ${name}. ${reason}`);
      it(name, { skip: reason ?? false, timeout: CHECK_TIMEOUT_MS }, async () => {
        assert.ok(fixture !== null, 'The fixture is not open');
        await check(contextOf(fixture, `check-${index}/`));
      });
    });
  });
}

function contextOf(fixture: ObjectSourceFixture, prefix: string): SourceCheckContext {
  const { source, bucket, versionedBucket, missingBucket, connectionCount } = fixture;
  return {
    source,
    bucket,
    versionedBucket,
    missingBucket,
    connectionCount,
    prefix,
    at: (name) => ({ bucket, key: prefix + name }),
    versionedAt: (name) => ({ bucket: versionedBucket, key: prefix + name }),
    put: async (location, bytes, options) => fixture.put(location, bytes, options),
    putText: async (location, text, options = {}) => fixture.put(location, Buffer.from(text), options),
    remove: async (location) => fixture.remove(location),
    close: async () => fixture.close(),
  };
}
