// Buckets, listing, permissions, and what the sandbox says to everything it does not have.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isJsonObject } from './gcs-query.ts';
import { insertMedia, openUpload, rawRequest } from './raw-request.ts';
import { type SandboxGcs, type SandboxGcsOptions, startSandboxGcs } from './sandbox-gcs.ts';

async function start(t: TestContext, options: SandboxGcsOptions = {}): Promise<SandboxGcs> {
  const gcs = await startSandboxGcs(options);
  t.after(() => gcs.close());
  gcs.createBucket('b');
  return gcs;
}

interface Listed {
  readonly names: readonly string[];
  readonly prefixes: readonly unknown[];
  readonly pageCount: number;
}

/** Follows the pages to the end. */
async function listAll(gcs: SandboxGcs, query: string, bucket = 'b'): Promise<Listed> {
  const names: string[] = [];
  const prefixes: unknown[] = [];
  let token = '';
  for (let pageCount = 1; ; pageCount += 1) {
    const page = await rawRequest('GET', `${gcs.url}/storage/v1/b/${bucket}/o?${query}${token}`);
    assert.equal(page.status, 200, page.text);
    const body = page.json();
    const items: unknown[] = Array.isArray(body['items']) ? body['items'] : [];
    names.push(...items.map((item) => (isJsonObject(item) ? String(item['name']) : '?')));
    if (Array.isArray(body['prefixes'])) prefixes.push(...(body['prefixes'] as unknown[]));
    const next = body['nextPageToken'];
    if (typeof next !== 'string') return { names, prefixes, pageCount };
    token = `&pageToken=${encodeURIComponent(next)}`;
  }
}

test('listing is in byte order and pages lose and repeat nothing', async (t) => {
  const gcs = await start(t);
  // U+FFFD sorts before an astral character in UTF-8 and after it in UTF-16.
  const names = ['a', 'a/1', 'a/2', 'a/b/1', 'b', 'c/1', 'c/2', 'd', 'é', '\uFFFD', '🚀'];
  for (const name of names.toReversed()) await insertMedia(gcs.url, name, name);
  assert.deepEqual((await listAll(gcs, '')).names, names);
  for (const maxResults of [1, 2, 3, 11]) {
    const listed = await listAll(gcs, `maxResults=${maxResults}`);
    assert.deepEqual(listed.names, names);
    assert.equal(listed.pageCount, Math.ceil(names.length / maxResults));
    const folded = await listAll(gcs, `maxResults=${maxResults}&delimiter=/`);
    assert.deepEqual(folded.names, ['a', 'b', 'd', 'é', '\uFFFD', '🚀']);
    assert.deepEqual(folded.prefixes, ['a/', 'c/']);
  }
  assert.deepEqual((await listAll(gcs, 'prefix=a/')).names, ['a/1', 'a/2', 'a/b/1']);
  assert.deepEqual((await listAll(gcs, 'prefix=a/&delimiter=/')).prefixes, ['a/b/']);
  assert.deepEqual((await listAll(gcs, 'startOffset=a/2&endOffset=c/2')).names, ['a/2', 'a/b/1', 'b', 'c/1']);
  assert.deepEqual((await listAll(gcs, 'prefix=c/&startOffset=c/2')).names, ['c/2']);
  assert.deepEqual((await listAll(gcs, 'prefix=%C3%A9')).names, ['é']);
  assert.deepEqual((await listAll(gcs, 'prefix=zzz')).names, []);
});

test('listing versions shows every generation, oldest first, also across pages', async (t) => {
  const gcs = await start(t);
  gcs.createBucket('v', { versioned: true });
  for (const name of ['o', 'o', 'o', 'p']) {
    const inserted = await rawRequest(
      'POST',
      `${gcs.url}/upload/storage/v1/b/v/o?uploadType=media&name=${name}`,
      { body: 'x' },
    );
    assert.equal(inserted.status, 200);
  }
  await rawRequest('DELETE', `${gcs.url}/storage/v1/b/v/o/p`);
  assert.deepEqual((await listAll(gcs, '', 'v')).names, ['o']);
  for (const maxResults of [1, 2, 10])
    assert.deepEqual((await listAll(gcs, `versions=true&maxResults=${maxResults}`, 'v')).names, [
      'o',
      'o',
      'o',
      'p',
    ]);
});

test('buckets are created once, read and listed', async (t) => {
  const gcs = await start(t);
  const url = `${gcs.url}/storage/v1/b?project=p`;
  const body = JSON.stringify({ name: 'fresh', versioning: { enabled: true }, location: 'EU' });
  assert.equal((await rawRequest('POST', url, { body })).status, 200);
  assert.equal((await rawRequest('POST', url, { body })).status, 409);
  assert.equal((await rawRequest('POST', url, { body: '{"name":"A"}' })).status, 400);
  assert.equal((await rawRequest('POST', url, { body: '{"name":"ok1","lifecycle":{}}' })).status, 501);
  const { versioning, location } = (await rawRequest('GET', `${gcs.url}/storage/v1/b/fresh`)).json();
  assert.deepEqual({ versioning, location }, { versioning: { enabled: true }, location: 'EU' });
  const { items } = (await rawRequest('GET', url)).json();
  assert.equal(Array.isArray(items) && items.length, 2);
});

