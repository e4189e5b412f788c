import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { type ApiKey, createAuthorize, type Scope } from './auth.ts';
import { openTestApi } from './testing/open-test-api.ts';

const KEYS: Record<Scope, string> = {
  write: 'rpl_lambda_1111111111111111111111111111111111111111111',
  read: 'rpl_grafana_222222222222222222222222222222222222222222',
  admin: 'rpl_operator_33333333333333333333333333333333333333333',
};

function entry(scope: Scope, id: string, key: string): ApiKey {
  return { scope, id, sha256: createHash('sha256').update(key).digest('hex') };
}

const API_KEYS = [
  entry('write', 'lambda', KEYS.write),
  entry('read', 'grafana', KEYS.read),
  entry('admin', 'operator', KEYS.admin),
];

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

const OBJECT = { bucket: 'photos', key: 'a' };

test('a call without a valid key is 401 with a challenge, before its body is read', async (t) => {
  const api = await openTestApi(t, { auth: 'keys', apiKeys: API_KEYS });
  const headers: Record<string, string>[] = [
    {},
    bearer('wrong'),
    bearer(KEYS.write.slice(0, -1)),
    { authorization: KEYS.write },
    { authorization: `Basic ${KEYS.write}` },
    { authorization: 'Bearer' },
    { authorization: `Bearer ${KEYS.write} ${KEYS.admin}` },
    bearer(API_KEYS[0]?.sha256 ?? ''),
  ];
  for (const sent of headers) {
    const answer = await api.call('POST', '/v1/replicate', {
      body: 'not even JSON',
      headers: { 'content-type': 'application/json', ...sent },
    });
    assert.equal(answer.status, 401, JSON.stringify(sent));
    assert.equal(answer.json?.['code'], 'unauthorized');
    assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer realm="replicator"/);
  }
  const presented = JSON.stringify(api.log);
  for (const key of Object.values(KEYS)) assert.ok(!presented.includes(key), 'no key is in the log');
});

const CALLS: readonly (readonly [method: string, path: string, scope: Scope, expected: number])[] = [
  ['POST', '/v1/replicate', 'write', 202],
  ['POST', '/v1/events', 'write', 202],
  ['GET', '/v1/transfers', 'read', 200],
  ['GET', '/v1/transfers/transfer-1', 'read', 200],
  ['GET', '/v1/quarantine', 'read', 200],
  ['GET', '/v1/objects/explain?bucket=photos&key=a', 'read', 200],
  ['GET', '/v1/rules', 'read', 200],
  ['GET', '/v1/status', 'read', 200],
  ['GET', '/metrics', 'read', 200],
  ['POST', '/v1/transfers/transfer-1/retry', 'admin', 202],
];

test('each call takes a key of its scope or of admin, and no other', async (t) => {
  const api = await openTestApi(t, { auth: 'keys', apiKeys: API_KEYS });
  for (const [method, path, scope, expected] of CALLS) {
    const json = path === '/v1/replicate' || path === '/v1/events' ? { json: OBJECT } : {};
    for (const held of ['write', 'read', 'admin'] as const) {
      const isAllowed = held === scope || held === 'admin';
      const answer = await api.call(method, path, { ...json, headers: bearer(KEYS[held]) });
      assert.equal(answer.status, isAllowed ? expected : 403, `${method} ${path} with a key for ${held}`);
      if (isAllowed) continue;
      assert.equal(answer.json?.['code'], 'insufficient_scope');
      assert.match(answer.headers.get('www-authenticate') ?? '', new RegExp(`scope="${scope}"`));
    }
    assert.equal((await api.call(method, path, json)).status, 401, `${method} ${path} without a key`);
  }
});

test('health, readiness, the files of the page and the documentation need no key', async (t) => {
  const api = await openTestApi(t, { auth: 'keys', apiKeys: API_KEYS });
  const pages = [
    '/',
    '/page.js',
    '/page.css',
    '/favicon.svg',
    '/openapi.json',
    '/docs',
    '/docs/',
    '/docs/json',
  ];
  for (const path of ['/healthz', '/readyz', ...pages, '/docs/static/swagger-ui.css']) {
    assert.equal((await api.call('GET', path)).status, 200, path);
  }
});

test('with keys any host name is answered: the service stands behind proxies', async (t) => {
  const api = await openTestApi(t, { auth: 'keys', apiKeys: API_KEYS });
  const answer = await api.call('GET', '/v1/status', {
    headers: { ...bearer(KEYS.read), origin: 'https://dashboard.example' },
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('access-control-allow-origin'), null);
});

test('a key that stands in the list twice has the scopes of both entries, for rotation', () => {
  const authorize = createAuthorize('keys', [entry('write', 'a', 'k'), entry('read', 'b', 'k')]);
  assert.deepEqual(authorize('Bearer k', 'write'), { id: 'a', deliveryId: null });
  assert.deepEqual(authorize('bearer  k', 'read'), { id: 'b', deliveryId: null });
  assert.throws(() => authorize('Bearer k', 'admin'), { code: 'insufficient_scope' });
});

test('switched-off authentication lets everybody in and says so', async (t) => {
  const api = await openTestApi(t, { auth: 'none' });
  const answer = await api.call('GET', '/v1/status');
  assert.equal(answer.status, 200);
  assert.equal(answer.json?.['auth'], 'none');
});

test('a digest that is none, and keys without any key, are refused at the start', async (t) => {
  assert.throws(() => createAuthorize('keys', [{ scope: 'read', id: 'x', sha256: 'abc' }]), /API key x/);
  await assert.rejects(openTestApi(t, { auth: 'keys', apiKeys: [] }), /at least one API key/);
});
