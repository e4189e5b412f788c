// Both drivers under the contract of the Connections port.
import { openUndiciConnections } from '../../src/exchange/undici-connections.ts';
import { openWireConnections } from '../../src/exchange/wire/wire-connections.ts';
import { testConnections } from './connections.contract.ts';

testConnections({ name: 'own', open: openWireConnections });
testConnections({ name: 'undici', open: openUndiciConnections });
