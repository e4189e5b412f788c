// The resumable upload protocol, row by row, in raw HTTP.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { crc32c } from '@node-rs/crc32';
import { type RawAnswer, insertMedia, openUpload, rawRequest } from './raw-request.ts';
import { type SandboxGcs, type SandboxGcsOptions, startSandboxGcs } from './sandbox-gcs.ts';

const BLOCK = 256 * 1024;
const BYTES = randomBytes(2 * BLOCK + 1000);

async function start(t: TestContext, options: SandboxGcsOptions = {}): Promise<SandboxGcs> {
  const gcs = await startSandboxGcs(options);
  t.after(() => gcs.close());
  gcs.createBucket('b');
  return gcs;
}

async function put(
  uri: string,
  range: string | null,
  body: Uint8Array = Buffer.alloc(0),
  headers: Record<string, string> = {},
): Promise<RawAnswer> {
  return rawRequest('PUT', uri, {
    headers: { ...(range === null ? {} : { 'content-range': range }), ...headers },
    body,
  });
}

function hashOf(bytes: Uint8Array): string {
  const text = Buffer.alloc(4);
  text.writeUInt32BE(crc32c(bytes));
  return text.toString('base64');
}

test('an upload in chunks is invisible until its last byte and then there at once', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o', { metadata: { contentType: 'text/x', metadata: { a: '1' } } });
  assert.equal(gcs.openSessions, 1);
  const fresh = await put(uri, 'bytes */*');
  assert.equal(fresh.status, 308);
  assert.equal(fresh.headers.range, undefined, 'no Range while nothing is kept');
  const first = await put(uri, `bytes 0-${BLOCK - 1}/*`, BYTES.subarray(0, BLOCK));
  assert.equal(first.status, 308);
  assert.equal(first.headers.range, `bytes=0-${BLOCK - 1}`);
  assert.equal((await put(uri, 'bytes */*')).headers.range, `bytes=0-${BLOCK - 1}`);
  assert.equal(gcs.getObject('b', 'o'), null);
  const last = await put(uri, `bytes ${BLOCK}-${BYTES.length - 1}/${BYTES.length}`, BYTES.subarray(BLOCK), {
    'x-goog-hash': `crc32c=${hashOf(BYTES)}`,
    'x-goog-meta-replicator-crc32c': hashOf(BYTES),
  });
  assert.equal(last.status, 200, last.text);
  const object = gcs.getObject('b', 'o');
  assert.ok(object);
  assert.deepEqual(object.read(), BYTES);
  assert.equal(object.crc32c, hashOf(BYTES));
  assert.deepEqual(object.metadata, { a: '1', 'replicator-crc32c': hashOf(BYTES) });
  assert.equal(last.json()['contentType'], 'text/x');
  assert.equal(gcs.openSessions, 0);
});

test('bytes */T finishes an upload only when T is what is kept', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  await put(uri, `bytes 0-${BLOCK - 1}/*`, BYTES.subarray(0, BLOCK));
  for (const total of [BLOCK - 1, BLOCK + 1, 0, 5 * BLOCK]) {
    const answer = await put(uri, `bytes */${total}`);
    assert.equal(answer.status, 308, `*/${total}`);
    assert.equal(answer.headers.range, `bytes=0-${BLOCK - 1}`);
  }
  assert.equal(gcs.getObject('b', 'o'), null);
  assert.equal((await put(uri, `bytes */${BLOCK}`)).status, 200);
  assert.deepEqual(gcs.getObject('b', 'o')?.read(), BYTES.subarray(0, BLOCK));
});

test('a finished session answers every further request with the object it made', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  const finished = await put(uri, `bytes 0-9/10`, BYTES.subarray(0, 10));
  assert.equal(finished.status, 200);
  await insertMedia(gcs.url, 'o', 'newer');
  const repeats = [
    await put(uri, 'bytes */*'),
    await put(uri, 'bytes */10'),
    await put(uri, 'bytes */99'),
    await put(uri, 'bytes 0-9/10', BYTES.subarray(10, 20)),
    await put(uri, null, BYTES),
  ];
  for (const repeat of repeats) {
    assert.equal(repeat.status, 200);
    assert.deepEqual(repeat.json(), finished.json());
  }
  assert.equal(gcs.getObject('b', 'o')?.read().toString(), 'newer');
});

test('bytes before the offset are skipped without being compared', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  await put(uri, `bytes 0-${BLOCK - 1}/*`, BYTES.subarray(0, BLOCK));
  const other = Buffer.concat([Buffer.alloc(BLOCK, 'x'), BYTES.subarray(BLOCK)]);
  const answer = await put(uri, `bytes 0-${other.length - 1}/${other.length}`, other);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(gcs.getObject('b', 'o')?.read(), BYTES, 'the first bytes that arrived stay');
});

