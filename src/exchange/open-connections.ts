// Opens the driver that is asked for.
import type { Connections, ConnectionsOptions, HttpClient } from './connections.ts';
import { openUndiciConnections } from './undici-connections.ts';
import { openWireConnections } from './wire/wire-connections.ts';

/** Nothing is sent before the first exchange. */
export function openConnections(client: HttpClient, options: ConnectionsOptions): Connections {
  if (client === 'own') return openWireConnections(options);
  return openUndiciConnections(options, client === 'undici' ? null : client);
}
