// Requests through proxies: that they go there, with their user, and come back whole; and what goes past them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Limit } from '../../src/exchange/limit.ts';
import { openConnections } from '../../src/exchange/open-connections.ts';
import { NothingSent } from '../../src/exchange/exchange-error.ts';
import {
  CONNECTION_OPTIONS,
  startSocketServer,
  textOf,
  trustedCertificate,
} from '../contract/connections-fixture.ts';

const certificate = trustedCertificate();
const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';

interface TestProxy {
  readonly address: string;
  /** What was asked of it: a method and where to, and the user. */
  readonly asked: string[];
}

/** Tunnels and forwards, for whoever comes as `user`. */
async function startProxy(context: TestContext): Promise<TestProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const note = ({ method, url, headers }: IncomingMessage): void => {
    const [, user = ''] = (headers['proxy-authorization'] ?? '').split(' ');
    asked.push(`${method} ${url} by ${Buffer.from(user, 'base64').toString()}`);
  };
  const server = createServer((request, response) => {
    note(request);
    response.end('hello');
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.on('connect', (request, client: Socket) => {
    note(request);
    const [, port] = (request.url ?? '').split(':');
    const upstream = connect(Number(port), 'localhost', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    for (const socket of [upstream, client]) socket.on('error', () => {});
    sockets.add(upstream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { address: `http://user:pass@127.0.0.1:${(server.address() as AddressInfo).port}/`, asked };
}

async function get(
  context: TestContext,
  origin: string,
  proxies: { readonly forHttp: string; readonly forHttps: string; readonly except: string },
): Promise<string> {
  const connections = openConnections(proxies, CONNECTION_OPTIONS);
  context.after(() => connections.close());
  const limit = new Limit(new AbortController().signal, 5_000);
  const request = { origin, path: '/a', method: 'GET' as const, headers: {}, body: null };
  try {
    const answer = await connections.exchange(request, limit);
    return `${answer.status} ${await textOf(answer.body)}`;
  } finally {
    limit.end();
  }
}

test('a request over TLS goes through a tunnel of the proxy, which gets its user; the certificate is still checked', async (t) => {
  const server = await startSocketServer((socket) => void socket.write(ANSWER), certificate);
  t.after(() => server.close());
  const proxy = await startProxy(t);
  const { host } = new URL(server.origin);
  assert.equal(
    await get(t, server.origin, { forHttp: '', forHttps: proxy.address, except: '' }),
    '200 hello',
  );
  assert.deepEqual(proxy.asked, [`CONNECT ${host} by user:pass`]);
  assert.match(server.text(), /^GET \/a HTTP\/1\.1/);
  assert.doesNotMatch(server.text(), /proxy-authorization/i, 'the user is the proxy’s alone');
  const other = server.origin.replace('localhost', '127.0.0.1');
  await assert.rejects(
    get(t, other, { forHttp: '', forHttps: proxy.address, except: '' }),
    /not in the cert|altnames/i,
  );
});

test('a plain request is handed to the proxy', async (t) => {
  const proxy = await startProxy(t);
  assert.equal(
    await get(t, 'http://store.invalid:8080', { forHttp: proxy.address, forHttps: '', except: '' }),
    '200 hello',
  );
  assert.equal(proxy.asked.length, 1);
  assert.match(proxy.asked[0] ?? '', /store\.invalid:8080/);
});

test('hosts that are excepted are gone to directly, and so is everything of a kind that has no proxy', async (t) => {
  const plain = await startSocketServer((socket) => void socket.write(ANSWER));
  t.after(() => plain.close());
  const proxy = await startProxy(t);
  for (const proxies of [
    { forHttp: proxy.address, forHttps: '', except: 'other.example.com,127.0.0.1' },
    { forHttp: '', forHttps: proxy.address, except: '' },
  ])
    assert.equal(await get(t, plain.origin, proxies), '200 hello');
  assert.deepEqual(proxy.asked, []);
});

test('a proxy that is not there is an error, and nothing goes past it', async (t) => {
  const server = await startSocketServer((socket) => void socket.write(ANSWER), certificate);
  t.after(() => server.close());
  await assert.rejects(
    get(t, server.origin, { forHttp: '', forHttps: 'http://127.0.0.1:9/', except: '' }),
    (error: Error) =>
      !(error instanceof TypeError) && (error instanceof NothingSent || /ECONNREFUSED/.test(String(error))),
  );
  assert.equal(server.connectionCount(), 0);
});
