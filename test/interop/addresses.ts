// How the addresses of the running servers reach the test files: one environment variable, written by run.ts.
import type { ServerAddress, ServerName } from './servers.ts';

const VARIABLE = 'INTEROP_SERVERS';

/** Per server its address, or the reason why it does not run. */
export type Addresses = Partial<Record<ServerName, ServerAddress | { readonly reason: string }>>;

/** The environment that carries the addresses to a test process. */
export function addressEnvironment(addresses: Addresses): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(addresses) };
}

/** The address of a server, or why there is none; a test then skips itself with that reason. */
export function serverAddress(name: ServerName): ServerAddress | { readonly reason: string } {
  const text = process.env[VARIABLE];
  const addresses = text === undefined ? {} : (JSON.parse(text) as Addresses);
  return addresses[name] ?? { reason: `${name} was not started: use npm run test:interop` };
}
