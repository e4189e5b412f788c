// What leaves on the wire, the two corrections, timeouts and aborts.
import assert from 'node:assert/strict';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { Fault, type FaultCode } from '../../core/faults.ts';
import type { AwsCredentials } from '../../aws/credentials.ts';
import { createSigner, EMPTY_PAYLOAD_SHA256 } from './signature.ts';
import {
  errorDocument,
  objectHeaders,
  openTestSource,
  realClock,
  type SeenRequest,
  startAnsweringServer,
  testCredentials,
} from './testing/answering-server.ts';

const location = { bucket: 'photos', key: 'k' };
const signal = new AbortController().signal;
const found = { status: 200, headers: objectHeaders(), body: 'hello' };

function isFault(code: FaultCode) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** A server below HTTP: `answer` gets what the socket got. */
async function startSocketServer(
  answer: (socket: Socket, text: string) => void,
): Promise<{ url: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => answer(socket, data.toString('latin1')));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

test('paths reach the wire byte for byte, dots and double slashes too', async () => {
  // No HTTP library on this side: the request line is what the socket got.
  const lines: string[] = [];
  await using server = await startSocketServer((socket, text) => {
    lines.push(text.split('\r\n')[0] ?? '');
    socket.write(
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "e"\r\nLast-Modified: Mon, 02 Nov 2026 10:00:00 GMT\r\n\r\n',
    );
  });
  await using source = await openTestSource(server);
  for (const key of ['a/../b', '../../x', '//a//b/', './.', 'a%2Fb', 'a?b#c', '%2e%2e/é']) {
    await source.look({ bucket: 'photos', key }, signal);
  }
  assert.deepEqual(lines, [
    'HEAD /photos/a/../b HTTP/1.1',
    'HEAD /photos/../../x HTTP/1.1',
    'HEAD /photos///a//b/ HTTP/1.1',
    'HEAD /photos/./. HTTP/1.1',
    'HEAD /photos/a%252Fb HTTP/1.1',
    'HEAD /photos/a%3Fb%23c HTTP/1.1',
    'HEAD /photos/%252e%252e/%C3%A9 HTTP/1.1',
  ]);
});

