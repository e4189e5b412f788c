// What only our own client has to prove for itself, over real sockets: which connections it uses again, what happens when
// the other side is early, rude or silent, and that pooled buffers never mix bytes.
import assert from 'node:assert/strict';
import { createServer as createSilentServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { TlsOptions } from 'node:tls';
import type { Connections, ConnectionsOptions, ExchangeRequest } from '../../src/exchange/connections.ts';
import { NothingSent } from '../../src/exchange/exchange-error.ts';
import { Limit } from '../../src/exchange/limit.ts';
import { openWireConnections } from '../../src/exchange/wire/wire-connections.ts';
import {
  CONNECTION_OPTIONS,
  startSocketServer,
  testCertificate,
  textOf,
  trustedCertificate,
  unlimited,
  until,
} from '../contract/connections-fixture.ts';

const certificate = trustedCertificate();
const stranger = testCertificate();

const EMPTY = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
const LARGE_BYTES = 2_000_000;

function opened(t: TestContext, options: Partial<ConnectionsOptions> = {}): Connections {
  const connections = openWireConnections({ ...CONNECTION_OPTIONS, connections: 2, ...options });
  t.after(async () => connections.close());
  return connections;
}

async function serving(
  t: TestContext,
  respond: (socket: Socket, text: string) => void,
  { tls = null, ...options }: Partial<ConnectionsOptions> & { readonly tls?: TlsOptions | null } = {},
) {
  const server = await startSocketServer(respond, tls);
  const connections = opened(t, options);
  t.after(async () => server.close());
  const ask = async (wanted: Partial<ExchangeRequest> = {}, limit = unlimited()) =>
    connections.exchange(
      { origin: server.origin, path: '/', method: 'GET', headers: {}, body: null, ...wanted },
      limit,
    );
  return { server, ask };
}

for (const [what, answer, why] of [
  ['whose head is malformed', 'HTTP/1.1 200 OK\r\na b: c\r\n\r\n', /name of a header/],
  ['with two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx', /two different/],
  [
    'whose chunks are malformed',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxx\r\n',
    /longer than/,
  ],
] as const) {
  test(`an answer ${what} fails by its reason, and costs the connection`, async (t) => {
    let isFirst = true;
    const { ask, server } = await serving(t, (socket) => {
      socket.write(isFirst ? answer : EMPTY);
      isFirst = false;
    });
    await assert.rejects(async () => textOf((await ask()).body), why);
    await ask();
    assert.equal(server.connectionCount(), 2);
  });
}

for (const [what, surplus, isLater] of [
  ['behind an answer', EMPTY, false],
  ['on an idle connection', EMPTY, true],
] as const) {
  test(`bytes ${what} are no answer to the next request`, async (t) => {
    let isFirst = true;
    const { ask, server } = await serving(
      t,
      (socket, text) => {
        const body = text.includes('/first') ? 'first' : 'other';
        const answer = `HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n${body}`;
        socket.write(isFirst && !isLater ? answer + surplus : answer);
        if (isFirst && isLater) setImmediate(() => setImmediate(() => socket.write(surplus)));
        isFirst = false;
      },
      { keepAliveMs: 60_000 },
    );
    assert.equal(await textOf((await ask({ path: '/first' })).body), 'first');
    await until(() => server.openCount() === 0);
    assert.equal(await textOf((await ask()).body), 'other');
    assert.equal(server.connectionCount(), 2);
  });
}

test('an answer that comes while the body is sent is the answer: the rest is not sent, the connection not used again', async (t) => {
  const { ask, server } = await serving(t, (socket, text) => {
    if (text.startsWith('PUT')) socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno');
    else if (text.startsWith('GET')) socket.write(EMPTY);
  });
  let asked = 0;
  let isLetGo = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        asked += 1;
        yield Buffer.alloc(100_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      isLetGo = true;
    }
  }
  const answer = await ask({ method: 'PUT', headers: { 'content-length': '1000000000' }, body: endless() });
  assert.equal(answer.status, 413);
  assert.equal(await textOf(answer.body), 'no');
  await until(() => isLetGo);
  assert.ok(asked < 1_000);
  await until(() => server.openCount() === 0);
  await ask();
  assert.equal(server.connectionCount(), 2);
});

test('an answer that comes while the source of the body is slow is delivered at once', async (t) => {
  const { ask } = await serving(t, (socket) =>
    socket.write('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n'),
  );
  async function* stuck(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a');
    await new Promise(() => {});
  }
  assert.equal((await ask({ method: 'PUT', headers: { 'content-length': '9' }, body: stuck() })).status, 503);
});

