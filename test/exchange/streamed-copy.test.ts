// A copy as the replicator makes it, GET into PUT through pooled buffers, against servers that know every byte: plain and
// TLS, with a source, a target or a reader that dawdles, several at once.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Connections, HttpDriver } from '../../src/exchange/connections.ts';
import { openConnections } from '../../src/exchange/open-connections.ts';
import {
  bytesOf,
  CONNECTION_OPTIONS,
  trustedCertificate,
  unlimited,
} from '../contract/connections-fixture.ts';

const certificate = trustedCertificate();

const BYTES = bytesOf(9_000_000);
const PIECE_BYTES = 256 * 1024;
const breath = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Pace {
  readonly source: boolean;
  readonly reader: boolean;
  readonly target: boolean;
}

/** GET gives a rotation of BYTES; PUT is compared with it, piece by piece. */
function listener(pace: Pace, wrong: string[]): RequestListener {
  return (request, response) => {
    const start = Number(new URL(request.url ?? '', 'http://x').searchParams.get('start'));
    const bytes = Buffer.concat([BYTES.subarray(start), BYTES.subarray(0, start)]);
    if (request.method === 'GET') void give(bytes, pace, response);
    else
      void take(bytes, pace, request, wrong).then(() =>
        response.writeHead(200, { 'content-length': 0 }).end(),
      );
  };
}

async function give(bytes: Buffer, pace: Pace, response: Parameters<RequestListener>[1]): Promise<void> {
  response.writeHead(200, { 'content-length': bytes.length });
  const step = pace.source ? 50_001 : bytes.length;
  for (let at = 0; at < bytes.length; at += step) {
    if (!response.write(bytes.subarray(at, at + step))) await once(response, 'drain');
    if (pace.source) await breath();
  }
  response.end();
}

async function take(bytes: Buffer, pace: Pace, request: IncomingMessage, wrong: string[]): Promise<void> {
  let at = 0;
  for await (const chunk of request) {
    const piece = chunk as Buffer;
    if (!piece.equals(bytes.subarray(at, at + piece.length))) wrong.push(`${request.url} at ${at}`);
    at += piece.length;
    if (pace.target) await breath();
  }
  if (at !== bytes.length) wrong.push(`${request.url} ended at ${at}`);
}

async function copy(connections: Connections, origin: string, start: number, pace: Pace): Promise<string> {
  const path = `/?start=${start}`;
  const got = await connections.exchange(
    { origin, path, method: 'GET', headers: {}, body: null },
    unlimited(),
  );
  const hash = createHash('sha256');
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for await (const piece of got.body) {
      hash.update(piece);
      if (pace.reader) await breath();
      for (let at = 0; at < piece.length; at += PIECE_BYTES) yield piece.subarray(at, at + PIECE_BYTES);
    }
  }
  const headers = { 'content-length': String(BYTES.length) };
  const put = await connections.exchange(
    { origin, path, method: 'PUT', headers, body: pieces() },
    unlimited(),
  );
  assert.equal(put.status, 200);
  for await (const _ of put.body);
  return hash.digest('hex');
}

async function listening(server: Server): Promise<number> {
  server.listen(0, 'localhost');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

for (const isSecure of [false, true])
  for (const [client, slow] of [
    ['own', 'nobody'],
    ['own', 'source'],
    ['own', 'reader'],
    ['own', 'target'],
    ['undici', 'reader'],
  ] as readonly (readonly [HttpDriver, 'nobody' | keyof Pace])[]) {
    test(`${client}, ${isSecure ? 'TLS' : 'plain'}, slow: ${slow}: four copies at once, twice, arrive byte for byte`, async (t) => {
      const pace = { source: slow === 'source', reader: slow === 'reader', target: slow === 'target' };
      const wrong: string[] = [];
      const listens = listener(pace, wrong);
      const server: Server = isSecure ? createTlsServer(certificate, listens) : createServer(listens);
      const origin = `${isSecure ? 'https' : 'http'}://localhost:${await listening(server)}`;
      const connections = openConnections(client, {
        ...CONNECTION_OPTIONS,
        connections: 8,
        headersTimeoutMs: 20_000,
        bodyIdleTimeoutMs: 20_000,
        keepAliveMs: 4_000,
      });
      t.after(async () => {
        await connections.close();
        server.closeAllConnections();
        server.close();
      });
      for (let round = 0; round < 2; round += 1) {
        const starts = [0, 1, 1_000_003, 8_999_999];
        const hashes = await Promise.all(starts.map(async (start) => copy(connections, origin, start, pace)));
        assert.deepEqual(wrong, []);
        assert.deepEqual(
          hashes,
          starts.map((start) =>
            createHash('sha256').update(BYTES.subarray(start)).update(BYTES.subarray(0, start)).digest('hex'),
          ),
        );
      }
    });
  }
