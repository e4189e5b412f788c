import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { openTestApi, type TestApi } from './testing/open-test-api.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

/** A request with headers that fetch does not let through. */
async function rawCall(
  api: TestApi,
  method: string,
  path: string,
  headers: Record<string, string>,
  body = '',
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: '127.0.0.1', port: api.port, method, path, headers, agent: false },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => (text += chunk));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Writes these bytes to a socket and reads until the server closes it. */
async function writeToSocket(api: TestApi, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(api.port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}

test('every error is a problem document with a code, a remedy and the request id', async (t) => {
  const api = await openTestApi(t);
  const cases: readonly (readonly [method: string, path: string, status: number, code: string])[] = [
    ['GET', '/nope', 404, 'not_found'],
    ['POST', '/nope', 404, 'not_found'],
    ['GET', '/docs/static/nope', 404, 'not_found'],
    ['GET', '/v1/transfers/nope', 404, 'transfer_not_found'],
    ['POST', '/v1/transfers/nope/retry', 404, 'transfer_not_found'],
    ['GET', `/v1/transfers/${'x'.repeat(300)}`, 404, 'not_found'],
    ['GET', '/v1/replicate', 405, 'method_not_allowed'],
    ['DELETE', '/v1/transfers/some', 405, 'method_not_allowed'],
    ['OPTIONS', '/v1/transfers', 405, 'method_not_allowed'],
    ['PUT', '/', 405, 'method_not_allowed'],
    ['GET', '/v1/%zz', 400, 'bad_url'],
    ['GET', '/v1/transfers?limit=0', 400, 'invalid_request'],
    ['GET', '/v1/transfers?cursor=strange!', 400, 'invalid_cursor'],
    ['POST', '/v1/replicate', 400, 'invalid_request'],
  ];
  for (const [method, path, status, code] of cases) {
    const answer = await api.call(method, path, { headers: { 'x-request-id': 'my-request.7' } });
    const what = `${method} ${path}`;
    assert.equal(answer.status, status, what);
    assert.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8', what);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', what);
    assert.equal(answer.headers.get('x-request-id'), 'my-request.7', what);
    const { type, title, detail, remedy, ...rest } = answer.json ?? {};
    assert.deepEqual(rest, { status, code, requestId: 'my-request.7' }, what);
    assert.equal(type, `urn:cross-cloud-replicator:problem:${code}`);
    for (const text of [title, detail, remedy]) assert.ok(typeof text === 'string' && text !== '', what);
  }
});

test('a wrong method is told the right ones', async (t) => {
  const api = await openTestApi(t);
  assert.equal((await api.call('GET', '/v1/events')).headers.get('allow'), 'POST');
  assert.equal((await api.call('POST', '/v1/transfers')).headers.get('allow'), 'GET, HEAD');
  const trace = await rawCall(api, 'TRACE', '/v1/status', { host: '127.0.0.1' });
  assert.equal(trace.status, 405);
});

