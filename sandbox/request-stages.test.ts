import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { type SandboxServer, startSandboxServer } from './http-server.ts';
import { ClientGone, type WatchedRequest } from './request-stages.ts';

/** A store of one value: what was put last. */
async function startStore(): Promise<{ server: SandboxServer; value: () => string }> {
  let value = '';
  const server = await startSandboxServer(async ({ method, body }) => {
    if (method === 'PUT') {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      value = Buffer.concat(chunks).toString();
    }
    return { status: 200, headers: { 'content-length': value.length }, body: pieces(value) };
  });
  return { server, value: () => value };
}

async function* pieces(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

test('a watcher is told of every stage of a request, in their order', async () => {
  const { server } = await startStore();
  const seen: WatchedRequest[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = server.watch((event) => {
    seen.push(event);
    if (event.stage === 'answered') resolve();
  });
  await (await fetch(`${server.url}/a%20b`, { method: 'PUT', body: 'four' })).text();
  await promise;
  assert.deepEqual(
    seen.map(({ stage, method, rawUrl, bytes }) => [stage, method, rawUrl, bytes]),
    [
      ['arrived', 'PUT', '/a%20b', 0],
      ['receiving', 'PUT', '/a%20b', 4],
      ['done', 'PUT', '/a%20b', 0],
      ['sending', 'PUT', '/a%20b', 4],
      ['answered', 'PUT', '/a%20b', 0],
    ],
  );
  end();
  await (await fetch(server.url)).text();
  assert.equal(seen.length, 5);
  await server.close();
});

test('a request that a watcher cuts before its effect has none; cut after it, it has its effect and no answer', async () => {
  const { server, value } = await startStore();
  for (const [stage, expected] of [
    ['arrived', ''],
    ['receiving', ''],
    ['done', 'receiving'],
  ] as const) {
    const end = server.watch((event) => {
      if (event.stage === stage) throw new ClientGone('cut');
    });
    await assert.rejects(fetch(server.url, { method: 'PUT', body: stage === 'done' ? 'receiving' : stage }));
    assert.equal(value(), expected);
    end();
  }
  await server.close();
});

test('a request that is held when its client dies still has its effect once it is let go', async () => {
  const { server, value } = await startStore();
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  server.watch(async ({ stage }) => {
    if (stage === 'done') done.resolve();
    if (stage !== 'receiving') return;
    held.resolve();
    await release.promise;
  });
  const client = request(server.url, { method: 'PUT', headers: { 'content-length': 4 } });
  const gone = new Promise((resolve) => client.on('close', resolve));
  client.on('error', () => {});
  client.end('late');
  await held.promise;
  client.destroy();
  await gone;
  assert.equal(value(), '');
  release.resolve();
  await done.promise;
  assert.equal(value(), 'late');
  await server.close();
});
