// How many of all connections one address may have, so that a single caller who opens many and sends nothing leaves
// room for everybody else.
import type { Server, Socket } from 'node:net';
import type { IntakeGate } from '../replication/intake-gate.ts';

/** A proxy that all callers come through still has thousands. */
const ADDRESS_SHARE = 0.5;
const MIN_ADDRESS_CONNECTIONS = 16;

/** Closes connections beyond the share of their address before anything is read from them. */
export function shareConnections(
  server: Pick<Server, 'maxConnections' | 'on'>,
  gate: Pick<IntakeGate, 'connectionDropped'>,
): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const { maxConnections } = server;
    const network = networkOf(socket.remoteAddress ?? '');
    const count = (open.get(network) ?? 0) + 1;
    if (maxConnections > 0 && count > Math.max(MIN_ADDRESS_CONNECTIONS, maxConnections * ADDRESS_SHARE)) {
      gate.connectionDropped('All connections that one address may have are open.');
      socket.destroy();
      return;
    }
    open.set(network, count);
    socket.once('close', () => {
      const left = (open.get(network) ?? 1) - 1;
      if (left === 0) open.delete(network);
      else open.set(network, left);
    });
  });
}

/** What an address counts as: of IPv6 its network of 64 bits, because whoever has one address of it has all of them. */
export function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address;
  const [head = [], tail] = address
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = tail === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...Array.from({ length: zeros }, () => '0'), ...(tail ?? [])].slice(0, 4).join(':');
}
