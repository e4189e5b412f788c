// Both drivers under the contract of the Connections port, plain and over TLS.
import { openUndiciConnections } from '../../src/exchange/undici-connections.ts';
import { openWireConnections } from '../../src/exchange/wire/wire-connections.ts';
import { trustedCertificate } from './connections-fixture.ts';
import { testConnections } from './connections.contract.ts';

const certificate = trustedCertificate();

for (const [over, tls] of [
  ['plain', null],
  ['TLS', certificate],
] as const) {
  testConnections({ name: `own, ${over}`, tls, open: openWireConnections });
  testConnections({ name: `undici, ${over}`, tls, open: openUndiciConnections });
}