test('missing buckets and objects are 404 in the words of the service', async (t) => {
  const gcs = await start(t);
  const requests = [
    ['GET', '/storage/v1/b/none'],
    ['GET', '/storage/v1/b/none/o'],
    ['GET', '/storage/v1/b/none/o/x'],
    ['DELETE', '/storage/v1/b/none/o/x'],
    ['POST', '/upload/storage/v1/b/none/o?uploadType=media&name=x'],
    ['POST', '/upload/storage/v1/b/none/o?uploadType=resumable&name=x'],
  ] as const;
  for (const [method, path] of requests) {
    const answer = await rawRequest(method, gcs.url + path);
    assert.equal(answer.status, 404, path);
    assert.match(answer.text, /The specified bucket does not exist\./);
    assert.equal(answer.reason(), 'notFound');
  }
  const absent = await rawRequest('GET', `${gcs.url}/storage/v1/b/b/o/a%2Fx`);
  assert.equal(absent.status, 404);
  assert.match(absent.text, /No such object: b\/a\/x/);
});

test('a denied permission answers 403 naming it, until it is given back', async (t) => {
  const gcs = await start(t);
  await insertMedia(gcs.url, 'o', 'x');
  const object = `${gcs.url}/storage/v1/b/b/o/o`;
  const cases = [
    ['storage.objects.create', 'POST', `${gcs.url}/upload/storage/v1/b/b/o?uploadType=media&name=n`],
    ['storage.objects.create', 'POST', `${gcs.url}/upload/storage/v1/b/b/o?uploadType=resumable&name=n`],
    ['storage.objects.get', 'GET', object],
    ['storage.objects.update', 'PATCH', object],
    ['storage.objects.delete', 'DELETE', object],
    ['storage.objects.delete', 'POST', `${gcs.url}/upload/storage/v1/b/b/o?uploadType=media&name=o`],
    ['storage.objects.list', 'GET', `${gcs.url}/storage/v1/b/b/o`],
    ['storage.objects.list', 'GET', `${gcs.url}/storage/v1/b/b/o/absent`],
    ['storage.buckets.get', 'GET', `${gcs.url}/storage/v1/b/b`],
  ] as const;
  for (const [permission, method, url] of cases) {
    gcs.deny(permission);
    const answer = await rawRequest(method, url);
    assert.equal(answer.status, 403, `${permission} ${method} ${url}`);
    assert.equal(answer.reason(), 'forbidden');
    assert.ok(answer.text.includes(`Permission '${permission}' denied on resource (or it may not exist).`));
    gcs.allow(permission);
  }
  gcs.deny('all');
  assert.equal((await rawRequest('GET', object)).status, 403);
  gcs.allow('all');
  assert.equal((await rawRequest('GET', object)).status, 200);
});

test('an open session goes on without the permission to create, but needs the one to overwrite', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  const second = await openUpload(gcs.url, 'o');
  gcs.deny('storage.objects.create');
  gcs.deny('storage.objects.delete');
  assert.equal((await rawRequest('PUT', uri, { body: 'first' })).status, 200);
  assert.equal((await rawRequest('PUT', second, { body: 'second' })).status, 403);
  assert.equal(gcs.getObject('b', 'o')?.read().toString(), 'first');
});

test('testPermissions answers those that the caller has', async (t) => {
  const gcs = await start(t);
  gcs.deny('storage.objects.delete');
  const answer = await rawRequest(
    'GET',
    `${gcs.url}/storage/v1/b/b/iam/testPermissions?permissions=storage.objects.get&permissions=storage.objects.delete`,
  );
  assert.deepEqual(answer.json()['permissions'], ['storage.objects.get']);
});

test('what the sandbox does not have is 501 in JSON, never a success', async (t) => {
  const gcs = await start(t);
  await insertMedia(gcs.url, 'o', 'x');
  const requests = [
    ['POST', '/batch/storage/v1'],
    ['GET', '/b/o'],
    ['PUT', '/b/o'],
    ['GET', '/storage/v1/b/b/iam'],
    ['DELETE', '/storage/v1/b/b'],
    ['PATCH', '/storage/v1/b/b'],
    ['POST', '/storage/v1/b/b/o/o/restore'],
    ['POST', '/storage/v1/b/b/o/o/moveTo/o/p'],
    ['GET', '/storage/v1/b/b/o/o/acl'],
    ['GET', '/storage/v1/b/b/o/o?softDeleted=true'],
    ['GET', '/storage/v1/b/b/o?matchGlob=*'],
    ['DELETE', '/download/storage/v1/b/b/o/o'],
    ['POST', '/upload/storage/v1/b/b/o?name=o'],
    ['POST', '/upload/storage/v1/b/b/o?uploadType=media&name=o&predefinedAcl=private'],
  ] as const;
  for (const [method, path] of requests) {
    const answer = await rawRequest(method, gcs.url + path);
    assert.equal(answer.status, 501, `${method} ${path}: ${answer.text}`);
    assert.equal(answer.reason(), 'notImplemented');
  }
  const keyed = await rawRequest('GET', `${gcs.url}/storage/v1/b/b/o/o`, {
    headers: { 'x-goog-encryption-algorithm': 'AES256' },
  });
  assert.equal(keyed.status, 501);
  assert.equal(gcs.getObject('b', 'o')?.read().toString(), 'x');
});

test('a wrong token is 401 and nothing happens', async (t) => {
  const gcs = await start(t, { bearerToken: 'right' });
  const url = `${gcs.url}/upload/storage/v1/b/b/o?uploadType=media&name=o`;
  const wrong = await rawRequest('POST', url, { headers: { authorization: 'Bearer wrong' }, body: 'x' });
  assert.equal(wrong.status, 401);
  assert.equal(wrong.reason(), 'authError');
  assert.equal((await rawRequest('POST', url, { body: 'x' })).reason(), 'required');
  assert.equal(gcs.objects('b').length, 0);
});
