import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestName } from '../core/nearest-name.ts';
import {
  baseUrl,
  byteCount,
  emulatorUrl,
  isLoopbackHost,
  key32Bytes,
  listenHost,
  onOff,
  type Parse,
  secondsAsMs,
  sourceBuckets,
  targetBucket,
  wholeNumber,
} from './setting-parsers.ts';

function valueOf<T>(parse: Parse<T>, text: string): T {
  const parsed = parse(text);
  assert.ok(parsed.ok, `${JSON.stringify(text)} must be understood`);
  return parsed.value;
}

function reasonOf(parse: Parse<unknown>, text: string): string {
  const parsed = parse(text);
  assert.ok(!parsed.ok, `${JSON.stringify(text)} must be refused`);
  assert.ok(parsed.fix.length > 0);
  return parsed.reason;
}

test('bytes are read plain and with decimal and binary units', () => {
  const parse = byteCount({ min: 1, max: 2 ** 40 });
  const expected = {
    '8388608': 8388608,
    '8MiB': 8388608,
    '8 mib': 8388608,
    '1g': 2 ** 30,
    '5MB': 5_000_000,
    '7b': 7,
  };
  for (const [text, bytes] of Object.entries(expected)) assert.equal(valueOf(parse, text), bytes);
  for (const text of ['', '-1', '1.5MiB', 'MiB', '8 megs', '0x10', '1e6']) reasonOf(parse, text);
});

test('a chunk size that is no multiple of 256 KiB or is out of range is refused with the number understood', () => {
  const parse = byteCount({ min: 262_144, max: 67_108_864, multipleOf: 262_144 });
  assert.match(reasonOf(parse, '8MB'), /8000000 bytes, which is not a multiple of 262144/);
  assert.match(reasonOf(parse, '65MiB'), /out of range/);
  assert.match(reasonOf(parse, '1'), /out of range/);
  assert.equal(valueOf(parse, '64MiB'), 67_108_864);
});

test('whole numbers and seconds hold their limits, both included', () => {
  assert.equal(valueOf(wholeNumber(0, 65_535), '65535'), 65_535);
  for (const text of ['65536', '-1', '1.0', '1e3', 'ten']) reasonOf(wholeNumber(0, 65_535), text);
  assert.equal(valueOf(secondsAsMs(0.001, 300), '0.25'), 250);
  assert.equal(valueOf(secondsAsMs(1, 300), '300'), 300_000);
  for (const text of ['0', '301', '-5', '1s', '.5']) reasonOf(secondsAsMs(1, 300), text);
});

test('a switch is read in its usual spellings and nothing else', () => {
  assert.deepEqual(
    ['1', 'TRUE', 'yes', '0', 'off'].map((text) => valueOf(onOff, text)),
    [true, true, true, false, false],
  );
  reasonOf(onOff, '2');
});

test('a bucket list is split, and mixing * with names, doubles and URLs are refused', () => {
  assert.deepEqual(valueOf(sourceBuckets, 'one-a, two-b three-c'), ['one-a', 'two-b', 'three-c']);
  assert.deepEqual(valueOf(sourceBuckets, '*'), ['*']);
  assert.match(reasonOf(sourceBuckets, 'one-a,*'), /mixes/);
  assert.match(reasonOf(sourceBuckets, 'one-a,one-a'), /twice/);
  assert.match(reasonOf(sourceBuckets, 's3://one-a'), /bare/);
  assert.match(reasonOf(sourceBuckets, 'arn:aws:s3:::one-a'), /bare/);
  assert.match(reasonOf(targetBucket, 'gs://one-a/x'), /bare/);
  reasonOf(targetBucket, 'Upper');
});

test('an endpoint is scheme, host and port only', () => {
  assert.equal(valueOf(baseUrl, 'http://127.0.0.1:9000/'), 'http://127.0.0.1:9000');
  assert.match(reasonOf(baseUrl, 'https://user:pass@host'), /user name or password/);
  assert.match(reasonOf(baseUrl, 'https://host/path'), /more than/);
  assert.match(reasonOf(baseUrl, 'ftp://host'), /not an http/);
  reasonOf(baseUrl, 'host:9000 or so');
});

test('an emulator may be named without a scheme', () => {
  assert.equal(valueOf(emulatorUrl, 'localhost:4443'), 'http://localhost:4443');
  assert.equal(valueOf(emulatorUrl, '127.0.0.1:4443'), 'http://127.0.0.1:4443');
  assert.equal(valueOf(emulatorUrl, '[::1]:4443'), 'http://[::1]:4443');
  assert.equal(valueOf(emulatorUrl, 'https://gcs.example.com'), 'https://gcs.example.com');
});

test('an encryption key is 32 bytes in hex, base64 or base64url', () => {
  const bytes = Buffer.alloc(32, 0xfb);
  for (const encoding of ['hex', 'base64', 'base64url'] as const)
    assert.deepEqual(Buffer.from(valueOf(key32Bytes, bytes.toString(encoding)).reveal()), bytes);
  assert.match(reasonOf(key32Bytes, Buffer.alloc(16).toString('base64')), /16 bytes/);
  assert.match(reasonOf(key32Bytes, 'no spaces allowed'), /neither/);
});

test('an address to listen on is a name or an address alone', () => {
  assert.deepEqual(
    ['0.0.0.0', 'localhost', '::', '[::1]'].map((text) => valueOf(listenHost, text)),
    ['0.0.0.0', 'localhost', '::', '::1'],
  );
  for (const text of ['0.0.0.0:8080', 'localhost:']) assert.match(reasonOf(listenHost, text), /port/);
  for (const text of ['http://0.0.0.0', 'a b', 'a/b']) reasonOf(listenHost, text);
});

test('only names and addresses of this machine are loopback', () => {
  for (const host of ['localhost', 'LOCALHOST', 'a.localhost', '127.0.0.1', '127.9.9.9', '::1', '[::1]'])
    assert.ok(isLoopbackHost(host), host);
  for (const host of [
    '0.0.0.0',
    '::',
    '127.0.0.1.example.com',
    'localhost.example.com',
    '10.0.0.1',
    '128.0.0.1',
  ])
    assert.ok(!isLoopbackHost(host), host);
});

test('the nearest name is found for a typing error and not for another word', () => {
  const names = ['REPLICATOR_API_KEYS', 'REPLICATOR_API_KEY', 'REPLICATOR_DATA_DIR'];
  assert.equal(nearestName('REPLICATOR_API_KEYZ', names), 'REPLICATOR_API_KEYS');
  assert.equal(nearestName('replicator_datadir', names), 'REPLICATOR_DATA_DIR');
  assert.equal(nearestName('REPLICATOR_COLOUR_OF_LOG', names), null);
  assert.equal(nearestName('x', ['name']), null);
});