test('bytes beyond the offset are refused with 503 in plain text', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  const answer = await put(uri, `bytes ${BLOCK}-${2 * BLOCK - 1}/*`, BYTES.subarray(BLOCK, 2 * BLOCK));
  assert.equal(answer.status, 503);
  assert.match(String(answer.headers['content-type']), /^text\/plain/);
  assert.equal(
    answer.text,
    `Invalid request. According to the Content-Range header, the upload offset is ${BLOCK} byte(s), which exceeds already uploaded size of 0 byte(s).`,
  );
  assert.equal((await put(uri, 'bytes */*')).headers.range, undefined);
});

test('a chunk that does not end the object is a multiple of 256 KiB', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  for (const length of [1000, BLOCK + 1]) {
    const answer = await put(uri, `bytes 0-${length - 1}/*`, BYTES.subarray(0, length));
    assert.equal(answer.status, 400);
    assert.match(answer.text, /262144/);
  }
  assert.equal((await put(uri, 'bytes */*')).headers.range, undefined);
});

test('a request whose body has another length than announced keeps whole blocks only', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  const short = await put(uri, `bytes 0-${BYTES.length - 1}/${BYTES.length}`, BYTES.subarray(0, BLOCK + 7));
  assert.equal(short.status, 400);
  assert.equal((await put(uri, 'bytes */*')).headers.range, `bytes=0-${BLOCK - 1}`);
  assert.equal(gcs.getObject('b', 'o'), null);
});

test('a body without Content-Range, or with an open one, is the object to its end', async (t) => {
  const gcs = await start(t);
  for (const [name, range] of [
    ['whole', null],
    ['open', 'bytes 0-*/*'],
    ['total', `bytes 0-*/${BYTES.length}`],
  ] as const) {
    const uri = await openUpload(gcs.url, name);
    assert.equal((await put(uri, range, BYTES)).status, 200, name);
    assert.deepEqual(gcs.getObject('b', name)?.read(), BYTES);
  }
});

test('an empty object is finished by bytes */0', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'empty');
  assert.equal((await put(uri, 'bytes */0')).status, 200);
  const object = gcs.getObject('b', 'empty');
  assert.equal(object?.sizeBytes, 0);
  assert.equal(object?.crc32c, 'AAAAAA==');
});

test('wrong checksums refuse the object, wherever they were announced, and end the session', async (t) => {
  const gcs = await start(t);
  const wrong = hashOf(Buffer.from('other'));
  const byMetadata = await openUpload(gcs.url, 'o', { metadata: { crc32c: wrong } });
  const byHeader = await openUpload(gcs.url, 'o');
  const byMd5 = await openUpload(gcs.url, 'o');
  const refusals = [
    await put(byMetadata, null, BYTES),
    await put(byHeader, null, BYTES, { 'x-goog-hash': `crc32c=${wrong}` }),
    await put(byMd5, null, BYTES, {
      'x-goog-hash': `crc32c=${hashOf(BYTES)},md5=${randomBytes(16).toString('base64')}`,
    }),
  ];
  for (const refusal of refusals) assert.equal(refusal.status, 400);
  assert.ok(
    refusals[0]?.text.includes('Provided CRC32C') &&
      refusals[0].text.includes("doesn't match calculated CRC32C"),
  );
  assert.equal(gcs.getObject('b', 'o'), null);
  assert.equal((await put(byHeader, 'bytes */*')).status, 410);
  assert.equal(gcs.openSessions, 0);
});

test('the condition is judged when the upload ends, not when it is opened', async (t) => {
  const gcs = await start(t);
  const late = await openUpload(gcs.url, 'o', { query: '&ifGenerationMatch=0' });
  const { generation } = await insertMedia(gcs.url, 'o', 'first');
  const refused = await put(late, null, BYTES);
  assert.equal(refused.status, 412);
  assert.equal(refused.reason(), 'conditionNotMet');
  assert.equal((await put(late, `bytes */${BYTES.length}`)).status, 412, 'a repeated finish is judged again');
  const stale = await openUpload(gcs.url, 'p', { query: '&ifGenerationMatch=5' });
  assert.equal((await put(stale, null, BYTES)).status, 412, 'an absent object has generation 0');
  const uri = await openUpload(gcs.url, 'o', {
    query: `&ifGenerationMatch=${String(generation)}&ifMetagenerationMatch=1`,
  });
  await rawRequest('PATCH', `${gcs.url}/storage/v1/b/b/o/o`, { body: '{"metadata":{"a":"b"}}' });
  assert.equal((await put(uri, null, BYTES)).status, 412, 'the metageneration moved');
  assert.equal(gcs.getObject('b', 'o')?.read().toString(), 'first');
});

