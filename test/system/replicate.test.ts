// What a user sees of a running service: events and requests in, objects, answers and log lines out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TransferJson } from '../../sandbox/service-process.ts';
import { notification, SOURCE_BUCKET, SystemUnderTest, TARGET_BUCKET } from './service-under-test.ts';

let system: SystemUnderTest;
before(async () => {
  system = await SystemUnderTest.start();
});
after(async () => {
  await system[Symbol.asyncDispose]();
});

interface EventsAnswer {
  readonly accepted: number;
  readonly ignored: number;
  readonly quarantined: number;
  readonly transfers: readonly { readonly id?: string; readonly transferId?: string }[];
}

function targetText(key: string): string | undefined {
  return system.clouds.gcs.getObject(TARGET_BUCKET, key)?.read().toString();
}

/** Names that other tools trip over; each must arrive under exactly this name. */
const ODD_KEYS = [
  'with space',
  'plus+sign',
  'percent%',
  'percent%2Fencoded%20looking',
  'double//slash',
  '/leading',
  'a/../b',
  '../up',
  './dot',
  'folder/',
  'emoji-🦜',
  '\u00e9-nfc',
  'e\u0301-nfd',
  `quotes'"\``,
  '<script>alert(1)</script>',
  'back\\slash',
  'hash#question?amp&semi;',
  'tab\tand\u0001control',
  'k'.repeat(1024),
  'é'.repeat(512),
];

test('every odd key arrives under exactly the same name through the notification', async () => {
  for (const key of ODD_KEYS)
    await system.clouds.s3.putObject(SOURCE_BUCKET, key, key.endsWith('/') ? '' : `n ${key}`);
  const answer = await system.service.post('/v1/events', notification(ODD_KEYS));
  assert.equal(answer.status, 202);
  assert.equal((answer.body as EventsAnswer).accepted, ODD_KEYS.length);
  for (const key of ODD_KEYS) {
    assert.equal((await system.ended(key)).outcome, 'replicated', key);
    assert.equal(targetText(key), key.endsWith('/') ? '' : `n ${key}`, key);
  }
  const names = system.clouds.gcs.objects(TARGET_BUCKET).map((object) => object.name);
  assert.deepEqual(names.toSorted(), ODD_KEYS.toSorted());
});

test('every odd key arrives under exactly the same name through the JSON request', async () => {
  for (const key of ODD_KEYS) {
    await system.clouds.s3.putObject(SOURCE_BUCKET, key, `j ${key}`);
    const answer = await system.service.post(
      '/v1/replicate',
      { bucket: SOURCE_BUCKET, key },
      { prefer: 'wait=30' },
    );
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const { transfers } = answer.body as { transfers: TransferJson[] };
    assert.equal(transfers[0]?.outcome, 'replicated', key);
    assert.equal(targetText(key), `j ${key}`, key);
  }
});

test('the same event posted 100 times at once: one upload, 100 truthful answers', async () => {
  const key = 'hundred';
  await system.clouds.s3.putObject(SOURCE_BUCKET, key, 'once');
  const before100 = system.uploads().length;
  const posts = Array.from({ length: 100 }, async () =>
    system.service.post('/v1/events', notification([key])),
  );
  const answers = await Promise.all(posts);
  await system.ended(key);
  for (const answer of answers) {
    assert.equal(answer.status, 202);
    const { accepted, transfers } = answer.body as EventsAnswer;
    assert.equal(accepted, 1);
    const [named] = transfers;
    const id = named?.id ?? named?.transferId ?? '';
    const transfer = await system.until(`the end of transfer ${id}`, async () => {
      const found = await system.service.get(`/v1/transfers/${id}`);
      assert.equal(found.status, 200);
      const body = found.body as TransferJson;
      return body.status === 'done' ? body : null;
    });
    assert.match(transfer.outcome ?? '', /^(replicated|already_current)$/);
  }
  assert.equal(system.uploads().length - before100, 1);
  assert.equal(targetText(key), 'once');
});

test('an event with three records makes three transfers', async () => {
  const keys = ['three/a', 'three/b', 'three/c'];
  for (const key of keys) await system.clouds.s3.putObject(SOURCE_BUCKET, key, key);
  const answer = await system.service.post('/v1/events', notification(keys));
  const { transfers } = answer.body as EventsAnswer;
  assert.equal(new Set(transfers.map((transfer) => transfer.id ?? transfer.transferId)).size, 3);
  for (const key of keys) assert.equal((await system.ended(key)).outcome, 'replicated');
});

test('the log of one transfer reads received, started, completed, and then skipped, under one id each', async () => {
  const key = 'logged.txt';
  await system.clouds.s3.putObject(SOURCE_BUCKET, key, 'to be read');
  await system.service.post('/v1/events', notification([key]));
  const first = await system.ended(key);
  await system.service.post('/v1/events', notification([key]));
  const second = await system.until('the second transfer', async () => {
    const transfer = await system.ended(key);
    return transfer.id === first.id ? null : transfer;
  });
  const words = (id: string): string[] =>
    system.logOf(id).map((line) => String(line['msg']).replace(/ {2}.*/, ''));
  assert.deepEqual(words(first.id), ['received', 'started', 'completed: replicated']);
  assert.deepEqual(words(second.id), ['received', 'started', 'skipped: already exists']);
  const completed = system.logOf(first.id).at(-1);
  assert.equal(completed?.['key'], key);
  assert.equal(completed['bucket'], SOURCE_BUCKET);
  assert.equal(completed['bytes'], 10);
});

