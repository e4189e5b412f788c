// Contract of the object target, first part: look, insert, metadata, remove, list.
import assert from 'node:assert/strict';
import type { ObjectLocation, TargetToken } from '../../src/core/object.ts';
import type { EffectAnswer, TargetListEntry } from '../../src/core/object-target.ts';
import {
  assertAbsent,
  assertBytes,
  assertConflict,
  assertFault,
  bytesOf,
  type Check,
  type CheckContext,
  checksumOf,
  committed,
  DEADLINE_MS,
  DEFAULT_PLACEMENT,
  insertBytes,
  live,
  metadataWith,
  patternBytes,
  present,
  put,
} from './object-target-fixture.ts';

const FULL_METADATA = {
  contentType: 'text/html; charset=utf-8',
  cacheControl: 'max-age=60',
  contentDisposition: 'attachment; filename="a b.txt"',
  contentLanguage: 'de',
  contentEncoding: 'gzip',
  custom: { plain: 'value', empty: '', 'with-dash': 'Grüße, 世界 🙂', quotes: '"<script>\\' },
};

const insertChecks = {
  'an object that is not there is absent': async (context) => {
    await assertAbsent(context, context.at('never-written'));
  },
  'an insert makes the object visible as the answer says': async (context) => {
    const location = context.at('new');
    const bytes = patternBytes(70_000);
    const object = committed(await insertBytes(context, location, bytes, 'absent', FULL_METADATA));
    assert.equal(object.sizeBytes, bytes.length);
    assert.equal(object.crc32c, checksumOf(bytes));
    assert.deepEqual({ ...object.metadata, custom: { ...object.metadata.custom } }, FULL_METADATA);
    assert.deepEqual(await present(context, location), object);
    await assertBytes(context, location, bytes);
  },
  'an empty object is an object': async (context) => {
    const location = context.at('empty');
    const object = committed(await insertBytes(context, location, bytesOf(''), 'absent'));
    assert.equal(object.sizeBytes, 0);
    assert.equal(object.crc32c, 'AAAAAA==');
    await assertBytes(context, location, bytesOf(''));
  },
  'bytes that look like the frame of the request arrive unchanged': async (context) => {
    const location = context.at('frame');
    const bytes = bytesOf('\r\n--part\r\nContent-Type: text/plain\r\n\r\n{}\r\n--part--\r\n');
    committed(await insertBytes(context, location, bytes, 'absent'));
    await assertBytes(context, location, bytes);
  },
  'an insert at the token replaces bytes and metadata': async (context) => {
    const location = context.at('replaced');
    const first = await put(context, location, 'one', 'absent', metadataWith({ a: '1', b: '2' }));
    const second = await put(context, location, 'two', first.token, metadataWith({ b: '3' }));
    assert.notEqual(second.token, first.token);
    assert.notEqual(second.generation, first.generation);
    assert.deepEqual({ ...second.metadata.custom }, { b: '3' });
    await assertBytes(context, location, bytesOf('two'));
  },
  'an insert when absent does not touch a present object': async (context) => {
    const location = context.at('taken');
    const first = await put(context, location, 'first');
    assertConflict(await insertBytes(context, location, bytesOf('second'), 'absent'));
    assert.deepEqual(await present(context, location), first);
    await assertBytes(context, location, bytesOf('first'));
  },
  'an insert at a token conflicts after somebody else wrote': async (context) => {
    const location = context.at('raced');
    const first = await put(context, location, 'first');
    await context.foreignWrite(location, bytesOf('foreign'));
    assertConflict(await insertBytes(context, location, bytesOf('second'), first.token));
    await assertBytes(context, location, bytesOf('foreign'));
  },
  'an insert at a token conflicts after the metadata changed': async (context) => {
    const location = context.at('renamed');
    const first = await put(context, location, 'first');
    await update(context, location, first.token, { a: '1' });
    assertConflict(await insertBytes(context, location, bytesOf('second'), first.token));
    await assertBytes(context, location, bytesOf('first'));
  },
  'an insert at a token conflicts where the object is gone': async (context) => {
    const location = context.at('gone');
    const first = await put(context, location, 'first');
    await removeAt(context, location, first.token);
    assertConflict(await insertBytes(context, location, bytesOf('second'), first.token));
    await assertAbsent(context, location);
  },
  'bytes that do not match their checksum never become visible': async (context) => {
    const location = context.at('damaged');
    const request = {
      location,
      condition: 'absent' as const,
      metadata: metadataWith({}),
      placement: DEFAULT_PLACEMENT,
      body: bytesOf('damaged'),
      crc32c: checksumOf(bytesOf('correct')),
      deadlineMs: DEADLINE_MS,
    };
    await assertFault(context.target.insert(request, live()), 'target_checksum_mismatch');
    await assertAbsent(context, location);
  },
} as const satisfies Record<string, Check>;