test('a cancelled session answers 499, then is gone', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  assert.equal((await rawRequest('DELETE', uri)).status, 499);
  assert.equal((await put(uri, 'bytes */*')).status, 410);
  assert.equal((await rawRequest('DELETE', uri)).status, 410);
  assert.equal((await put(uri, null, BYTES)).status, 410);
  assert.equal(gcs.openSessions, 0);
  assert.equal(gcs.getObject('b', 'o'), null);
});

test('an unknown session is 404, a lost one 410, and after a week nothing is remembered', async (t) => {
  let nowMs = 1_700_000_000_000;
  const gcs = await start(t, { nowMs: () => nowMs });
  const unknown = `${gcs.url}/upload/storage/v1/b/b/o?uploadType=resumable&upload_id=nobody`;
  assert.equal((await put(unknown, 'bytes */*')).status, 404);
  const lost = await openUpload(gcs.url, 'o');
  gcs.loseSessions();
  assert.equal((await put(lost, 'bytes */*')).status, 410);
  const old = await openUpload(gcs.url, 'o');
  nowMs += 7 * 24 * 3600 * 1000;
  assert.equal((await put(old, 'bytes */*')).status, 404);
  assert.equal((await put(lost, 'bytes */*')).status, 404);
  assert.equal(gcs.openSessions, 0);
});

test('of a chunk that was cut, whole blocks stay and the upload goes on from there', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  gcs.faults.add({
    match: { method: 'PUT' },
    effect: { kind: 'cut_request', afterBytes: BLOCK + BLOCK / 2 },
  });
  await assert.rejects(put(uri, null, BYTES));
  const status = await put(uri, 'bytes */*');
  assert.equal(status.status, 308);
  assert.equal(status.headers.range, `bytes=0-${BLOCK - 1}`);
  const rest = await put(uri, `bytes ${BLOCK}-${BYTES.length - 1}/${BYTES.length}`, BYTES.subarray(BLOCK), {
    'x-goog-hash': `crc32c=${hashOf(BYTES)}`,
  });
  assert.equal(rest.status, 200, rest.text);
  assert.deepEqual(gcs.getObject('b', 'o')?.read(), BYTES);
});

test('a finish after a cut makes an object of the whole blocks and not a byte more', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  gcs.faults.add({ match: { method: 'PUT' }, effect: { kind: 'cut_request', afterBytes: BLOCK + 100 } });
  await assert.rejects(put(uri, null, BYTES));
  assert.equal((await put(uri, `bytes */${BLOCK}`)).json()['size'], String(BLOCK));
  assert.deepEqual(gcs.getObject('b', 'o')?.read(), BYTES.subarray(0, BLOCK));
});

test('an end before what is persisted makes no object', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  await put(uri, `bytes 0-${2 * BLOCK - 1}/*`, BYTES.subarray(0, 2 * BLOCK));
  const answer = await put(uri, `bytes 0-${BLOCK - 1}/${BLOCK}`, BYTES.subarray(0, BLOCK));
  assert.equal(answer.status, 308);
  assert.equal(answer.headers.range, `bytes=0-${2 * BLOCK - 1}`);
  assert.equal(gcs.getObject('b', 'o'), null);
});

test('a cut before the first whole block keeps nothing', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  gcs.faults.add({ match: { method: 'PUT' }, effect: { kind: 'cut_request', afterBytes: BLOCK - 1 } });
  await assert.rejects(put(uri, null, BYTES));
  assert.equal((await put(uri, 'bytes */*')).headers.range, undefined);
});

test('a finish whose answer was lost has made the object', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o', { query: '&ifGenerationMatch=0' });
  gcs.faults.add({ match: { method: 'PUT' }, effect: { kind: 'lose_answer' } });
  await assert.rejects(put(uri, null, BYTES));
  const again = await put(uri, `bytes */${BYTES.length}`);
  assert.equal(again.status, 200);
  assert.equal(again.json()['generation'], gcs.getObject('b', 'o')?.generation);
});

test('a request that stalls is fenced off by the next one that sends bytes', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  gcs.faults.add({ match: { method: 'PUT' }, effect: { kind: 'stall_request', afterBytes: BLOCK + 10 } });
  const stalled = assert.rejects(put(uri, null, Buffer.alloc(2 * BLOCK, 'x')));
  let range: string | undefined;
  while (range === undefined) range = (await put(uri, 'bytes */*')).headers.range;
  assert.equal(range, `bytes=0-${BLOCK - 1}`, 'a status query is answered while another request hangs');
  const rest = await put(uri, `bytes ${BLOCK}-${BLOCK + 4}/${BLOCK + 5}`, Buffer.from('rest.'));
  assert.equal(rest.status, 200, rest.text);
  assert.equal(gcs.getObject('b', 'o')?.read().subarray(BLOCK).toString(), 'rest.');
  await gcs.close();
  await stalled;
});

