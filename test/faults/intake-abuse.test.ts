// What strangers and broken senders do to the intake, over real sockets: slow, huge, deep, packed, doubled, too many.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { CallerQuota } from '../../src/replication/caller-quota.ts';
import { openTestApi, type TestApi } from '../../src/http/testing/open-test-api.ts';
import { ManualClock } from '../contract/manual-clock.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const POST_EVENTS = 'POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

interface OpenSocket {
  readonly socket: Socket;
  /** What came until the connection was closed. */
  readonly answer: Promise<string>;
}

function openSocket(t: TestContext, api: TestApi): OpenSocket {
  const socket = connect(api.port, '127.0.0.1');
  t.after(() => socket.destroy());
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => (text += chunk));
  socket.on('error', () => {});
  const answer = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  return { socket, answer };
}

/** Sends these bytes and answers with what came until the connection was closed. */
async function sendRaw(t: TestContext, api: TestApi, bytes: string): Promise<string> {
  const { socket, answer } = openSocket(t, api);
  socket.write(bytes);
  return answer;
}

async function keysIn(api: TestApi): Promise<string[]> {
  const keys: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await api.queue.list({ filter: {}, cursor, limit: 500 });
    keys.push(...page.transfers.map(({ source }) => source.key));
    cursor = page.nextCursor;
  } while (cursor !== null);
  return keys.sort();
}

test('many callers that dribble headers and bodies are cut off in time, and others are answered meanwhile', async (t) => {
  const api = await openTestApi(t, { limits: { requestTimeoutMs: 500 } });
  const slow = Array.from({ length: 50 }, (_, index) => {
    const open = openSocket(t, api);
    open.socket.write(
      index % 2 === 0 ? 'POST /v1/events HTT' : `${POST_EVENTS}Content-Length: 5000\r\n\r\n{`,
    );
    // Bytes keep coming, one at a time: it is the whole that has to arrive in time.
    const dribble = setInterval(() => open.socket.write('x'), 50);
    open.socket.once('close', () => clearInterval(dribble));
    return open;
  });
  let servedCount = 0;
  const answers = Promise.all(slow.map(async ({ answer }) => answer));
  while (slow.some(({ socket }) => !socket.closed)) {
    const json = { bucket: 'photos', key: `k${servedCount}` };
    assert.equal((await api.call('POST', '/v1/replicate', { json })).status, 202);
    servedCount += 1;
  }
  for (const answer of await answers) assert.match(answer, /^HTTP\/1\.1 4(08|00) /);
  assert.ok(servedCount > 0);
});

test('one address has half of all connections at most, and gets one back for each that it closes', async (t) => {
  const api = await openTestApi(t, { limits: { connections: 40 } });
  const sockets = Array.from({ length: 30 }, () => openSocket(t, api));
  const closedCount = (): number => sockets.filter(({ socket }) => socket.closed).length;
  while (closedCount() < 10) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await count(api), 20);
  sockets.find(({ socket }) => !socket.closed)?.socket.destroy();
  while ((await count(api)) > 19) await new Promise((resolve) => setImmediate(resolve));
  const { socket } = openSocket(t, api);
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [string];
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.equal(closedCount(), 11, 'all others stayed open');
});

async function count(api: TestApi): Promise<number> {
  return new Promise((resolve, reject) => {
    api.app.server.getConnections((error, found) => (error === null ? resolve(found) : reject(error)));
  });
}

