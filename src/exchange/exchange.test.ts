import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { Agent } from 'undici';
import { exchange, type ExchangeRequest } from './exchange.ts';
import { Limit } from './limit.ts';

const NEVER = new AbortController().signal;

/** A server that answers every request with `respond`, and the requests of an agent to it. */
async function serving(
  t: TestContext,
  respond: (socket: Socket, request: string) => void,
): Promise<{ readonly agent: Agent; readonly request: ExchangeRequest; readonly connections: () => number }> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => respond(socket, chunk.toString('latin1')));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new Agent({ connections: 1, pipelining: 1, allowH2: false });
  t.after(async () => {
    await agent.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const request = {
    origin: `http://127.0.0.1:${port}`,
    path: '/a%2Fb?c=d',
    method: 'GET',
    headers: { 'x-a': '1' },
    body: null,
  } as const;
  return { agent, request, connections: () => connections };
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test('the request is sent as it is, and the answer comes with its head and its body', async (t) => {
  let seen = '';
  const { agent, request } = await serving(t, (socket, text) => {
    seen = text;
    socket.write(
      'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 206 Some\r\nX-B: 2\r\ncontent-length: 5\r\n\r\nhe',
    );
    socket.write('llo');
  });
  const answer = await exchange(agent, request, new Limit(NEVER, null));
  assert.equal(answer.status, 206);
  assert.equal(answer.headers['x-b'], '2');
  assert.equal(await textOf(answer.body), 'hello');
  assert.match(seen, /^GET \/a%2Fb\?c=d HTTP\/1\.1\r\n/);
  assert.match(seen, /\r\nx-a: 1\r\n/);
});

test('a connection is used again after a body was read, after a HEAD, and after a short rest was dropped', async (t) => {
  const { agent, request, connections } = await serving(t, (socket, text) => {
    const body = text.startsWith('HEAD') ? '' : 'hello';
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n${body}`);
  });
  await textOf((await exchange(agent, request, new Limit(NEVER, null))).body);
  await textOf((await exchange(agent, { ...request, method: 'HEAD' }, new Limit(NEVER, null))).body);
  (await exchange(agent, request, new Limit(NEVER, null))).body.drop(1_000);
  await textOf((await exchange(agent, request, new Limit(NEVER, null))).body);
  assert.equal(connections(), 1);
});

test('a body that breaks off rejects with the reason of the connection', async (t) => {
  const { agent, request } = await serving(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello');
    setImmediate(() => socket.destroy());
  });
  const { body } = await exchange(agent, request, new Limit(NEVER, null));
  await assert.rejects(textOf(body), { code: 'UND_ERR_SOCKET' });
});

test("the caller's signal ends a request without an answer, and a body that comes, by its own reason", async (t) => {
  const { agent, request } = await serving(t, (socket, text) => {
    if (text.includes('silent')) return;
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello');
  });
  const reason = new Error('enough');
  const silent = new AbortController();
  const first = exchange(agent, { ...request, path: '/silent' }, new Limit(silent.signal, null));
  setImmediate(() => silent.abort(reason));
  await assert.rejects(first, reason);
  const stopping = new AbortController();
  const { body } = await exchange(agent, request, new Limit(stopping.signal, null));
  await body.next();
  stopping.abort(reason);
  await assert.rejects(body.next(), reason);
});

test('a request that waits for a connection ends with its deadline, and is not sent afterwards', async (t) => {
  const seen: string[] = [];
  let answer = (): void => {};
  const { promise: arrived, resolve: tellArrived } = Promise.withResolvers<void>();
  const { agent, request } = await serving(t, (socket, text) => {
    seen.push(text.split(' ')[1] ?? '');
    answer = () => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    tellArrived();
    if (text.includes('/third')) answer();
  });
  const first = exchange(agent, { ...request, path: '/first' }, new Limit(NEVER, null));
  await arrived;
  const limit = new Limit(NEVER, 20);
  await assert.rejects(exchange(agent, { ...request, path: '/second' }, limit), /deadline/);
  assert.ok(limit.isOver);
  answer();
  await textOf((await first).body);
  await textOf((await exchange(agent, { ...request, path: '/third' }, new Limit(NEVER, null))).body);
  assert.deepEqual(seen, ['/first', '/third']);
});

test('a promise is raced against the limit', async () => {
  const stopping = new AbortController();
  const limit = new Limit(stopping.signal, 60_000);
  assert.equal(await limit.race(Promise.resolve(7)), 7);
  const reason = new Error('enough');
  const raced = limit.race(new Promise(() => {}));
  stopping.abort(reason);
  await assert.rejects(raced, reason);
  await assert.rejects(limit.race(Promise.resolve(7)), reason);
  limit.end();
});
