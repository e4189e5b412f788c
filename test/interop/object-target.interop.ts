// Our Google Cloud Storage driver under the contract of its port, against servers that others wrote.
import { test } from 'node:test';
import { testObjectTarget } from '../contract/object-target.contract.ts';
import { serverAddress } from './addresses.ts';
import { openGcsBucket } from './gcs-bucket.ts';
import type { ServerName } from './servers.ts';
import { FAKE_GCS_SERVER, GCP_STORAGE_EMULATOR, type TargetDeviations } from './target-deviations.ts';

const SERVERS: readonly {
  readonly name: ServerName;
  /** Most connections at once that the server copes with. */
  readonly connections: number;
  readonly skip: TargetDeviations;
}[] = [
  { name: 'fake-gcs-server', connections: 4, skip: FAKE_GCS_SERVER },
  { name: 'gcp-storage-emulator', connections: 1, skip: GCP_STORAGE_EMULATOR },
];

for (const { name, connections, skip } of SERVERS) {
  const address = serverAddress(name);
  if ('reason' in address) test(`object target contract: ${name}`, { skip: address.reason }, () => {});
  else testObjectTarget({ name, open: async () => openGcsBucket(address, 'contract', connections), skip });
}