test('a body of a gigabyte is refused before a byte of it is sent, and soon where it was not announced', async (t) => {
  const api = await openTestApi(t);
  const announced = await sendRaw(
    t,
    api,
    `${POST_EVENTS}Content-Length: ${2 ** 30}\r\nConnection: close\r\n\r\n`,
  );
  assert.match(announced, /^HTTP\/1\.1 413 /);
  const { socket, answer } = openSocket(t, api);
  socket.write(`${POST_EVENTS}Transfer-Encoding: chunked\r\n\r\n`);
  const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`;
  let sentBytes = 0;
  while (!socket.destroyed && sentBytes < 2 ** 30) {
    sentBytes += 65_536;
    if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), answer]).catch(() => {});
  }
  assert.match(await answer, /^(HTTP\/1\.1 413 |$)/);
  assert.ok(sentBytes < 64 * 2 ** 20, `${sentBytes} bytes were taken`);
  assert.ok(api.log.some(({ facts }) => facts['code'] === 'body_too_large'));
  assert.deepEqual(await keysIn(api), []);
});

test('a million records, and JSON as deep as the body is long, are refused whole', async (t) => {
  const api = await openTestApi(t);
  const million = `{"Records":[${'0,'.repeat(999_999)}0]}`;
  const answers = [
    [await api.call('POST', '/v1/events', { body: million, headers: JSON_TYPE }), 'too_many_records'],
    [await api.call('POST', '/v1/events', { body: '['.repeat(8_000_000), headers: JSON_TYPE }), 'too_deep'],
    [
      await api.call('POST', '/v1/replicate', { body: '{"a":'.repeat(200_000), headers: JSON_TYPE }),
      'too_deep',
    ],
  ] as const;
  for (const [answer, code] of answers) assert.deepEqual([answer.status, answer.json?.['code']], [413, code]);
  const { quarantined, byStatus } = await api.queue.counts();
  assert.deepEqual([quarantined, byStatus.queued], [0, 0]);
});

test('a packed body that would unfold to a hundred megabytes is refused as it is, whatever it is called', async (t) => {
  const api = await openTestApi(t);
  const large = Buffer.alloc(100 * 2 ** 20, ' ');
  for (const [encoding, body] of [
    ['gzip', gzipSync(large)],
    ['deflate', deflateSync(large)],
    ['br', brotliCompressSync(large.subarray(0, 2 ** 20))],
    ['x-gzip', gzipSync('{}')],
    ['identity, gzip', gzipSync('{}')],
  ] as const) {
    const request = { body: Uint8Array.from(body), headers: { ...JSON_TYPE, 'content-encoding': encoding } };
    const answer = await api.call('POST', '/v1/events', request);
    assert.deepEqual([answer.status, answer.json?.['code']], [415, 'unsupported_encoding'], encoding);
  }
  const undeclared = { body: Uint8Array.from(gzipSync(large)), headers: JSON_TYPE };
  assert.equal(
    (await api.call('POST', '/v1/events', undeclared)).status,
    400,
    'it is no JSON, and stays packed',
  );
});

function apiKey(id: string) {
  const sha256 = createHash('sha256').update(id).digest('hex');
  return { entry: { scope: 'write', id, sha256 } as const, headers: { authorization: `Bearer ${id}` } };
}

test('a caller that floods gets 429 and a time, others are served, and what was accepted is kept', async (t) => {
  const clock = new ManualClock();
  const [flood, other] = [apiKey('flood'), apiKey('other')];
  const api = await openTestApi(t, {
    auth: 'keys',
    apiKeys: [flood.entry, other.entry],
    quota: new CallerQuota(15, clock),
  });
  const post = async (key: string, { headers } = flood) =>
    api.call('POST', '/v1/replicate', { json: { bucket: 'photos', key }, headers });
  const accepted: string[] = [];
  let refusedCount = 0;
  const ask = async (key: string): Promise<void> => {
    const answer = await post(key);
    if (answer.status === 202) accepted.push(key);
    else {
      refusedCount += 1;
      assert.deepEqual([answer.status, answer.json?.['code']], [429, 'rate_limited']);
      assert.equal(answer.headers.get('retry-after'), '1');
    }
  };
  // Twenty at once: more could be refused because the process does not keep up, before the quota is asked.
  for (let begin = 0; begin < 400; begin += 20)
    await Promise.all(Array.from({ length: 20 }, (_, index) => ask(`k${begin + index}`)));
  // Twenty seconds of what may come each second were saved.
  assert.deepEqual([accepted.length, refusedCount], [300, 100]);
  assert.deepEqual(await keysIn(api), accepted.toSorted());
  assert.equal((await post('calm', other)).status, 202);
  while ((await post('later')).status !== 202) clock.advance(1_000);
  assert.deepEqual(
    api.log.filter(({ message }) => message !== 'overload begins'),
    [],
    'A line for each refused request would be a flood of its own',
  );
});

test('a large document puts its caller into debt and is taken whole', async (t) => {
  const { entry, headers } = apiKey('batch');
  const clock = new ManualClock();
  const quota = new CallerQuota(10, clock);
  const api = await openTestApi(t, { auth: 'keys', apiKeys: [entry], quota });
  const Records = Array.from({ length: 2_000 }, (_, index) => ({
    eventSource: 'aws:s3',
    eventName: 'ObjectCreated:Put',
    s3: { bucket: { name: 'photos' }, object: { key: `k${index}` } },
  }));
  const first = await api.call('POST', '/v1/events', { json: { Records }, headers });
  assert.deepEqual([first.status, first.json?.['accepted']], [202, 2_000]);
  const next = await api.call('POST', '/v1/events', { json: { Records: [] }, headers });
  assert.deepEqual([next.status, next.headers.get('retry-after')], [429, '181']);
});

test('names of prototypes, doubled names, numbers that are none and numbers beyond all sizes harm nothing', async (t) => {
  const api = await openTestApi(t);
  const replicate = async (body: string) => api.call('POST', '/v1/replicate', { body, headers: JSON_TYPE });
  for (const body of [
    '{"bucket":"photos","key":"a","__proto__":{"polluted":1}}',
    '{"bucket":"photos","key":"a","constructor":{"prototype":{"polluted":1}}}',
    '{"bucket":"photos","key":1e400}',
    '{"bucket":"photos","key":"a","key":7}',
    '{"bucket":"photos","key":"a","versionId":12345678901234567890}',
  ])
    assert.equal((await replicate(body)).json?.['code'], 'invalid_request', body);
  for (const body of ['{"bucket":"photos","key":NaN}', '{"bucket":"photos","key":Infinity}', '{"key":0x1}'])
    assert.equal((await replicate(body)).json?.['code'], 'invalid_json', body);
  assert.equal((await replicate('{"bucket":"nowhere","bucket":"photos","key":"last of two"}')).status, 202);

  const record = (size: string): string =>
    `{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","__proto__":{"polluted":1},
      "s3":{"bucket":{"name":"photos"},"object":{"key":"size+${size}","size":${size}}}}`;
  const sizes = ['9007199254740993', '1e400', '-1', '1.5', '"12"', '12'];
  const body = `{"Records":[${sizes.map(record).join()}]}`;
  const answer = await api.call('POST', '/v1/events', {
    body: body.replaceAll('size+"12"', 'size+text'),
    headers: JSON_TYPE,
  });
  assert.deepEqual([answer.status, answer.json?.['accepted'], answer.json?.['quarantined']], [202, 6, 0]);
  const { transfers } = await api.queue.list({ filter: {}, cursor: null, limit: 10 });
  const told = transfers.filter(({ sizeBytes }) => sizeBytes !== null);
  assert.deepEqual(
    told.map(({ source, sizeBytes }) => [source.key, sizeBytes]),
    [['size 12', 12]],
    'a size that cannot be one is no hint',
  );
  assert.equal(Reflect.get({}, 'polluted'), undefined);
});

test('two lengths, a length beside chunks, and doubled headers that decide are 400, and nothing is taken', async (t) => {
  const api = await openTestApi(t);
  const body = '{"bucket":"photos","key":"a"}';
  const post = 'POST /v1/replicate HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\n';
  const length = `Content-Length: ${body.length}\r\n`;
  const host = 'Host: localhost\r\n';
  for (const bytes of [
    `${post}${host}${length}Transfer-Encoding: chunked\r\n\r\n1d\r\n${body}\r\n0\r\n\r\n`,
    `${post}${host}Transfer-Encoding: chunked\r\n${length}\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
    `${post}${host}${length}Content-Length: 5\r\n\r\n${body}`,
    `${post}${host}${length}${length}\r\n${body}`,
    `${post}${host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    `${post}${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    `${post}${host}Host: other\r\n${length}\r\n${body}`,
    `${post}${host}Content-Type: text/plain\r\n${length}\r\n${body}`,
    `${post}${host}Authorization: Bearer a\r\nAuthorization: Bearer b\r\n${length}\r\n${body}`,
    `${post}${host}webhook-id: a\r\nWebhook-Id: b\r\n${length}\r\n${body}`,
    `${post}${length}\r\n${body}`,
    `${post}${host}X-A: 1\n${length}\r\n${body}`,
  ]) {
    const answer = await sendRaw(t, api, bytes);
    assert.match(answer, /^HTTP\/1\.1 400 /, bytes);
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, `one answer to ${bytes}`);
  }
  assert.deepEqual(await keysIn(api), []);
  assert.match(await sendRaw(t, api, `${post}${host}${length}\r\n${body}`), /^HTTP\/1\.1 202 /);
});
