// Looks, lists and aborts: the part of the object source contract that moves no bytes.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { crc32c, crc32cToBase64 } from '../../src/core/checksum.ts';
import type { SourceListEntry } from '../../src/core/object-source.ts';
import {
  assertFault,
  bytesOf,
  live,
  openRead,
  type SourceCheck,
  type SourceCheckContext,
  stateOf,
} from './object-source-fixture.ts';

/** Every entry below the check's prefix, read in pages of `limit`. */
async function listAll(context: SourceCheckContext, limit: number): Promise<SourceListEntry[]> {
  const { source, bucket, prefix } = context;
  const entries: SourceListEntry[] = [];
  let cursor: string | null = null;
  do {
    const page = await source.list({ bucket, prefix, cursor, limit }, live());
    assert.ok(
      page.entries.length <= limit,
      `A page has ${page.entries.length} entries, ${limit} were asked for`,
    );
    entries.push(...page.entries);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return entries;
}

export const LOOK_CHECKS = {
  'an object that is there is present, with what identifies it': async (context) => {
    const location = context.at('k');
    const bytes = Buffer.from('some bytes');
    const beforeMs = Date.now();
    await context.put(location, bytes, {});
    const state = await stateOf(context, location);
    assert.equal(state.sizeBytes, bytes.length);
    assert.match(state.etag, /^[^"]+$/);
    assert.equal(state.versionId, null);
    assert.ok(Math.abs(state.lastModifiedMs - beforeMs) < 3_600_000, `Changed at ${state.lastModifiedMs}`);
    assert.equal(state.lastModifiedMs % 1000, 0, 'Times are whole seconds, in looks and lists alike');
    if (state.md5 !== null) assert.equal(state.md5, createHash('md5').update(bytes).digest('base64'));
    if (state.checksum?.algorithm === 'crc32c' && state.checksum.kind === 'full_object') {
      assert.equal(state.checksum.value, crc32cToBase64(crc32c(bytes)));
    }
  },

  'an object that never was is absent': async (context) => {
    for (const location of [context.at('never'), context.versionedAt('never')]) {
      assert.deepEqual(await context.source.look(location, live()), { kind: 'absent', proof: 'no_such_key' });
    }
  },

  'a removed object is absent': async (context) => {
    const location = context.at('k');
    await context.putText(location, 'text');
    await context.remove(location);
    assert.deepEqual(await context.source.look(location, live()), { kind: 'absent', proof: 'no_such_key' });
  },

  'a removed object in a bucket with versions is absent by its delete marker': async (context) => {
    const location = context.versionedAt('k');
    await context.putText(location, 'text');
    await context.remove(location);
    assert.deepEqual(await context.source.look(location, live()), { kind: 'absent', proof: 'delete_marker' });
    await context.putText(location, 'again');
    assert.equal((await stateOf(context, location)).sizeBytes, 5);
  },

  'a missing bucket is a fault, never an absent object or an empty list': async (context) => {
    const { source, missingBucket: bucket } = context;
    const location = { bucket, key: 'k' };
    await assertFault(source.look(location, live()), 'source_bucket_missing');
    await assertFault(source.read({ location, pin: null, startByte: 0 }, live()), 'source_bucket_missing');
    await assertFault(
      source.list({ bucket, prefix: '', cursor: null, limit: 10 }, live()),
      'source_bucket_missing',
    );
  },

  'a look and a read of the whole show one and the same state': async (context) => {
    for (const location of [context.at('k'), context.versionedAt('k')]) {
      await context.putText(location, 'text', { contentType: 'text/plain', user: { a: 'b' } });
      const read = await openRead(context, location, null, 0);
      read.discard();
      assert.deepEqual(await stateOf(context, location), read.state);
    }
  },

  'another state is told apart by what identifies it': async (context) => {
    const location = context.versionedAt('k');
    await context.putText(location, 'same');
    const first = await stateOf(context, location);
    await context.putText(location, 'same');
    const second = await stateOf(context, location);
    assert.equal(second.etag, first.etag);
    assert.notEqual(second.versionId, first.versionId);
    assert.notEqual(second.versionId, null);
  },

  'content headers and user metadata are those that were stored': async (context) => {
    const location = context.at('k');
    const user = { plain: 'value', unicode: 'Grüße 😀', spaced: 'a  b', 'with-dash_and.dot': '=?x' };
    await context.putText(location, 'text', {
      contentType: 'text/plain; charset=utf-8',
      cacheControl: 'public, max-age=60',
      contentDisposition: 'attachment; filename="a b.txt"',
      contentLanguage: 'de, en',
      contentEncoding: 'gzip',
      user,
    });
    const { metadata } = await stateOf(context, location);
    assert.equal(metadata.contentType, 'text/plain; charset=utf-8');
    assert.equal(metadata.cacheControl, 'public, max-age=60');
    assert.equal(metadata.contentDisposition, 'attachment; filename="a b.txt"');
    assert.equal(metadata.contentLanguage, 'de, en');
    assert.equal(metadata.contentEncoding, 'gzip');
    assert.deepEqual({ ...metadata.user }, user);
  },

  'headers that were not stored are null': async (context) => {
    const location = context.at('k');
    await context.putText(location, 'text');
    const { metadata } = await stateOf(context, location);
    const { cacheControl, contentDisposition, contentLanguage, contentEncoding, expires } = metadata;
    assert.deepEqual(
      [cacheControl, contentDisposition, contentLanguage, contentEncoding, expires],
      [null, null, null, null, null],
    );
    assert.equal(metadata.websiteRedirectLocation, null);
    assert.deepEqual({ ...metadata.user }, {});
  },

  'a list has every key once, in byte order, page by page': async (context) => {
    // In UTF-16 order the emoji, a pair of surrogates, would come before the full-width tilde.
    const names = ['a', 'a/b', 'a b', 'b', 'ab', 'B', 'é', '\uff5e', '😀', '~', 'a+b', 'a%2Fb'];
    for (const name of names) await context.putText(context.at(name), name);
    const expected = names
      .map((name) => Buffer.from(context.prefix + name))
      .sort((x, y) => Buffer.compare(x, y))
      .map(String);
    for (const limit of [1, 5, 1000]) {
      const entries = await listAll(context, limit);
      assert.deepEqual(
        entries.map((entry) => entry.key),
        expected,
        `in pages of ${limit}`,
      );
    }
  },

  'a list behind a name has what comes after it in byte order, page by page': async (context) => {
    const { source, bucket, prefix } = context;
    const names = ['a', 'a b', 'a+b', 'a/b', 'ab', 'b%2F', 'é', '\uff5e', '😀'].map((name) => prefix + name);
    for (const name of names) await context.putText({ bucket, key: name }, name);
    const bytes = names.map((name) => Buffer.from(name)).sort((x, y) => Buffer.compare(x, y));
    for (const after of [...names, `${prefix}a/`, `${prefix}zz`, prefix]) {
      const found: string[] = [];
      let cursor: string | null = null;
      do {
        const page = await source.list({ bucket, prefix, after, cursor, limit: 2 }, live());
        found.push(...page.entries.map(({ key }) => key));
        cursor = page.nextCursor;
      } while (cursor !== null);
      const behind = bytes.filter((name) => Buffer.compare(name, Buffer.from(after)) > 0).map(String);
      assert.deepEqual(found, behind, `behind ${JSON.stringify(after)}`);
    }
  },

  'a list tells what a look tells': async (context) => {
    const location = context.at('k');
    await context.putText(location, 'some text');
    const { etag, sizeBytes, lastModifiedMs } = await stateOf(context, location);
    assert.deepEqual(await listAll(context, 10), [{ key: location.key, etag, sizeBytes, lastModifiedMs }]);
  },

  'a list has only what begins with the prefix, and no removed object': async (context) => {
    await context.putText(context.at('in'), 'text');
    await context.putText(context.at('removed'), 'text');
    await context.remove(context.at('removed'));
    await context.putText({ bucket: context.bucket, key: `${context.prefix.slice(0, -1)}-out` }, 'text');
    const entries = await listAll(context, 10);
    assert.deepEqual(
      entries.map((entry) => entry.key),
      [context.at('in').key],
    );
    const empty = { bucket: context.bucket, prefix: `${context.prefix}nothing/`, cursor: null, limit: 10 };
    assert.deepEqual(await context.source.list(empty, live()), { entries: [], nextCursor: null });
  },

  'an aborted call rejects with the reason of its signal': async (context) => {
    const { source, bucket } = context;
    const location = context.at('k');
    await context.putText(location, 'text');
    const reason = new Error('the lease is lost');
    const aborted = AbortSignal.abort(reason);
    const isReason = (error: unknown): boolean => error === reason;
    await assert.rejects(source.look(location, aborted), isReason);
    await assert.rejects(source.read({ location, pin: null, startByte: 0 }, aborted), isReason);
    await assert.rejects(source.list({ bucket, prefix: '', cursor: null, limit: 10 }, aborted), isReason);
    // And nothing of the aborted calls is in the way of the next one.
    assert.equal((await bytesOf((await openRead(context, location, null, 0)).body)).toString(), 'text');
  },
} as const satisfies Record<string, SourceCheck>;
