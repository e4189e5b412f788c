// Event notifications: what the records say and how delivery behaves.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { after, before, test } from 'node:test';
import { CopyObjectCommand, DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { Undelivered } from './notification.ts';
import { sdkClient, testCredentials } from './raw-request.ts';
import { type SandboxS3, startSandboxS3 } from './sandbox-s3.ts';

interface EventRecord {
  readonly eventName: string;
  readonly eventSource: string;
  readonly eventVersion: string;
  readonly eventTime: string;
  readonly awsRegion: string;
  readonly s3: {
    readonly bucket: { readonly name: string; readonly arn: string };
    readonly object: {
      readonly key: string;
      readonly size?: number;
      readonly eTag?: string;
      readonly versionId?: string;
      readonly sequencer: string;
    };
  };
}

let s3: SandboxS3;
let client: S3Client;

before(async () => {
  s3 = await startSandboxS3({ ...testCredentials, retryDelaysMs: [1, 1] });
  client = sdkClient(s3.url);
});

after(async () => {
  client.destroy();
  await s3.close();
});

/** Makes a bucket whose events are collected. */
function collect(bucket: string, versioned = false): EventRecord[] {
  const records: EventRecord[] = [];
  s3.createBucket(bucket, { versioned });
  s3.setNotification(bucket, async (event) => {
    assert.ok('Records' in event && Array.isArray(event.Records));
    records.push(...event.Records);
  });
  return records;
}

test('a put is announced with everything the service tells', async () => {
  const records = collect('told');
  await client.send(new PutObjectCommand({ Bucket: 'told', Key: 'k', Body: 'hello' }));
  await s3.idle();
  const [record] = records;
  assert.ok(record !== undefined && records.length === 1);
  assert.deepEqual(
    [record.eventName, record.eventSource, record.eventVersion, record.awsRegion],
    ['ObjectCreated:Put', 'aws:s3', '2.1', 'us-east-1'],
  );
  assert.match(record.eventTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual([record.s3.bucket.name, record.s3.bucket.arn], ['told', 'arn:aws:s3:::told']);
  const { sequencer, ...object } = record.s3.object;
  assert.deepEqual(object, { key: 'k', size: 5, eTag: '5d41402abc4b2a76b9719d911017c592' });
  assert.match(sequencer, /^00[0-9A-F]{16}$/);
});

test('keys are form-encoded and decode to themselves', async () => {
  const records = collect('encoded');
  const keys = ['red flower.jpg', 'a+b', '100%', 'di r/é☃.txt', '../x//y', 'nul\u0000', "!'()*~&="];
  for (const key of keys) await s3.putObject('encoded', key, 'x');
  await s3.idle();
  const sent = records.map((record) => record.s3.object.key);
  assert.deepEqual(sent.slice(0, 6), [
    'red+flower.jpg',
    'a%2Bb',
    '100%25',
    'di+r/%C3%A9%E2%98%83.txt',
    '../x//y',
    'nul%00',
  ]);
  assert.deepEqual(
    sent.map((key) => decodeURIComponent(key.replaceAll('+', ' '))),
    keys,
  );
});

test('every kind of change has its event name, and versions appear only where there are some', async () => {
  const plain = collect('unversioned');
  const kept = collect('versioned', true);
  for (const Bucket of ['unversioned', 'versioned']) {
    await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }));
    await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/k` }));
    const params = { Bucket, Key: 'parts', Body: Buffer.alloc(5 * 1024 * 1024 + 1) };
    await new Upload({ client, params }).done();
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'k' }));
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'k' }));
  }
  await s3.idle();
  const firstVersion = kept[0]?.s3.object.versionId;
  await client.send(new DeleteObjectCommand({ Bucket: 'versioned', Key: 'k', VersionId: firstVersion }));
  await s3.idle();
  assert.deepEqual(
    plain.map((record) => [
      record.eventName,
      record.s3.object.versionId === undefined,
      record.s3.object.size,
    ]),
    [
      ['ObjectCreated:Put', true, 1],
      ['ObjectCreated:Copy', true, 1],
      ['ObjectCreated:CompleteMultipartUpload', true, 5 * 1024 * 1024 + 1],
      ['ObjectRemoved:Delete', true, undefined],
    ],
  );
  assert.deepEqual(
    kept.map((record) => [record.eventName, record.s3.object.versionId === undefined]),
    [
      ['ObjectCreated:Put', false],
      ['ObjectCreated:Copy', false],
      ['ObjectCreated:CompleteMultipartUpload', false],
      ['ObjectRemoved:DeleteMarkerCreated', false],
      ['ObjectRemoved:DeleteMarkerCreated', false],
      ['ObjectRemoved:Delete', false],
    ],
  );
});

test('the sequencer grows with every change, also within one millisecond', async () => {
  const records = collect('ordered');
  for (let index = 0; index < 50; index += 1) await s3.putObject('ordered', 'k', String(index));
  await s3.idle();
  const sequencers = records.map((record) => record.s3.object.sequencer);
  assert.equal(new Set(sequencers).size, 50);
  assert.deepEqual(sequencers, sequencers.toSorted());
});

test('a refused write is not announced', async () => {
  const records = collect('refused');
  const write = new PutObjectCommand({ Bucket: 'refused', Key: 'k', Body: 'x', IfMatch: '"none"' });
  await assert.rejects(client.send(write));
  await s3.idle();
  assert.deepEqual(records, []);
});

test('a failing function is called three times in all, then the event is kept as undelivered', async () => {
  let calls = 0;
  s3.createBucket('failing');
  s3.setNotification('failing', async () => {
    calls += 1;
    if (calls !== 2) throw new Error('not now');
  });
  await s3.putObject('failing', 'second try', 'x');
  await s3.idle();
  assert.deepEqual([calls, s3.undelivered.length], [2, 0]);
  await s3.putObject('failing', 'never', 'x');
  await s3.idle();
  assert.deepEqual([calls, s3.undelivered.length], [5, 1]);
});

test('an address gets the test event at once and each change as JSON, again until it answers 2xx', async () => {
  const posts: { headers: IncomingMessage['headers']; body: string }[] = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      posts.push({ headers: request.headers, body });
      response.writeHead(posts.length === 2 ? 503 : 202).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const address = receiver.address();
  assert.ok(typeof address === 'object' && address !== null);
  s3.createBucket('posted');
  s3.setNotification('posted', `http://127.0.0.1:${address.port}/v1/events`, {
    headers: { authorization: 'Bearer key' },
  });
  await s3.idle();
  await s3.putObject('posted', 'k', 'x');
  await s3.idle();
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
  assert.equal(posts.length, 3);
  const [testEvent, refused, repeated] = posts.map((post) => post.body);
  assert.match(testEvent ?? '', /"Event":"s3:TestEvent"/);
  assert.doesNotMatch(testEvent ?? '', /Records/);
  assert.equal(refused, repeated);
  assert.match(repeated ?? '', /"eventName":"ObjectCreated:Put"/);
  assert.deepEqual(
    posts.map(({ headers }) => [headers['content-type'], headers.authorization]),
    Array.from({ length: 3 }, () => ['application/json', 'Bearer key']),
  );
});

test('an event that is given up is told with its key and the last reason', async () => {
  const receiver = createServer((_request, response) => response.writeHead(503).end());
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const address = receiver.address();
  assert.ok(typeof address === 'object' && address !== null);
  const told: Undelivered[] = [];
  const onUndelivered = (failure: Undelivered): void => void told.push(failure);
  s3.createBucket('told-about');
  s3.setNotification('told-about', `http://127.0.0.1:${address.port}/`, { onUndelivered });
  await s3.putObject('told-about', 'refused', 'x');
  await s3.idle();
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
  await s3.putObject('told-about', 'nobody there', 'x');
  await s3.idle();
  assert.deepEqual(told, [
    { key: null, reason: 'the answer was 503', status: 503 },
    { key: 'refused', reason: 'the answer was 503', status: 503 },
    { key: 'nobody there', reason: 'ECONNREFUSED', status: null },
  ]);
});

test('closing does not wait for a function that never ends', async () => {
  const other = await startSandboxS3(testCredentials);
  other.createBucket('stuck');
  other.setNotification('stuck', async () => new Promise<void>(() => {}));
  await other.putObject('stuck', 'k', 'x');
  await other.close();
});
