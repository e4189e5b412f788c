// Every scripted fault once over a real connection, and what the shell promises to stores.
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { type SandboxServer, startSandboxServer } from './http-server.ts';
import { ClientGone } from './request-stages.ts';
import type { FaultEffect } from './scripted-faults.ts';

let server: SandboxServer;
/** What the store saw: the request body's bytes so far, and whether it ended well. */
let seen: { bytes: Buffer; ended: boolean; gone: boolean };
let calls: number;

before(async () => {
  server = await startSandboxServer(async (request) => {
    calls += 1;
    try {
      for await (const chunk of request.body) seen.bytes = Buffer.concat([seen.bytes, chunk]);
      seen.ended = true;
    } catch (error) {
      seen.gone = error instanceof ClientGone;
      throw error;
    }
    if (request.rawPath === '/streamed')
      return { status: 200, headers: { 'content-length': 10 }, body: pieces('01234', '56789') };
    return { status: 200, headers: { 'x-path': request.rawPath }, body: '0123456789' };
  });
});

after(async () => server.close());

beforeEach(() => {
  server.faults.clear();
  seen = { bytes: Buffer.alloc(0), ended: false, gone: false };
  calls = 0;
});

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

interface Outcome {
  /** Null when the connection ended before any answer. */
  readonly status: number | null;
  readonly body: string;
  readonly whole: boolean;
  readonly headers: Record<string, unknown>;
}

/** Sends one request; gives up as soon as `enough` bytes of the answer arrived. */
async function send(options: { path?: string; body?: string; enough?: number } = {}): Promise<Outcome> {
  const { path = '/plain', body = '', enough = Infinity } = options;
  return new Promise((resolve) => {
    const sent = httpRequest(
      server.url + path,
      { method: 'PUT', agent: false, headers: { 'content-length': Buffer.byteLength(body) } },
      (answer) => {
        let received = '';
        const finish = (whole: boolean): void =>
          resolve({ status: answer.statusCode ?? 0, body: received, whole, headers: answer.headers });
        answer.setEncoding('latin1');
        answer.on('data', (chunk: string) => {
          received += chunk;
          if (received.length >= enough) {
            finish(false);
            sent.destroy();
          }
        });
        answer.on('end', () => finish(true));
        answer.on('error', () => finish(false));
      },
    );
    sent.on('error', () => resolve({ status: null, body: '', whole: false, headers: {} }));
    sent.end(body);
  });
}

function script(effect: FaultEffect): void {
  server.faults.add({ match: { method: 'PUT' }, effect });
}

for (const path of ['/plain', '/streamed']) {
  test(`without a fault ${path} answers whole`, async () => {
    const outcome = await send({ path, body: 'sent' });
    assert.deepEqual([outcome.status, outcome.body, outcome.whole], [200, '0123456789', true]);
    assert.equal(seen.bytes.toString(), 'sent');
  });

  for (const afterBytes of [0, 3, 7])
    test(`cut_response ends ${path} after exactly ${afterBytes} bytes`, async () => {
      script({ kind: 'cut_response', afterBytes });
      const outcome = await send({ path });
      assert.deepEqual(
        [outcome.status, outcome.body, outcome.whole],
        [200, '0123456789'.slice(0, afterBytes), false],
      );
    });

  test(`stall_response sends the first bytes of ${path} and keeps the connection open`, async () => {
    script({ kind: 'stall_response', afterBytes: 7 });
    const outcome = await send({ path, enough: 7 });
    assert.deepEqual([outcome.body, outcome.whole], ['0123456', false]);
  });

  test(`corrupt_response flips one bit of ${path}`, async () => {
    script({ kind: 'corrupt_response', atByte: 6 });
    const outcome = await send({ path });
    assert.deepEqual([outcome.body, outcome.whole], ['0123457789', true]);
  });

  test(`lose_answer does the work of ${path} and says nothing`, async () => {
    script({ kind: 'lose_answer' });
    const outcome = await send({ path, body: 'sent' });
    assert.deepEqual([outcome.status, seen.ended], [null, true]);
  });

  test(`replace_answer does the work of ${path} and says something else`, async () => {
    script({ kind: 'replace_answer', status: 500, body: 'oops' });
    const outcome = await send({ path, body: 'sent' });
    assert.deepEqual([outcome.status, outcome.body, seen.ended], [500, 'oops', true]);
  });
}

test('status answers at once and the store does nothing', async () => {
  script({ kind: 'status', status: 503, body: 'slow down', headers: { 'retry-after': '1' } });
  const outcome = await send({ body: 'sent' });
  assert.deepEqual([outcome.status, outcome.body, outcome.headers['retry-after']], [503, 'slow down', '1']);
  assert.equal(calls, 0);
});

test('cut_request leaves the store with the first bytes and the client without an answer', async () => {
  script({ kind: 'cut_request', afterBytes: 2 });
  const outcome = await send({ body: 'sent' });
  assert.deepEqual([outcome.status, seen.bytes.toString(), seen.gone], [null, 'se', true]);
});

