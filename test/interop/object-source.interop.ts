// Our S3 driver against servers that others wrote: what it looks at, reads, pins and lists, and what it takes for
// proof of absence. A check that a server cannot stand is skipped with the reason.
import assert from 'node:assert/strict';
import { after, before, describe, it, test } from 'node:test';
import { Fault } from '../../src/core/faults.ts';
import type { SourceState } from '../../src/core/object.ts';
import type { ObjectSource, SourceRead } from '../../src/core/object-source.ts';
import { patternBytes } from '../contract/object-target-fixture.ts';
import { serverAddress } from './addresses.ts';
import { openS3Bucket, type S3Bucket } from './s3-bucket.ts';
import type { ServerAddress, ServerName } from './servers.ts';

const ODD_KEYS = [
  'a b/c+d ☃.txt',
  '100%',
  'percent%2Bplus',
  'a//b',
  '/lead',
  'a/../b',
  './dot',
  'd',
  'd/e',
  'folder/',
  'tab\tand\u0001control',
  'line\nfeed',
  'e\u0301',
  '\u00e9',
  '\u{1f600}',
  '\uff5e',
  '__proto__',
  'k'.repeat(1024),
] as const;

const CHECKS = {
  'a look tells what was put': async ({ source, bucket, put }) => {
    const bytes = patternBytes(70_001);
    await put('told', bytes, {
      ContentType: 'text/html; charset=utf-8',
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="a b.txt"',
      ContentLanguage: 'de',
      Metadata: { colour: 'red', 'with-dash': 'two words' },
      ChecksumAlgorithm: 'CRC32C',
    });
    const state = await present(source, bucket, 'told');
    assert.equal(state.sizeBytes, bytes.length);
    assert.match(state.etag, /^[0-9a-f]{32}$/);
    assert.ok(Math.abs(state.lastModifiedMs - Date.now()) < 3_600_000);
    assert.equal(state.checksum?.algorithm, 'crc32c');
    assert.equal(state.checksum?.kind, 'full_object');
    const { metadata } = state;
    assert.equal(metadata.contentType, 'text/html; charset=utf-8');
    assert.equal(metadata.cacheControl, 'max-age=60');
    assert.equal(metadata.contentDisposition, 'attachment; filename="a b.txt"');
    assert.equal(metadata.contentLanguage, 'de');
    assert.deepEqual({ ...metadata.user }, { colour: 'red', 'with-dash': 'two words' });
  },
  'a read without a pin is its own look, and a pinned one goes on from any byte': async ({
    source,
    bucket,
    put,
  }) => {
    const bytes = patternBytes(3_000_017);
    await put('ranged', bytes);
    const whole = await open(source, bucket, 'ranged', null, 0);
    assert.deepEqual(await collect(whole), Buffer.from(bytes));
    const { state } = whole;
    assert.deepEqual(state, await present(source, bucket, 'ranged'));
    for (const startByte of [0, 1, 1_000_000, bytes.length - 1]) {
      const rest = await open(source, bucket, 'ranged', state, startByte);
      assert.deepEqual(rest.state, state, 'a range shows the state of the whole');
      assert.deepEqual(await collect(rest), Buffer.from(bytes.subarray(startByte)));
    }
  },
  'an empty object is read': async ({ source, bucket, put }) => {
    await put('empty', Buffer.of());
    const read = await open(source, bucket, 'empty', null, 0);
    assert.equal(read.state.sizeBytes, 0);
    assert.equal((await collect(read)).length, 0);
  },
  'a pinned read of replaced or removed bytes says that they changed': async (fixture) => {
    const { source, bucket, put, remove } = fixture;
    await put('pinned', patternBytes(1000));
    const pin = await present(source, bucket, 'pinned');
    await put('pinned', patternBytes(2000));
    const read = { location: { bucket, key: 'pinned' }, pin, startByte: 10 };
    assert.deepEqual(await source.read(read, live()), { kind: 'changed' });
    await remove('pinned');
    assert.deepEqual(await source.read(read, live()), { kind: 'changed' });
  },
  'stored gzip arrives as it is stored': async ({ source, bucket, put }) => {
    const bytes = Buffer.from('H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==', 'base64');
    await put('zipped', bytes, { ContentEncoding: 'gzip', ContentType: 'text/plain' });
    const read = await open(source, bucket, 'zipped', null, 0);
    assert.equal(read.state.metadata.contentEncoding, 'gzip');
    assert.deepEqual(await collect(read), bytes);
  },
  'an object that is not there is proved absent': async ({ source, bucket, put, remove }) => {
    const location = { bucket, key: 'never' };
    assert.deepEqual(await source.look(location, live()), { kind: 'absent', proof: 'no_such_key' });
    const read = { location, pin: null, startByte: 0 };
    assert.deepEqual(await source.read(read, live()), { kind: 'absent', proof: 'no_such_key' });
    await put('gone', patternBytes(10));
    await remove('gone');
    const gone = await source.look({ bucket, key: 'gone' }, live());
    assert.deepEqual(gone, { kind: 'absent', proof: 'no_such_key' });
  },
  'a bucket that is not there is a fault and proves nothing': async ({ source, bucket }) => {
    const location = { bucket: `${bucket}-missing`, key: 'k' };
    await assertFault(source.look(location, live()), 'source_bucket_missing');
    await assertFault(source.read({ location, pin: null, startByte: 0 }, live()), 'source_bucket_missing');
    const listing = { bucket: location.bucket, prefix: '', cursor: null, limit: 10 };
    await assertFault(source.list(listing, live()), 'source_bucket_missing');
  },
  'odd keys are read byte by byte': async ({ source, bucket, put }) => {
    for (const key of ODD_KEYS) await put(key, key.endsWith('/') ? Buffer.of() : Buffer.from(key));
    for (const key of ODD_KEYS) {
      const read = await open(source, bucket, key, null, 0);
      assert.equal((await collect(read)).toString(), key.endsWith('/') ? '' : key);
    }
  },
  'odd keys are listed byte by byte, in byte order, on one page': async ({ source, bucket, put }) => {
    const names = ODD_KEYS.filter((key) => key.length < 1000 && !key.startsWith('/')).map(
      (key) => `odd/${key}`,
    );
    for (const key of names) await put(key, Buffer.of());
    assert.deepEqual(await listAll(source, bucket, 'odd/', 1000), names.toSorted(byBytes));
  },
  'every key is listed once, page by page': async ({ source, bucket, put }) => {
    const names = ['a/1', 'a/2', 'a b', 'b+c', 'Z', 'é', 'x&y', 'tail'].map((name) => `plain/${name}`);
    for (const key of names) await put(key, Buffer.from(key));
    assert.deepEqual(await listAll(source, bucket, 'plain/', 3), names.toSorted(byBytes));
  },
} as const satisfies Record<string, (fixture: S3Bucket) => Promise<void>>;