/** Signs what the server saw, as a store does to check the signature. */
function expectedAuthorization(request: SeenRequest, credentials: AwsCredentials): string | undefined {
  const names = /SignedHeaders=([^,]*)/.exec(request.headers.authorization ?? '')?.[1]?.split(';') ?? [];
  const own = new Set(['x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token']);
  const headers = Object.fromEntries(
    names.filter((name) => !own.has(name)).map((name) => [name, String(request.headers[name])]),
  );
  const stamp = String(request.headers['x-amz-date']);
  const atMs = Date.parse(stamp.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  const [path = '', query = ''] = request.rawUrl.split('?');
  const unsigned = { method: request.method, path, query, headers, payloadSha256: EMPTY_PAYLOAD_SHA256 };
  return createSigner('eu-west-1')(unsigned, credentials, atMs)['authorization'];
}

test('the signature covers the request as it arrives', async () => {
  const credentials = { ...testCredentials, sessionToken: 'a-token' };
  await using server = await startAnsweringServer(() => found);
  await using source = await openTestSource(server, { credentials: async () => credentials });
  await source.look({ bucket: 'photos', key: "odd !'()*+ é" }, signal);
  const read = await source.read({ location, pin: null, startByte: 0 }, signal);
  assert.ok(read.kind === 'body');
  read.discard();
  await source.list({ bucket: 'photos', prefix: 'a/b c', cursor: null, limit: 5 }, signal).catch(() => {});
  assert.equal(server.seen.length, 3);
  for (const request of server.seen) {
    assert.match(request.headers.authorization ?? '', /SignedHeaders=host;/);
    assert.equal(request.headers.authorization, expectedAuthorization(request, credentials));
    assert.equal(request.headers['accept-encoding'], 'identity');
    assert.equal(`http://${request.headers.host}`, server.url);
  }
});

for (const code of ['ExpiredToken', 'InvalidToken']) {
  test(`${code}: the credentials are renewed once and the request is sent again`, async () => {
    const keys = [
      { ...testCredentials, sessionToken: 'old' },
      { ...testCredentials, sessionToken: 'new' },
    ];
    const rejected: unknown[] = [];
    await using server = await startAnsweringServer((request) =>
      request.headers['x-amz-security-token'] === 'new' ? found : { status: 400, body: errorDocument(code) },
    );
    await using source = await openTestSource(server, {
      credentials: async (request) => {
        rejected.push(request?.rejected);
        return (request === undefined ? keys[0] : keys[1]) ?? testCredentials;
      },
    });
    const read = await source.read({ location, pin: null, startByte: 0 }, signal);
    assert.ok(read.kind === 'body');
    read.discard();
    assert.deepEqual(rejected, [undefined, keys[0]]);
    assert.equal(server.seen.length, 2);
  });
}

test('credentials that stay expired are a fault after one renewal', async () => {
  let issued = 0;
  await using server = await startAnsweringServer(() => ({
    status: 400,
    body: errorDocument('ExpiredToken'),
  }));
  await using source = await openTestSource(server, {
    credentials: async () => {
      issued += 1;
      return { ...testCredentials, sessionToken: `token-${issued}` };
    },
  });
  await assert.rejects(
    source.read({ location, pin: null, startByte: 0 }, signal),
    isFault('credentials_expired'),
  );
  assert.equal(server.seen.length, 2);
});

test('keys that cannot be renewed are not sent twice', async () => {
  await using server = await startAnsweringServer(() => ({
    status: 400,
    body: errorDocument('InvalidToken'),
  }));
  await using source = await openTestSource(server);
  await assert.rejects(
    source.read({ location, pin: null, startByte: 0 }, signal),
    isFault('credentials_invalid'),
  );
  assert.equal(server.seen.length, 1);
});

const HOUR_MS = 3_600_000;

test("a wrong clock is put right by the store's own time and stays right", async () => {
  const storeMs = Date.UTC(2026, 10, 2, 12);
  await using server = await startAnsweringServer((request) => {
    const headers = { date: new Date(storeMs).toUTCString() };
    return request.headers['x-amz-date'] === '20261102T120000Z'
      ? { ...found, headers: { ...found.headers, ...headers } }
      : { status: 403, headers, body: errorDocument('RequestTimeTooSkewed') };
  });
  await using source = await openTestSource(server, {
    clock: { ...realClock, nowMs: () => storeMs - HOUR_MS },
  });
  // A HEAD cannot say why it is refused; the GET that follows can.
  assert.equal((await source.look(location, signal)).kind, 'present');
  assert.deepEqual(
    server.seen.map((request) => request.method),
    ['HEAD', 'GET', 'GET'],
  );
  assert.equal((await source.look(location, signal)).kind, 'present');
  assert.equal(server.seen.length, 4);
});

test('a clock that cannot be put right is a fault after one correction', async () => {
  await using server = await startAnsweringServer(() => ({
    status: 403,
    body: errorDocument('RequestTimeTooSkewed'),
  }));
  await using source = await openTestSource(server);
  await assert.rejects(source.read({ location, pin: null, startByte: 0 }, signal), isFault('clock_skewed'));
  assert.equal(server.seen.length, 2);
});

test('no other refusal is tried again', async () => {
  await using server = await startAnsweringServer(() => ({
    status: 500,
    body: errorDocument('InternalError'),
  }));
  await using source = await openTestSource(server);
  await assert.rejects(source.read({ location, pin: null, startByte: 0 }, signal), isFault('source_error'));
  assert.equal(server.seen.length, 1);
});

test('a store that takes the request and says nothing fails this attempt', async () => {
  await using server = await startAnsweringServer(() => null);
  await using source = await openTestSource(server, { headersTimeoutMs: 100 });
  await assert.rejects(source.look(location, signal), isFault('source_error'));
});

test('a port where nobody listens is unreachable', async () => {
  const server = await startSocketServer(() => {});
  await server[Symbol.asyncDispose]();
  await using source = await openTestSource(server);
  await assert.rejects(source.look(location, signal), (error) => {
    assert.match(String(error), /ECONNREFUSED/);
    return isFault('source_unreachable')(error);
  });
});

test('a connection that cannot be made secure is not used', async () => {
  await using server = await startAnsweringServer(() => found);
  await using source = await openTestSource({ url: server.url.replace('http:', 'https:') });
  await assert.rejects(source.look(location, signal), (error) => {
    assert.match(String(error), /TLS/);
    return isFault('source_unreachable')(error);
  });
  assert.equal(server.seen.length, 0);
});

test('an answer that is not HTTP is an error of the source', async () => {
  await using server = await startSocketServer((socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'));
  await using source = await openTestSource(server);
  await assert.rejects(source.look(location, signal), isFault('source_error'));
});

test('an abort ends a request and frees its connection, and an aborted signal sends nothing', async () => {
  await using server = await startAnsweringServer(() => null);
  await using source = await openTestSource(server);
  const controller = new AbortController();
  const reason = new Error('shutting down');
  const look = source.look(location, controller.signal);
  while (server.seen.length === 0) await sleep(1);
  controller.abort(reason);
  await assert.rejects(look, (error) => error === reason);
  while (server.openConnectionCount() > 0) await sleep(1);
  await assert.rejects(source.look(location, controller.signal), (error) => error === reason);
  assert.equal(server.seen.length, 1);
});

test('an abort does not wait for credentials', async () => {
  const pending = Promise.withResolvers<AwsCredentials>();
  await using server = await startAnsweringServer(() => found);
  await using source = await openTestSource(server, { credentials: async () => pending.promise });
  const controller = new AbortController();
  const look = source.look(location, controller.signal);
  const reason = new Error('shutting down');
  controller.abort(reason);
  await assert.rejects(look, (error) => error === reason);
  assert.equal(server.seen.length, 0);
});

test('credentials that cannot be had are the fault of their provider', async () => {
  await using server = await startAnsweringServer(() => found);
  const fault = new Fault('credentials_unavailable', 'No AWS credentials could be obtained');
  await using source = await openTestSource(server, { credentials: () => Promise.reject(fault) });
  await assert.rejects(source.look(location, signal), (error) => error === fault);
});