const metadataChecks = {
  'a metadata update replaces the whole metadata and nothing else': async (context) => {
    const location = context.at('updated');
    const first = await put(context, location, 'bytes', 'absent', FULL_METADATA);
    const next = { ...metadataWith({ plain: 'other', added: 'ü' }), contentType: 'application/json' };
    const answer = await context.target.updateMetadata(
      { location, token: first.token, metadata: next, deadlineMs: DEADLINE_MS },
      live(),
    );
    const second = committed(answer);
    assert.deepEqual({ ...second.metadata, custom: { ...second.metadata.custom } }, next);
    assert.equal(second.generation, first.generation);
    assert.equal(second.crc32c, first.crc32c);
    assert.notEqual(second.token, first.token);
    assert.deepEqual(await present(context, location), second);
    await assertBytes(context, location, bytesOf('bytes'));
  },
  'a metadata update can remove all custom metadata': async (context) => {
    const location = context.at('cleared');
    const first = await put(context, location, 'bytes', 'absent', metadataWith({ a: '1', b: '2' }));
    const second = committed(await update(context, location, first.token, {}));
    assert.deepEqual({ ...second.metadata.custom }, {});
  },
  'a metadata update conflicts at a token that another update made stale': async (context) => {
    const location = context.at('updated-twice');
    const first = await put(context, location, 'bytes');
    committed(await update(context, location, first.token, { by: 'one' }));
    assertConflict(await update(context, location, first.token, { by: 'two' }));
    assert.deepEqual({ ...(await present(context, location)).metadata.custom }, { by: 'one' });
  },
  'a metadata update never lands on newer bytes, although their metageneration is the same': async (
    context,
  ) => {
    const location = context.at('updated-late');
    const first = await put(context, location, 'old');
    await put(context, location, 'new', first.token, metadataWith({ by: 'new' }));
    assertConflict(await update(context, location, first.token, { by: 'late' }));
    assert.deepEqual({ ...(await present(context, location)).metadata.custom }, { by: 'new' });
  },
  'a metadata update of an absent object conflicts': async (context) => {
    const location = context.at('updated-gone');
    const first = await put(context, location, 'bytes');
    await removeAt(context, location, first.token);
    assertConflict(await update(context, location, first.token, { a: '1' }));
    await assertAbsent(context, location);
  },
  'more custom metadata than fits is refused': async (context) => {
    const location = context.at('too-much');
    const custom = Object.fromEntries(
      Array.from({ length: 3 }, (_, index) => [`name-${index}`, 'x'.repeat(3_900)]),
    );
    await assertFault(
      insertBytes(context, location, bytesOf('bytes'), 'absent', metadataWith(custom)),
      'metadata_too_large',
    );
    await assertAbsent(context, location);
  },
} as const satisfies Record<string, Check>;

const removeChecks = {
  'a removal at the token removes the object': async (context) => {
    const location = context.at('removed');
    const first = await put(context, location, 'bytes');
    assert.deepEqual(await removeAt(context, location, first.token), { kind: 'committed', object: null });
    await assertAbsent(context, location);
    assertConflict(await removeAt(context, location, first.token));
    await put(context, location, 'again', 'absent');
  },
  'a removal conflicts after the bytes were replaced': async (context) => {
    const location = context.at('removed-late');
    const first = await put(context, location, 'old');
    await put(context, location, 'new', first.token);
    assertConflict(await removeAt(context, location, first.token));
    await assertBytes(context, location, bytesOf('new'));
  },
  'a removal conflicts after the metadata changed': async (context) => {
    const location = context.at('removed-updated');
    const first = await put(context, location, 'bytes');
    await update(context, location, first.token, { wanted: 'yes' });
    assertConflict(await removeAt(context, location, first.token));
    await assertBytes(context, location, bytesOf('bytes'));
  },
} as const satisfies Record<string, Check>;

