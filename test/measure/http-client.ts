// npm run measure:client -- [--sizes 4096,67108864] [--rounds N]
// The HTTP clients alone, without the rest of the product: a GET whose body is the body of a PUT, against a server in
// another process, plain and over TLS. CPU of this process for each pair and each GiB.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer, setDefaultCACertificates } from 'node:tls';
import { parseArgs } from 'node:util';
import type { Connections, HttpDriver } from '../../src/exchange/connections.ts';
import { Limit } from '../../src/exchange/limit.ts';
import { openConnections } from '../../src/exchange/open-connections.ts';
import { testCertificate } from '../contract/connections-fixture.ts';

const PIECE_BYTES = 256 * 1024;
const GIB = 2 ** 30;
const DONE = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}';

interface ServerTask {
  readonly sizeBytes: number;
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

function serve({ sizeBytes, tls }: ServerTask): void {
  const bytes = Buffer.alloc(Math.min(sizeBytes, 1024 * 1024), 7);
  const opened = (socket: Socket): void => {
    let missingBytes = 0;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      let cameBytes = chunk.length;
      if (missingBytes === 0) {
        const head = chunk.toString('latin1', 0, 4096);
        if (head.startsWith('GET')) {
          give(socket, bytes, sizeBytes);
          return;
        }
        missingBytes = sizeBytes;
        cameBytes -= head.indexOf('\r\n\r\n') + 4;
      }
      missingBytes -= cameBytes;
      if (missingBytes === 0) socket.write(DONE);
    });
  };
  const server = tls === null ? createServer(opened) : createTlsServer(tls, opened);
  server.listen(0, 'localhost', () => process.send?.(server.address()));
}

function give(socket: Socket, bytes: Buffer, sizeBytes: number): void {
  let left = sizeBytes;
  const goOn = (): void => {
    for (let isTaken = true; left > 0 && isTaken;) {
      const piece = bytes.subarray(0, Math.min(left, bytes.length));
      left -= piece.length;
      isTaken = socket.write(piece);
    }
    if (left > 0) socket.once('drain', goOn);
  };
  socket.cork();
  socket.write(`HTTP/1.1 200 OK\r\netag: "e"\r\ncontent-type: a/b\r\ncontent-length: ${sizeBytes}\r\n\r\n`);
  goOn();
  socket.uncork();
}

async function copy(connections: Connections, origin: string, sizeBytes: number): Promise<void> {
  const limit = (): Limit => new Limit(NEVER, null);
  const get = { origin, path: '/from', method: 'GET', headers: {}, body: null } as const;
  const { body } = await connections.exchange(get, limit());
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for await (const piece of body)
      for (let at = 0; at < piece.length; at += PIECE_BYTES) yield piece.subarray(at, at + PIECE_BYTES);
  }
  const chunks: Uint8Array[] = [];
  if (sizeBytes <= PIECE_BYTES) for await (const piece of body) chunks.push(Buffer.from(piece));
  const headers = { 'content-length': String(sizeBytes) };
  const sent = sizeBytes <= PIECE_BYTES ? Buffer.concat(chunks) : pieces();
  const put = { origin, path: '/to', method: 'PUT', headers, body: sent } as const;
  const answer = await connections.exchange(put, limit());
  for await (const _ of answer.body);
}

const NEVER = new AbortController().signal;

async function measure(client: HttpDriver, task: ServerTask): Promise<string> {
  const { sizeBytes, tls } = task;
  const isSmall = sizeBytes <= PIECE_BYTES;
  const count = isSmall ? 20_000 : Math.max(4, Math.ceil(GIB / sizeBytes));
  const server = fork(import.meta.filename, [JSON.stringify(task)]);
  const [{ port }] = (await once(server, 'message')) as [{ port: number }];
  const connections = openConnections(client, {
    connections: 128,
    connectTimeoutMs: 10_000,
    headersTimeoutMs: 60_000,
    bodyIdleTimeoutMs: 60_000,
    keepAliveMs: 30_000,
  });
  const origin = `${tls === null ? 'http' : 'https'}://localhost:${port}`;
  const run = async (wanted: number): Promise<void> => {
    let begun = 0;
    const copyOn = async (): Promise<void> => {
      while (begun < wanted) {
        begun += 1;
        await copy(connections, origin, sizeBytes);
      }
    };
    await Promise.all(Array.from({ length: isSmall ? 64 : 2 }, copyOn));
  };
  await run(Math.ceil(count / 5));
  const before = process.cpuUsage();
  const startedMs = performance.now();
  await run(count);
  const { user, system } = process.cpuUsage(before);
  const cpuSec = (user + system) / 1e6;
  const sec = (performance.now() - startedMs) / 1000;
  await connections.close();
  server.kill();
  const each = `${((cpuSec / count) * 1000).toFixed(3)} ms/pair, ${((cpuSec * GIB) / (count * sizeBytes)).toFixed(2)} s/GiB`;
  return `${client}, ${tls === null ? 'plain' : 'TLS'}, ${sizeBytes} bytes x ${count}: CPU ${each}, ${Math.round(count / sec)} pairs/s`;
}

const [given] = process.argv.slice(2);
if (given?.startsWith('{') === true) {
  serve(JSON.parse(given) as ServerTask);
} else {
  const { values } = parseArgs({
    options: {
      sizes: { type: 'string', default: '4096,67108864' },
      rounds: { type: 'string', default: '2' },
    },
  });
  const certificate = testCertificate();
  setDefaultCACertificates([certificate.cert]);
  for (const sizeBytes of values.sizes.split(',').map(Number))
    for (const tls of [null, certificate])
      for (let round = 0; round < Number(values.rounds); round += 1)
        for (const client of ['own', 'undici'] as const)
          process.stdout.write(`${await measure(client, { sizeBytes, tls })}\n`);
}
