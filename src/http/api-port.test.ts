// The port of the API on real sockets: it is had alone, takes many callers at once, and is closed without losing one.
import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { fastify } from 'fastify';
import { ApiPort } from './api-port.ts';

async function openPort(t: TestContext, handler: () => Promise<string> = async () => 'ok') {
  const app = fastify({ forceCloseConnections: 'idle', return503OnClosing: false });
  app.get('/', handler);
  const port = new ApiPort(app);
  t.after(async () => {
    port.cutConnections();
    await port.close();
  });
  const url = await port.open({ host: '127.0.0.1', port: 0 });
  return { port, url, number: Number(new URL(url).port) };
}

/** Over a connection of its own. */
async function get(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { agent: false }, (answer: IncomingMessage) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    request.on('error', reject);
    request.end();
  });
}

test('many new connections at once are all answered', async (t) => {
  const { url } = await openPort(t);
  const answers = await Promise.all(Array.from({ length: 300 }, async () => get(url)));
  assert.deepEqual(new Set(answers), new Set([200]));
});

test('a port that somebody has is refused, whether it is shared or not', async (t) => {
  const { number } = await openPort(t);
  const second = new ApiPort(fastify());
  await assert.rejects(second.open({ host: '127.0.0.1', port: number }), { code: 'EADDRINUSE' });
  await second.close();
  const plain = createServer();
  await assert.rejects(
    new Promise((resolve, reject) => {
      plain.once('error', reject);
      plain.listen({ host: '127.0.0.1', port: number }, () => resolve(null));
    }),
    { code: 'EADDRINUSE' },
  );
});

test('where a port cannot be shared, one socket takes all connections', async (t) => {
  const app = fastify();
  app.get('/', async () => 'ok');
  const listen = app.listen.bind(app);
  let asked = 0;
  const unable = {
    server: app.server,
    close: async () => app.close(),
    listen: async (place: object) => {
      asked += 1;
      if ('reusePort' in place) throw Object.assign(new Error('not here'), { code: 'ENOTSUP' });
      return listen(place);
    },
  };
  const port = new ApiPort(unable);
  t.after(async () => port.close());
  const url = await port.open({ host: '127.0.0.1', port: 0 });
  assert.deepEqual([asked, await get(url)], [2, 200]);
});

test('closing answers what is under way on every connection, ends idle ones, and then nobody is answered', async (t) => {
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  const { port, url } = await openPort(t, async () => {
    waiting += 1;
    await gate.promise;
    return 'late';
  });
  const underWay = Promise.all(Array.from({ length: 60 }, async () => get(url)));
  while (countOf() < 60) await new Promise((resolve) => setImmediate(resolve));
  let isClosed = false;
  const closed = port.close().then(() => (isClosed = true));
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isClosed, false, 'it waits for the answers');
  gate.resolve();
  assert.deepEqual(new Set(await underWay), new Set([200]));
  await closed;
  await assert.rejects(get(url), { code: 'ECONNREFUSED' });

  function countOf(): number {
    return waiting;
  }
});