const VERSION_CHECKS = {
  'an overwritten object has another version, and a pin to the old one says changed': async (fixture) => {
    const { source, bucket, put } = fixture;
    await put('versioned', patternBytes(100));
    const first = await present(source, bucket, 'versioned');
    await put('versioned', patternBytes(200));
    const second = await present(source, bucket, 'versioned');
    assert.ok(first.versionId !== null && second.versionId !== null);
    assert.notEqual(first.versionId, second.versionId);
  },
  'a delete marker proves absence': async ({ source, bucket, put, remove }) => {
    await put('marked', patternBytes(100));
    await remove('marked');
    const location = { bucket, key: 'marked' };
    assert.deepEqual(await source.look(location, live()), { kind: 'absent', proof: 'delete_marker' });
    const read = { location, pin: null, startByte: 0 };
    assert.deepEqual(await source.read(read, live()), { kind: 'absent', proof: 'delete_marker' });
  },
} as const satisfies Record<string, (fixture: S3Bucket) => Promise<void>>;

const WRONG_SECRET = 'a wrong secret is refused as such';
type CheckName = keyof typeof CHECKS | keyof typeof VERSION_CHECKS | typeof WRONG_SECRET;

const KEYS_ARE_PATHS = 'Its keys are paths of a file system: some are refused, others fall together.';