test('a request whose source fails is over when the other side has taken what came of it', async (t) => {
  let isTaken = false;
  const { ask } = await serving(t, (socket) => {
    socket.pause();
    setTimeout(() => {
      socket.resume();
      socket.on('end', () => {
        isTaken = true;
        socket.end();
      });
    }, 30);
  });
  const broken = new Error('the source broke');
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(100_000);
    throw broken;
  }
  const asked = ask({ method: 'PUT', headers: { 'content-length': '200000' }, body: body() });
  await assert.rejects(asked, broken);
  assert.ok(isTaken);
});

test('the other side has a second for that, and a caller that cancels does not wait for it', async (t) => {
  let text = '';
  const open = new Set<Socket>();
  // It goes on after it was told that nothing more comes.
  const server = createSilentServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket
      .on('error', () => {})
      .on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connections = opened(t);
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  const broken = new Error('the source broke');
  const body = (failed: () => void): AsyncIterable<Uint8Array> => ({
    async *[Symbol.asyncIterator]() {
      yield Buffer.alloc(10);
      await until(() => text.endsWith('\0'));
      text = '';
      setImmediate(failed);
      throw broken;
    },
  });
  const put = { origin, path: '/', method: 'PUT', headers: { 'content-length': '20' } } as const;
  const startedMs = performance.now();
  await assert.rejects(connections.exchange({ ...put, body: body(() => {}) }, unlimited()), broken);
  assert.ok(performance.now() - startedMs >= 900);
  const controller = new AbortController();
  const reason = new Error('the reason of the test');
  const limit = new Limit(controller.signal, null);
  await assert.rejects(
    connections.exchange({ ...put, body: body(() => controller.abort(reason)) }, limit),
    (error) => error === reason,
  );
});

for (const [count, why] of [
  [1, /more bytes than the 2/],
  [-1, /ended before the 2/],
] as const) {
  test(`a body of ${2 + count} bytes where 2 were announced is no request`, async (t) => {
    const { ask } = await serving(t, () => {});
    const body = Array.from({ length: 2 + count }, () => Buffer.from('a'));
    await assert.rejects(ask({ method: 'PUT', headers: { 'content-length': '2' }, body }), why);
  });
}

test('requests that wait go out in their order, also past a connection that broke', async (t) => {
  const seen: string[] = [];
  const { ask, server } = await serving(
    t,
    (socket, text) => {
      const path = text.split(' ')[1] ?? '';
      seen.push(path);
      if (path === '/3') socket.destroy();
      else setImmediate(() => socket.write(EMPTY));
    },
    { connections: 1 },
  );
  const paths = Array.from({ length: 10 }, (_, index) => `/${index}`);
  const ends = await Promise.allSettled(paths.map(async (path) => textOf((await ask({ path })).body)));
  assert.deepEqual(seen, paths);
  assert.deepEqual(
    ends.map(({ status }) => status),
    paths.map((path) => (path === '/3' ? 'rejected' : 'fulfilled')),
  );
  assert.equal(server.connectionCount(), 2);
});

test('where no connection can be made, every request that waits is told, and a cancelled one at once', async (t) => {
  const { ask, server } = await serving(t, () => {}, { connections: 1 });
  await server.close();
  const controller = new AbortController();
  const reason = new Error('the reason of the test');
  const all = [ask(), ask(), ask({}, new Limit(controller.signal, null)), ask()];
  controller.abort(reason);
  const ends = await Promise.allSettled(all);
  assert.deepEqual(
    ends.map((end) => end.status === 'rejected' && (end.reason === reason ? 'cancelled' : end.reason.name)),
    ['NothingSent', 'NothingSent', 'cancelled', 'NothingSent'],
  );
});

test('the time of a connection is bounded, and nothing was sent', async (t) => {
  const silent = createSilentServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, 'localhost', resolve));
  t.after(() => silent.close());
  const { port } = silent.address() as AddressInfo;
  const connections = opened(t, { connectTimeoutMs: 100 });
  const request = { path: '/', method: 'GET', headers: {}, body: null } as const;
  // It speaks no TLS: the handshake never ends.
  const asked = connections.exchange({ ...request, origin: `https://localhost:${port}` }, unlimited());
  await assert.rejects(asked, (error) => {
    assert.ok(error instanceof NothingSent);
    assert.equal(error.code, 'HTTP_CONNECT_TIMEOUT');
    return true;
  });
});

test('a certificate that no known root has signed is refused, and nothing was sent', async (t) => {
  const { ask, server } = await serving(t, (socket) => socket.write(EMPTY), { tls: stranger });
  await assert.rejects(ask(), (error) => {
    assert.ok(error instanceof NothingSent);
    assert.match(error.code ?? '', /^(DEPTH_ZERO_)?SELF_SIGNED|UNABLE_TO/);
    return true;
  });
  assert.equal(server.text(), '');
});