test('a failure is logged and shown with its fault and its remedy', async () => {
  const key = 'denied.txt';
  await system.clouds.s3.putObject(SOURCE_BUCKET, key, 'secret');
  system.clouds.s3.denyReads(SOURCE_BUCKET, true);
  await system.service.post('/v1/events', notification([key]));
  const parked = await system.ended(key);
  system.clouds.s3.denyReads(SOURCE_BUCKET, false);
  assert.equal(parked.status, 'parked');
  assert.equal(parked.fault?.code, 'access_denied');
  assert.match(JSON.stringify(parked.fault), /s3:GetObject/);
  const line = system.logOf(parked.id).at(-1);
  assert.equal(line?.['level'], 'error');
  assert.match(JSON.stringify(line), /s3:GetObject.*|remedy/);
  const retried = await system.service.post(`/v1/transfers/${parked.id}/retry`, {});
  assert.ok(retried.status < 300, JSON.stringify(retried.body));
  const done = await system.until('the retried transfer', async () => {
    const transfer = await system.ended(key);
    return transfer.status === 'done' ? transfer : null;
  });
  assert.equal(done.outcome, 'replicated');
});

test('an object that is not there ends source_gone, with the encoding hint where the name looks encoded', async () => {
  const answer = await system.service.post(
    '/v1/replicate',
    { bucket: SOURCE_BUCKET, key: 'not+there%20at+all' },
    { prefer: 'wait=30' },
  );
  const { transfers } = answer.body as { transfers: TransferJson[] };
  assert.equal(transfers[0]?.outcome, 'source_gone');
  assert.match(JSON.stringify(system.logOf(transfers[0].id).at(-1)), /URL-encoded/);
  assert.match(transfers[0].summary, /URL-encoded/);
});

test('names that the target cannot store are parked before a byte moves, and never renamed', async () => {
  const keys = ['line\nbreak', 'carriage\rreturn', '.', '..', '.well-known/acme-challenge/token'];
  for (const key of keys) {
    await system.clouds.s3.putObject(SOURCE_BUCKET, key, 'x');
    const reads = system.clouds.s3.requests.length;
    await system.service.post('/v1/replicate', { bucket: SOURCE_BUCKET, key });
    const transfer = await system.ended(key);
    assert.equal(transfer.fault?.code, 'name_not_storable', JSON.stringify(key));
    assert.equal(system.clouds.s3.requests.length, reads, 'Nothing was read');
  }
});

test('content type, encoding and user metadata arrive; the stamp tells where the object came from', async () => {
  const key = 'metadata.txt.gz';
  await system.clouds.s3.putObject(SOURCE_BUCKET, key, Buffer.from('1f8b0800', 'hex'), {
    contentType: 'text/plain',
    contentEncoding: 'gzip',
    metadata: { owner: 'Ännchen', purpose: 'test' },
    systemHeaders: { 'cache-control': 'no-cache' },
  });
  await system.service.post('/v1/events', notification([key]));
  await system.ended(key);
  const object = system.clouds.gcs.getObject(TARGET_BUCKET, key);
  assert.equal(object?.read().toString('hex'), '1f8b0800');
  assert.equal(object.resource['contentType'], 'text/plain');
  assert.equal(object.resource['contentEncoding'], 'gzip');
  assert.equal(object.resource['cacheControl'], 'no-cache');
  assert.equal(object.metadata['owner'], 'Ännchen');
  assert.equal(object.metadata['replicator-source'], `${SOURCE_BUCKET}/${key}`);
});

test('bad requests are refused by name, and the good records of a document with a bad one are kept', async () => {
  const bad: readonly [unknown, number, RegExp][] = [
    [{ key: 'k' }, 400, /bucket/],
    [{ bucket: SOURCE_BUCKET }, 400, /key/],
    [{ bucket: SOURCE_BUCKET, key: 7 }, 400, /key/],
    [{ bucket: SOURCE_BUCKET, key: '' }, 400, /key/],
    [{ bucket: SOURCE_BUCKET, key: 'é'.repeat(513) }, 400, /key.*1,?024/s],
    [{ bucket: SOURCE_BUCKET, key: 'k', colour: 'red' }, 400, /colour/],
    [{ bucket: 'no-rule-here', key: 'k' }, 422, /no-rule-here/],
  ];
  for (const [body, status, naming] of bad) {
    const answer = await system.service.post('/v1/replicate', body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.match(JSON.stringify(answer.body), naming);
  }
  await system.clouds.s3.putObject(SOURCE_BUCKET, 'good', 'good');
  const document = notification(['good', 'bad']) as { Records: { s3: { object: { key: string } } }[] };
  const [, second] = document.Records;
  if (second !== undefined) second.s3.object.key = '100%';
  const mixed = await system.service.post('/v1/events', document);
  assert.equal(mixed.status, 202);
  const { accepted, quarantined } = mixed.body as EventsAnswer;
  assert.deepEqual({ accepted, quarantined }, { accepted: 1, quarantined: 1 });
  assert.equal((await system.ended('good')).outcome, 'replicated');
  assert.match(JSON.stringify((await system.service.get('/v1/quarantine')).body), /100%/);
});
