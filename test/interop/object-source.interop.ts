// Our S3 driver under the contract of its port, against servers that others wrote.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../src/core/faults.ts';
import { testObjectSource } from '../contract/object-source.contract.ts';
import { serverAddress } from './addresses.ts';
import { openS3Buckets } from './s3-bucket.ts';
import type { ServerName } from './servers.ts';
import { LOCALSTACK, type SourceDeviations, VERSITYGW } from './source-deviations.ts';

const SERVERS: readonly {
  readonly name: ServerName;
  readonly skip: SourceDeviations;
  /** Why a wrong secret is not noticed; null where it is. */
  readonly acceptsAnySecret: string | null;
}[] = [
  { name: 'versitygw', skip: VERSITYGW, acceptsAnySecret: null },
  { name: 'localstack', skip: LOCALSTACK, acceptsAnySecret: 'It checks no signature.' },
];

for (const { name, skip, acceptsAnySecret } of SERVERS) {
  const address = serverAddress(name);
  if ('reason' in address) {
    test(`object source contract: ${name}`, { skip: address.reason }, () => {});
    continue;
  }
  testObjectSource({ name, open: async () => openS3Buckets(address), skip });
  test(
    `a wrong secret is refused as invalid credentials by ${name}`,
    { skip: acceptsAnySecret ?? false },
    async (t) => {
      const fixture = await openS3Buckets(address, { secretAccessKey: 'not-the-secret' });
      t.after(async () => fixture.close());
      const look = fixture.source.look({ bucket: fixture.bucket, key: 'k' }, new AbortController().signal);
      await assert.rejects(look, (error) => error instanceof Fault && error.code === 'credentials_invalid');
    },
  );
}
