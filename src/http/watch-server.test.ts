import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { test } from 'node:test';
import { openWatchServer, type WatchServerOptions } from './watch-server.ts';

const KEY = 'rpl_watch_key';

async function open(
  context: { after(run: () => Promise<void>): void },
  options: Partial<WatchServerOptions> = {},
): Promise<string> {
  const server = await openWatchServer({
    host: '127.0.0.1',
    port: 0,
    auth: 'loopback',
    apiKeys: [],
    isLoopbackOnly: true,
    trouble: () => null,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'replicator_up 1\n' }),
    ...options,
  });
  context.after(async () => server.close());
  return server.url;
}

test('health, readiness and metrics are told', async (context) => {
  let trouble: string | null = null;
  const url = await open(context, { trouble: () => trouble });
  const health = await fetch(`${url}/healthz`);
  assert.deepEqual([health.status, await health.json()], [200, { status: 'ok' }]);
  assert.equal((await fetch(`${url}/readyz`)).status, 200);
  trouble = 'the queue at https://queue.example.com/1/secret does not answer';
  const ready = await fetch(`${url}/readyz`);
  assert.deepEqual([ready.status, await ready.json()], [503, { ready: false }]);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  const metrics = await fetch(`${url}/metrics`);
  assert.equal(await metrics.text(), 'replicator_up 1\n');
  assert.equal(metrics.headers.get('content-type'), 'text/plain; version=0.0.4');
});

test('metrics need a key that may read where there are keys, health does not', async (context) => {
  const sha256 = createHash('sha256').update(KEY).digest('hex');
  const apiKeys = [
    { scope: 'read' as const, id: 'prometheus', sha256 },
    { scope: 'write' as const, id: 'lambda', sha256: createHash('sha256').update('other').digest('hex') },
  ];
  const url = await open(context, { auth: 'keys', apiKeys, isLoopbackOnly: false });
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  const statusWith = async (key: string | null): Promise<number> => {
    const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
    return (await fetch(`${url}/metrics`, { headers })).status;
  };
  assert.deepEqual(
    [await statusWith(null), await statusWith('other'), await statusWith(KEY)],
    [401, 403, 200],
  );
});

test('nothing else is there, and nothing but reading is answered', async (context) => {
  const url = await open(context);
  const missing = await fetch(`${url}/v1/transfers`);
  assert.equal(missing.status, 404);
  assert.equal(missing.headers.get('content-type'), 'application/problem+json');
  assert.equal(((await missing.json()) as { code: string }).code, 'not_found');
  const posted = await fetch(`${url}/healthz`, { method: 'POST', body: '{}' });
  assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET, HEAD']);
  const head = await fetch(`${url}/healthz`, { method: 'HEAD' });
  assert.deepEqual([head.status, await head.text()], [200, '']);
});

test('without keys a foreign name for this machine is refused', async (context) => {
  const url = new URL(await open(context));
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request(
      { host: url.hostname, port: url.port, path: '/metrics', headers: { host: 'evil.example.com' } },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      },
    )
      .on('error', reject)
      .end();
  });
  assert.equal(status, 421);
});