test('stall_request reads the first bytes and then nothing, until the client gives up', async () => {
  script({ kind: 'stall_request', afterBytes: 2 });
  const body = 'x'.repeat(100);
  const sent = httpRequest(`${server.url}/plain`, {
    method: 'PUT',
    agent: false,
    headers: { 'content-length': body.length },
  });
  const ended = new Promise<void>((resolve) => {
    sent.on('error', () => resolve());
    sent.on('close', resolve);
  });
  sent.write(body.slice(0, 50));
  while (seen.bytes.length < 2) await new Promise((resolve) => setImmediate(resolve));
  sent.destroy();
  await ended;
  while (!seen.gone) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([seen.bytes.toString(), seen.ended], ['xx', false]);
});

test('corrupt_request flips one bit before the store sees it', async () => {
  script({ kind: 'corrupt_request', atByte: 1 });
  await send({ body: 'sent' });
  assert.equal(seen.bytes.toString(), 'sdnt');
});

test('latency delays everything, and closing the server does not wait for it', async () => {
  script({ kind: 'latency', ms: 30 });
  const startedMs = performance.now();
  assert.equal((await send()).status, 200);
  assert.ok(performance.now() - startedMs >= 29);
  const other = await startSandboxServer(async () => ({ status: 200 }));
  other.faults.add({ match: {}, effect: { kind: 'latency', ms: 3_600_000 } });
  const hung = new Promise<void>((resolve) => {
    const sent = httpRequest(other.url, { agent: false });
    sent.on('error', () => resolve());
    sent.end();
  });
  while (other.requestCount === 0) await new Promise((resolve) => setImmediate(resolve));
  await other.close();
  await hung;
});

test('a fault skips, hits a number of times, matches by header, and is pending until then', async () => {
  server.faults.add({
    match: { path: '/plain', header: { name: 'content-length', contains: '4' } },
    effect: { kind: 'status', status: 503 },
    skip: 1,
    times: 2,
  });
  assert.equal(server.faults.pending, 2);
  const statuses: (number | null)[] = [];
  for (const body of ['four', 'sixsix', 'four', 'four', 'four']) statuses.push((await send({ body })).status);
  assert.deepEqual(statuses, [200, 200, 503, 503, 200]);
  assert.equal(server.faults.pending, 0);
});

test('paths reach the store exactly as sent', async () => {
  const path = '/a/../b//%2e%2e/%00';
  const outcome = await new Promise<unknown>((resolve, reject) => {
    const { port } = new URL(server.url);
    const sent = httpRequest({ host: '127.0.0.1', port, path, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.headers['x-path']);
    });
    sent.on('error', reject);
    sent.end();
  });
  assert.equal(outcome, path);
  assert.equal(server.requests.at(-1), `GET ${path}`);
});

test('a store that answers without reading the body keeps the connection usable', async () => {
  const early = await startSandboxServer(async (request) => {
    for await (const chunk of request.body) {
      assert.ok(chunk.length > 0);
      break;
    }
    return { status: 400, body: 'no' };
  });
  const { Agent } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const statuses: number[] = [];
  for (let index = 0; index < 2; index += 1)
    statuses.push(
      await new Promise<number>((resolve, reject) => {
        const sent = httpRequest(early.url, { method: 'PUT', agent }, (answer) => {
          answer.resume();
          answer.on('end', () => resolve(answer.statusCode ?? 0));
        });
        sent.on('error', reject);
        sent.end(Buffer.alloc(2_000_000));
      }),
    );
  agent.destroy();
  await early.close();
  assert.deepEqual(statuses, [400, 400]);
});

test('the list of requests keeps the newest ten thousand and counts all', async () => {
  const counting = await startSandboxServer(async () => ({ status: 204 }));
  const { Agent } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const send1 = async (index: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const sent = httpRequest(`${counting.url}/${index}`, { agent }, (answer) => {
        answer.resume();
        answer.on('end', resolve);
      });
      sent.on('error', reject);
      sent.end();
    });
  for (let index = 0; index < 10_008; index += 8)
    await Promise.all(Array.from({ length: 8 }, async (_, offset) => send1(index + offset)));
  agent.destroy();
  await counting.close();
  assert.deepEqual([counting.requests.length, counting.requestCount], [10_000, 10_008]);
});

test('an answer that trickles comes byte by byte after its start', async () => {
  script({ kind: 'trickle_response', afterBytes: 4, bytesPerSec: 100 });
  const outcome = await send({ enough: 6 });
  assert.deepEqual([outcome.status, outcome.body], [200, '012345']);
});

test('an edited answer is sent as it stands: other bytes, another status, no length', async () => {
  for (const path of ['/plain', '/streamed']) {
    script({
      kind: 'edit_answer',
      edit: ({ headers, body }) => {
        const { 'content-length': length, ...others } = headers;
        return { status: 203, headers: { ...others, 'x-length': length ?? '' }, body: body.subarray(0, 3) };
      },
    });
    const outcome = await send({ path });
    assert.deepEqual([outcome.status, outcome.body, outcome.whole], [203, '012', true]);
    assert.equal(outcome.headers['x-length'], '10');
    assert.equal(outcome.headers['content-length'], undefined);
  }
});

test('what happens meanwhile has happened when the store sees the request', async () => {
  const order: string[] = [];
  script({
    kind: 'meanwhile',
    run: async () => {
      await Promise.resolve();
      order.push(`meanwhile, after ${calls} calls`);
    },
  });
  assert.equal((await send()).body, '0123456789');
  assert.deepEqual(order, ['meanwhile, after 0 calls']);
});