test('a certificate for another name is refused', async (t) => {
  const { ask, server } = await serving(t, (socket) => socket.write(EMPTY), { tls: certificate });
  const { port } = new URL(server.origin);
  await assert.rejects(ask({ origin: `https://ip6-localhost:${port}` }), NothingSent);
  await assert.rejects(ask({ origin: `https://127.0.0.1:${port}` }), NothingSent);
  assert.equal((await ask()).status, 200);
});

test('a further TLS connection takes up the session of the first', async (t) => {
  const reused: boolean[] = [];
  const { ask } = await serving(
    t,
    (socket) => {
      reused.push(
        'isSessionReused' in socket && (socket as { isSessionReused(): boolean }).isSessionReused(),
      );
      socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    },
    { tls: certificate },
  );
  for (let count = 0; count < 3; count += 1) await textOf((await ask()).body);
  assert.deepEqual(reused, [false, true, true]);
});

test('an address of IPv6 stands in brackets', async (t) => {
  let seen = '';
  const server = createSilentServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      seen = chunk.toString();
      socket.write(EMPTY);
    });
  });
  server.on('error', () => {});
  await new Promise<void>((resolve, reject) => server.listen(0, '::1', resolve).once('error', reject));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const request = { path: '/', method: 'GET', headers: {}, body: null } as const;
  await opened(t).exchange({ ...request, origin: `http://[::1]:${port}` }, unlimited());
  assert.match(seen, new RegExp(`\r\nhost: \\[::1\\]:${port}\r\n`));
});

test('an idle connection ends after its time, and sooner where the other side says so', async (t) => {
  const { ask, server } = await serving(
    t,
    (socket, text) =>
      socket.write(
        text.includes('/hint') ? EMPTY.replace('\r\n\r\n', '\r\nKeep-Alive: timeout=2\r\n\r\n') : EMPTY,
      ),
    { keepAliveMs: 50 },
  );
  await ask();
  await until(() => server.openCount() === 0);
  await ask({ path: '/hint' });
  await until(() => server.openCount() === 0);
  assert.equal(server.connectionCount(), 2);
});

test('an idle connection whose time is over is not used, although nothing of the loop ran since', async (t) => {
  const { ask, server } = await serving(t, (socket) => socket.write(EMPTY), { keepAliveMs: 20 });
  await ask();
  const endsAtMs = performance.now() + 40;
  while (performance.now() < endsAtMs);
  await ask();
  assert.equal(server.connectionCount(), 2);
});

for (const tls of [null, certificate]) {
  test(`all that came of a large body is read before it is told that it broke off (${tls === null ? 'plain' : 'TLS'})`, async (t) => {
    const { ask, server } = await serving(
      t,
      (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${LARGE_BYTES}\r\n\r\n`);
        socket.write(Buffer.alloc(300_000), () => socket.end());
      },
      { tls },
    );
    const { body } = await ask();
    await until(() => server.openCount() === 0);
    let readBytes = 0;
    const reading = async (): Promise<void> => {
      for await (const piece of body) readBytes += piece.length;
    };
    await assert.rejects(reading(), { code: 'HTTP_CONNECTION_ENDED' });
    assert.equal(readBytes, 300_000);
    await assert.rejects(body.next(), { code: 'HTTP_CONNECTION_ENDED' });
  });
}

/** Ends a request at each of its moments; the reason is the caller's, and the connection serves nobody else. */
for (const [moment, path, cancelWhen] of [
  ['before it is sent', '/silent', 'at once'],
  ['while its answer is awaited', '/silent', 'seen'],
  ['while a small body comes', '/small', 'answered'],
  ['while a large body comes', '/large', 'answered'],
  ['while a large body is read', '/large', 'read'],
] as const) {
  for (const tls of [null, certificate]) {
    test(`a request cancelled ${moment} ends by the reason of its caller (${tls === null ? 'plain' : 'TLS'})`, async (t) => {
      const { ask, server } = await serving(
        t,
        (socket, text) => {
          if (text.includes('/small')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx');
          else if (text.includes('/large')) {
            socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${LARGE_BYTES}\r\n\r\n`);
            socket.write(Buffer.alloc(LARGE_BYTES / 2));
          } else if (!text.includes('/silent')) socket.write(EMPTY);
        },
        { tls, connections: 1 },
      );
      const controller = new AbortController();
      const reason = new Error('the reason of the test');
      const whole = async (): Promise<void> => {
        const { body } = await ask({ path }, new Limit(controller.signal, null));
        if (cancelWhen === 'read') await body.next();
        if (cancelWhen !== 'seen') setImmediate(() => controller.abort(reason));
        for await (const _ of body);
      };
      const running = assert.rejects(whole(), (error) => error === reason);
      if (cancelWhen === 'at once') controller.abort(reason);
      if (cancelWhen === 'seen')
        await until(() => server.text().includes(path)).then(() => controller.abort(reason));
      await running;
      assert.equal((await ask()).status, 200);
    });
  }
}