/** Where a server differs from S3: the check and the reason. */
const DEVIATIONS: readonly {
  readonly name: ServerName;
  readonly skip: Readonly<Partial<Record<CheckName, string>>>;
}[] = [
  {
    name: 'versitygw',
    skip: {
      'odd keys are read byte by byte': KEYS_ARE_PATHS,
      'odd keys are listed byte by byte, in byte order, on one page': KEYS_ARE_PATHS,
    },
  },
  {
    name: 'localstack',
    skip: {
      'every key is listed once, page by page':
        'It compares encoded keys with the token of the page before, and loses keys that have to be encoded.',
      [WRONG_SECRET]: 'It verifies no signature.',
    },
  },
];

for (const { name, skip } of DEVIATIONS) {
  const address = serverAddress(name);
  if ('reason' in address) test(`S3 driver on ${name}`, { skip: address.reason }, () => {});
  else registerChecks(name, address, skip);
}

function registerChecks(
  name: ServerName,
  address: ServerAddress,
  skip: Readonly<Partial<Record<CheckName, string>>>,
): void {
  for (const isVersioned of [false, true])
    describe(`S3 driver on ${name}, ${isVersioned ? 'with' : 'without'} versions`, () => {
      let fixture: S3Bucket;
      before(async () => {
        fixture = await openS3Bucket(address, isVersioned ? 'versions' : 'plain', { isVersioned });
      });
      after(async () => fixture.close());
      for (const [title, check] of Object.entries(isVersioned ? VERSION_CHECKS : CHECKS))
        it(title, { skip: skip[title as CheckName] ?? false }, async () => check(fixture));
    });
  test(`S3 driver on ${name}: ${WRONG_SECRET}`, { skip: skip[WRONG_SECRET] ?? false }, async () => {
    const secretAccessKey = 'not-the-secret';
    const fixture = await openS3Bucket(address, 'secret', { isVersioned: false, secretAccessKey });
    try {
      const location = { bucket: fixture.bucket, key: 'k' };
      await assertFault(fixture.source.look(location, live()), 'credentials_invalid');
    } finally {
      await fixture.close();
    }
  });
}

function live(): AbortSignal {
  return new AbortController().signal;
}

async function present(source: ObjectSource, bucket: string, key: string): Promise<SourceState> {
  const look = await source.look({ bucket, key }, live());
  assert.ok(look.kind === 'present', `${key} is absent`);
  return look.state;
}

type OpenBody = Extract<SourceRead, { kind: 'body' }>;

async function open(
  source: ObjectSource,
  bucket: string,
  key: string,
  pin: SourceState | null,
  startByte: number,
): Promise<OpenBody> {
  const read = await source.read({ location: { bucket, key }, pin, startByte }, live());
  assert.ok(read.kind === 'body', `Reading ${key} says ${read.kind}`);
  return read;
}

async function collect({ body }: OpenBody): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  // A chunk is valid only until the next is asked for.
  for await (const chunk of body) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

async function listAll(
  source: ObjectSource,
  bucket: string,
  prefix: string,
  limit: number,
): Promise<string[]> {
  const keys: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await source.list({ bucket, prefix, cursor, limit }, live());
    assert.ok(page.entries.length <= limit, `A page of ${page.entries.length} entries`);
    keys.push(...page.entries.map((entry) => entry.key));
    cursor = page.nextCursor;
  } while (cursor !== null && keys.length < 1000);
  return keys;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

async function assertFault(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof Fault, `Not a fault: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}