test('a request id that could harm a log is replaced', async (t) => {
  const api = await openTestApi(t);
  for (const given of ['with blank', 'x'.repeat(200), '<script>']) {
    const answer = await api.call('GET', '/healthz', { headers: { 'x-request-id': given } });
    assert.match(answer.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
  }
});

test('an error of our own tells nothing outward and everything to the log', async (t) => {
  const api = await openTestApi(t, {
    metrics: async () => {
      throw new TypeError('cannot read secretThing');
    },
  });
  const answer = await api.call('GET', '/metrics');
  assert.equal(answer.status, 500);
  assert.equal(answer.json?.['code'], 'internal_error');
  assert.doesNotMatch(answer.text, /secretThing/);
  const [line] = api.log;
  assert.equal(line?.level, 'error');
  assert.match(String(line.facts['err']), /secretThing/);
  assert.equal(line.facts['requestId'], answer.json['requestId']);
});

test('only JSON is read: other types and compressed bodies are 415', async (t) => {
  const api = await openTestApi(t);
  const body = '{"bucket":"photos","key":"a"}';
  const types = [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    'application/jsonx',
    'text/json',
    'garbage',
  ];
  for (const type of types) {
    for (const path of ['/v1/replicate', '/v1/events', '/v1/transfers/x/retry']) {
      const answer = await api.call('POST', path, { body, headers: { 'content-type': type } });
      assert.equal(answer.status, 415, `${type} to ${path}`);
      assert.equal(answer.json?.['code'], 'unsupported_media_type');
    }
  }
  const untyped = await rawCall(
    api,
    'POST',
    '/v1/replicate',
    { host: 'localhost', 'content-length': '29' },
    body,
  );
  assert.equal(untyped.status, 415);
  const packed = await api.call('POST', '/v1/replicate', {
    body,
    headers: { ...JSON_TYPE, 'content-encoding': 'gzip' },
  });
  assert.equal(packed.json?.['code'], 'unsupported_encoding');
  for (const type of [
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset="UTF-8"',
  ]) {
    const answer = await api.call('POST', '/v1/replicate', { body, headers: { 'content-type': type } });
    assert.equal(answer.status, 202, type);
  }
});

test('what is not JSON in UTF-8 is 400', async (t) => {
  const api = await openTestApi(t);
  const bodies: (string | Uint8Array<ArrayBuffer>)[] = [
    '',
    '{',
    '{"bucket":"photos","key":"a"} x',
    "{'bucket':1}",
    'NaN',
    new Uint8Array([0x22, 0xff, 0x22]),
  ];
  for (const path of ['/v1/replicate', '/v1/events']) {
    for (const body of bodies) {
      const answer = await api.call('POST', path, { body, headers: JSON_TYPE });
      assert.equal(answer.status, 400, `${path} ${String(body)}`);
      assert.equal(answer.json?.['code'], 'invalid_json');
    }
  }
});

test('a body that reaches for prototypes changes nothing and fails nothing', async (t) => {
  const api = await openTestApi(t);
  const body =
    '{"bucket":"photos","key":"a","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
  const answer = await api.call('POST', '/v1/replicate', { body, headers: JSON_TYPE });
  assert.ok(answer.status < 500, String(answer.status));
  assert.equal(Reflect.get({}, 'polluted'), undefined);
});

test('a body over the limit of its path is 413: 1 MiB, and 8 MiB for events', async (t) => {
  const api = await openTestApi(t);
  const mebibyte = 1024 * 1024;
  const padded = (bytes: number) => `{"bucket":"nowhere","key":"a"}`.padEnd(bytes, ' ');
  const cases: readonly (readonly [path: string, bytes: number, status: number])[] = [
    ['/v1/replicate', mebibyte, 422],
    ['/v1/replicate', mebibyte + 1, 413],
    ['/v1/events', 8 * mebibyte, 202],
    ['/v1/events', 8 * mebibyte + 1, 413],
  ];
  for (const [path, bytes, status] of cases) {
    const answer = await api.call('POST', path, { body: padded(bytes), headers: JSON_TYPE });
    assert.equal(answer.status, status, `${path} with ${bytes} bytes`);
    if (status === 413) assert.equal(answer.json?.['code'], 'body_too_large');
  }
});

test('a body without an announced length is counted while it comes', async (t) => {
  const api = await openTestApi(t, { limits: { bodyBytes: 1000 } });
  const headers = { host: '127.0.0.1', ...JSON_TYPE, 'transfer-encoding': 'chunked' };
  const answer = await rawCall(api, 'POST', '/v1/replicate', headers, 'x'.repeat(1001));
  assert.equal(answer.status, 413);
});

test('JSON that nests too deeply is 413 before it is parsed', async (t) => {
  const api = await openTestApi(t);
  const body = '['.repeat(100_000) + ']'.repeat(100_000);
  const answer = await api.call('POST', '/v1/events', { body, headers: JSON_TYPE });
  assert.equal(answer.status, 413);
  assert.equal(answer.json?.['code'], 'too_deep');
  const inText = await api.call('POST', '/v1/events', { json: { Records: ['[{'.repeat(100)] } });
  assert.equal(inText.status, 202, 'brackets inside a string are text');
});

test('without keys only loopback names are answered', async (t) => {
  const api = await openTestApi(t);
  for (const host of [
    '127.0.0.1',
    'localhost',
    'LOCALHOST:8080',
    '[::1]',
    '[::1]:80',
    `127.0.0.1:${api.port}`,
  ]) {
    assert.equal((await rawCall(api, 'GET', '/v1/status', { host })).status, 200, host);
  }
  const foreign = [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.nip.io',
    '127.0.0.1@evil',
    '10.0.0.1:8080',
  ];
  for (const host of foreign) {
    for (const path of ['/v1/status', '/', '/healthz', '/nope']) {
      const answer = await rawCall(api, 'GET', path, { host });
      assert.equal(answer.status, 421, `${host} ${path}`);
      assert.match(answer.text, /host_not_allowed/);
    }
  }
  for (const head of ['HTTP/1.1\r\nHost: \r\nConnection: close', 'HTTP/1.0']) {
    assert.match(await writeToSocket(api, `GET /v1/status ${head}\r\n\r\n`), /^HTTP\/1\.1 421 /, head);
  }
});

test('without keys a page of another origin can neither post nor read', async (t) => {
  const api = await openTestApi(t);
  const host = `localhost:${api.port}`;
  const foreign: Record<string, string>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://localhost:3000' },
    { origin: `http://127.0.0.1:${api.port}` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
  ];
  for (const headers of foreign) {
    const what = JSON.stringify(headers);
    const read = await rawCall(api, 'GET', '/v1/transfers', { host, ...headers });
    assert.equal(read.status, 403, what);
    const sent = '{"bucket":"photos","key":"a"}';
    const posted = await rawCall(api, 'POST', '/v1/replicate', { host, ...JSON_TYPE, ...headers }, sent);
    assert.equal(posted.status, 403, what);
    assert.match(posted.text, /foreign_origin/);
  }
  assert.equal((await api.queue.counts()).byStatus.queued, 0);

  const own: Record<string, string>[] = [
    {},
    { origin: `http://${host}`, 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
  ];
  for (const headers of own) {
    assert.equal((await rawCall(api, 'GET', '/', { host, ...headers })).status, 200, JSON.stringify(headers));
  }
});

test('behind a proxy the public address is an own origin', async (t) => {
  const api = await openTestApi(t, { auth: 'none', publicUrl: 'https://replicator.example/base' });
  const fromPublic = await api.call('GET', '/v1/status', {
    headers: { origin: 'https://replicator.example' },
  });
  assert.equal(fromPublic.status, 200);
  const fromOther = await api.call('GET', '/v1/status', { headers: { origin: 'https://evil.example' } });
  assert.equal(fromOther.status, 403);
});

test('headers over 16 KiB are 431, broken HTTP is 400, both as problem documents', async (t) => {
  const api = await openTestApi(t);
  const huge = await writeToSocket(
    api,
    `GET / HTTP/1.1\r\nHost: localhost\r\nX-Fill: ${'x'.repeat(17 * 1024)}\r\n\r\n`,
  );
  assert.match(huge, /^HTTP\/1\.1 431 /);
  assert.match(huge, /"code":"headers_too_large"/);
  const broken: readonly string[] = [
    'NONSENSE\r\n\r\n',
    'POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
  ];
  for (const bytes of broken) {
    const answer = await writeToSocket(api, bytes);
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.match(answer, /"code":"malformed_http"/);
  }
});

test('a request that does not arrive in time is 408 and its connection is closed', async (t) => {
  const api = await openTestApi(t, { limits: { requestTimeoutMs: 50 } });
  const inHeaders = await writeToSocket(api, 'GET / HTTP/1.1\r\nHost: loc');
  assert.match(inHeaders, /^HTTP\/1\.1 408 /);
  const inBody = await writeToSocket(
    api,
    'POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"a',
  );
  assert.match(inBody, /^HTTP\/1\.1 408 /);
  assert.match(inBody, /"code":"request_timeout"/);
});

test('connections stay open longer than the idle time of load balancers', async (t) => {
  const api = await openTestApi(t);
  assert.equal(api.app.server.keepAliveTimeout, 75_000);
  assert.equal(api.app.server.requestTimeout, 10_000);
  assert.equal(api.app.server.headersTimeout, 10_000);
});

test('every answer has the security headers, refusals included', async (t) => {
  const api = await openTestApi(t);
  for (const path of ['/', '/v1/status', '/nope', '/v1/transfers?limit=x', '/page.js']) {
    const { headers } = await api.call('GET', path);
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/, path);
    assert.match(policy, /frame-ancestors 'none'/, path);
    assert.doesNotMatch(policy, /unsafe/, path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
    assert.equal(headers.get('referrer-policy'), 'no-referrer', path);
    assert.equal(headers.get('access-control-allow-origin'), null, path);
    assert.equal(headers.get('x-powered-by'), null, path);
  }
});