const listChecks = {
  'a listing shows every object below the prefix once, in byte order, page by page': async (context) => {
    const names = ['b', 'a/2', 'a/1', 'Z', 'é', 'a', '😀', '\uff5e'];
    const prefix = context.at('list/').key;
    const objects = new Map<string, unknown>();
    for (const name of names)
      objects.set(prefix + name, await put(context, context.at(`list/${name}`), name));
    await put(context, context.at('listed-elsewhere'), 'x');
    const entries: TargetListEntry[] = [];
    let cursor: string | null = null;
    let pageCount = 0;
    do {
      const page = await context.target.list({ bucket: context.bucket, prefix, cursor, limit: 3 }, live());
      assert.ok(page.entries.length <= 3, `A page of ${page.entries.length} entries`);
      entries.push(...page.entries);
      cursor = page.nextCursor;
      pageCount += 1;
    } while (cursor !== null && pageCount < 10);
    const sorted = [...objects.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(
      entries.map(({ key }) => key),
      sorted,
    );
    for (const { key, object } of entries) assert.deepEqual(object, objects.get(key));
  },
  'a listing behind a name has what comes after it in byte order, page by page': async (context) => {
    const prefix = context.at('behind/').key;
    const names = ['a', 'a b', 'a/b', 'ab', 'é', '\uff5e', '😀'].map((name) => prefix + name);
    for (const name of names) await put(context, { bucket: context.bucket, key: name }, name);
    const bytes = names.map((name) => Buffer.from(name)).sort((a, b) => Buffer.compare(a, b));
    for (const after of [...names, `${prefix}a/`, `${prefix}zz`, prefix]) {
      const found: string[] = [];
      let cursor: string | null = null;
      do {
        const request = { bucket: context.bucket, prefix, after, cursor, limit: 2 };
        const page = await context.target.list(request, live());
        found.push(...page.entries.map(({ key }) => key));
        cursor = page.nextCursor;
      } while (cursor !== null);
      const behind = bytes.filter((name) => Buffer.compare(name, Buffer.from(after)) > 0).map(String);
      assert.deepEqual(found, behind, `behind ${JSON.stringify(after)}`);
    }
  },
  'a listing of nothing is one empty page': async (context) => {
    const request = { bucket: context.bucket, prefix: context.at('nothing/').key, cursor: null, limit: 10 };
    assert.deepEqual(await context.target.list(request, live()), { entries: [], nextCursor: null });
  },
} as const satisfies Record<string, Check>;

const refusalChecks = {
  'a missing bucket is a fault, never an absent object': async (context) => {
    const location = { bucket: `${context.bucket}-that-is-not-there`, key: 'key' };
    const { target } = context;
    await assertFault(target.look(location, live()), 'target_bucket_missing');
    await assertFault(insertBytes(context, location, bytesOf('x'), 'absent'), 'target_bucket_missing');
    const listing = { bucket: location.bucket, prefix: '', cursor: null, limit: 10 };
    await assertFault(target.list(listing, live()), 'target_bucket_missing');
    const upload = {
      location,
      condition: 'absent' as const,
      metadata: metadataWith({}),
      placement: DEFAULT_PLACEMENT,
    };
    await assertFault(target.openUpload(upload, live()), 'target_bucket_missing');
    const { token } = await put(context, context.at('elsewhere'), 'x');
    await assertFault(removeAt(context, location, token), 'target_bucket_missing');
    await assertFault(update(context, location, token, {}), 'target_bucket_missing');
  },
  'an aborted signal rejects with its reason and nothing happens': async (context) => {
    const reason = new Error('the reason of the test');
    const signal = AbortSignal.abort(reason);
    const location = context.at('aborted');
    const { token } = await put(context, context.at('aborted-present'), 'x');
    const { target } = context;
    const isReason = (error: unknown): boolean => error === reason;
    await assert.rejects(target.look(location, signal), isReason);
    const insert = {
      location,
      condition: 'absent' as const,
      metadata: metadataWith({}),
      placement: DEFAULT_PLACEMENT,
      body: bytesOf('x'),
      crc32c: checksumOf(bytesOf('x')),
      deadlineMs: DEADLINE_MS,
    };
    await assert.rejects(target.insert(insert, signal), isReason);
    const remove = { location: context.at('aborted-present'), token, deadlineMs: DEADLINE_MS };
    await assert.rejects(target.remove(remove, signal), isReason);
    await assert.rejects(target.updateMetadata({ ...remove, metadata: metadataWith({}) }, signal), isReason);
    await assertAbsent(context, location);
    assert.equal((await present(context, remove.location)).token, token);
  },
} as const satisfies Record<string, Check>;

export const OBJECT_CHECKS = {
  ...insertChecks,
  ...metadataChecks,
  ...removeChecks,
  ...listChecks,
  ...refusalChecks,
} as const;

async function update(
  { target }: CheckContext,
  location: ObjectLocation,
  token: TargetToken,
  custom: Readonly<Record<string, string>>,
): Promise<EffectAnswer> {
  return await target.updateMetadata(
    { location, token, metadata: metadataWith(custom), deadlineMs: DEADLINE_MS },
    live(),
  );
}

async function removeAt(
  { target }: CheckContext,
  location: ObjectLocation,
  token: TargetToken,
): Promise<EffectAnswer> {
  return await target.remove({ location, token, deadlineMs: DEADLINE_MS }, live());
}
