// Servers below HTTP for the tests of the Connections port, plain and TLS.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  getCACertificates,
  setDefaultCACertificates,
  type TlsOptions,
} from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionsOptions } from '../../src/exchange/connections.ts';
import { Limit } from '../../src/exchange/limit.ts';
import { selfSignedCertificate } from '../../src/triggers/testing/self-signed-certificate.ts';

/** A key and its certificate for `localhost`, signed by itself. */
export function testCertificate(): { readonly cert: string; readonly key: string } {
  const { pem, privateKey } = selfSignedCertificate({
    commonName: 'localhost',
    names: ['localhost'],
    isIssuer: true,
  });
  return { cert: pem, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}

/** The same, and this process believes it from now on. */
export function trustedCertificate(): ReturnType<typeof testCertificate> {
  const certificate = testCertificate();
  setDefaultCACertificates([...getCACertificates('default'), certificate.cert]);
  return certificate;
}

/** Times that no test comes near to. */
export const CONNECTION_OPTIONS: ConnectionsOptions = {
  connections: 1,
  connectTimeoutMs: 5_000,
  headersTimeoutMs: 5_000,
  bodyIdleTimeoutMs: 5_000,
  keepAliveMs: 60_000,
};

/** For an exchange that takes as long as it takes. */
export function unlimited(): Limit {
  return new Limit(new AbortController().signal, null);
}

export interface SocketServer {
  readonly origin: string;
  connectionCount(): number;
  openCount(): number;
  /** All that came on all connections, as Latin-1. */
  text(): string;
  /** Closes those that are open, and waits until the other side has. */
  endConnections(): Promise<void>;
  close(): Promise<void>;
}

/** `respond` gets what each connection got. With `tls` it speaks TLS, as `localhost`. */
export async function startSocketServer(
  respond: (socket: Socket, text: string) => void,
  tls: TlsOptions | null = null,
): Promise<SocketServer> {
  const sockets = new Set<Socket>();
  const seen: string[] = [];
  let connectionCount = 0;
  const opened = (socket: Socket): void => {
    connectionCount += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      seen.push(text);
      respond(socket, text);
    });
  };
  const server: Server = tls === null ? createServer(opened) : createTlsServer(tls, opened);
  server.on('tlsClientError', () => {});
  server.listen(0, tls === null ? '127.0.0.1' : 'localhost');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: tls === null ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    connectionCount: () => connectionCount,
    openCount: () => sockets.size,
    text: () => seen.join(''),
    async endConnections() {
      for (const socket of sockets) socket.end();
      await until(() => sockets.size === 0);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      if (server.listening) await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}

export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(1);
}

export async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  // A piece is valid until the next one is asked for.
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('latin1');
}

/** So many bytes of which no two neighbouring stretches are alike. */
export function bytesOf(count: number): Buffer {
  const bytes = Buffer.allocUnsafe(count);
  let state = 0x9e3779b9;
  for (let at = 0; at < count; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}