test('a finish takes nothing of what another request is still sending', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  gcs.faults.add({ match: { method: 'PUT' }, effect: { kind: 'stall_request', afterBytes: BLOCK + 10 } });
  const stalled = assert.rejects(put(uri, null, BYTES));
  let range: string | undefined;
  while (range === undefined) range = (await put(uri, 'bytes */*')).headers.range;
  assert.equal((await put(uri, `bytes */${BLOCK}`)).json()['size'], String(BLOCK));
  assert.deepEqual(gcs.getObject('b', 'o')?.read(), BYTES.subarray(0, BLOCK));
  await gcs.close();
  await stalled;
});

test('bytes that arrive late from a fenced request are thrown away', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const late = request(uri, { method: 'PUT', headers: { 'content-length': 3 * BLOCK } }, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  late.on('error', reject);
  late.write(Buffer.alloc(BLOCK + 10, 'x'));
  let range: string | undefined;
  while (range === undefined) range = (await put(uri, 'bytes */*')).headers.range;
  assert.equal((await put(uri, `bytes ${BLOCK}-${2 * BLOCK - 1}/*`, Buffer.alloc(BLOCK, 'y'))).status, 308);
  late.end(Buffer.alloc(2 * BLOCK - 10, 'x'));
  assert.equal(await promise, 409);
  assert.equal((await put(uri, `bytes */${2 * BLOCK}`)).status, 200);
  const expected = Buffer.concat([Buffer.alloc(BLOCK, 'x'), Buffer.alloc(BLOCK, 'y')]);
  assert.ok(gcs.getObject('b', 'o')?.read().equals(expected));
});

test('a corrupted byte on the way is caught by the announced checksum', async (t) => {
  const gcs = await start(t);
  const uri = await openUpload(gcs.url, 'o');
  gcs.faults.add({ match: { method: 'PUT' }, effect: { kind: 'corrupt_request', atByte: 77 } });
  assert.equal((await put(uri, null, BYTES, { 'x-goog-hash': `crc32c=${hashOf(BYTES)}` })).status, 400);
  assert.equal(gcs.getObject('b', 'o'), null);
});

test('the session URI follows the Host header and works without a token', async (t) => {
  const gcs = await start(t, { bearerToken: 'secret' });
  const path = '/upload/storage/v1/b/b/o?uploadType=resumable&name=o';
  assert.equal((await rawRequest('POST', gcs.url + path)).status, 401);
  const headers = { authorization: 'Bearer secret' };
  const opened = await rawRequest('POST', gcs.url + path, {
    headers: { ...headers, host: 'storage.test:99' },
  });
  const location = String(opened.headers.location);
  assert.ok(
    location.startsWith('http://storage.test:99/upload/storage/v1/b/b/o?uploadType=resumable&upload_id='),
  );
  const uri = location.replace('http://storage.test:99', gcs.url);
  assert.equal((await put(uri, null, BYTES)).status, 200);
  assert.equal((await rawRequest('GET', `${gcs.url}/storage/v1/b/b/o/o`)).status, 401);
  assert.equal((await rawRequest('GET', `${gcs.url}/storage/v1/b/b/o/o`, { headers })).status, 200);
});

test('an upload id in the query opens no other door without a token', async (t) => {
  const gcs = await start(t, { bearerToken: 'secret' });
  const answer = await rawRequest(
    'POST',
    `${gcs.url}/upload/storage/v1/b/b/o?uploadType=media&name=x&upload_id=1`,
  );
  assert.equal(answer.status, 401);
  assert.equal(gcs.objects('b').length, 0);
});

test('with bytes not kept, a large upload has size and checksums', async (t) => {
  const gcs = await start(t, { keepBytes: false });
  const uri = await openUpload(gcs.url, 'o');
  const answer = await put(uri, null, BYTES, { 'x-goog-hash': `crc32c=${hashOf(BYTES)}` });
  assert.equal(answer.status, 200, answer.text);
  const object = gcs.getObject('b', 'o');
  assert.equal(object?.sizeBytes, BYTES.length);
  assert.equal(object?.blocks, null);
  assert.equal((await rawRequest('GET', `${gcs.url}/storage/v1/b/b/o/o?alt=media`)).status, 501);
});
