// What the memory source does beyond the contract of its port: the hooks of tests and the simulation.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../core/clock.ts';
import { Fault } from '../../core/faults.ts';
import { MemorySource } from './memory-source.ts';

const signal = new AbortController().signal;
const at = (key: string) => ({ bucket: 'bucket', key });

function open(chunkBytes?: number) {
  let nowMs = Date.UTC(2026, 10, 2, 10, 0, 0, 400);
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: () => Promise.reject(new Error('not used')),
  };
  const source = new MemorySource({
    clock,
    buckets: ['bucket'],
    ...(chunkBytes === undefined ? {} : { chunkBytes }),
  });
  return {
    source,
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

async function text(source: MemorySource, key: string): Promise<string | null> {
  const read = await source.read({ location: at(key), pin: null, startByte: 0 }, signal);
  if (read.kind !== 'body') return null;
  let all = '';
  for await (const chunk of read.body) all += Buffer.from(chunk).toString();
  return all;
}

test('the same calls give the same states', () => {
  const states = [1, 2].map(() => {
    const { source, advance } = open();
    source.setVersioning('bucket', 'enabled');
    const first = source.put(at('k'), Buffer.from('one'));
    advance(1000);
    return [first, source.put(at('k'), Buffer.from('two'))];
  });
  assert.deepEqual(states[0], states[1]);
});

test('two writes within one second have one time, as in S3', () => {
  const { source, advance } = open();
  const first = source.put(at('k'), Buffer.from('one'));
  advance(500);
  const second = source.put(at('k'), Buffer.from('one'));
  assert.deepEqual(second, first);
  advance(100);
  assert.notEqual(source.put(at('k'), Buffer.from('one')).lastModifiedMs, first.lastModifiedMs);
});

test('removing a delete marker brings the version below it back', async () => {
  const { source } = open();
  source.setVersioning('bucket', 'enabled');
  source.put(at('k'), Buffer.from('one'));
  source.put(at('k'), Buffer.from('two'));
  source.remove(at('k'));
  assert.equal(await text(source, 'k'), null);
  source.removeVersion(at('k'), source.versionIds(at('k'))[0] ?? '');
  assert.equal(await text(source, 'k'), 'two');
  source.removeVersion(at('k'), source.versionIds(at('k'))[0] ?? '');
  assert.equal(await text(source, 'k'), 'one');
  source.removeVersion(at('k'), source.versionIds(at('k'))[0] ?? '');
  assert.deepEqual(await source.look(at('k'), signal), { kind: 'absent', proof: 'no_such_key' });
});

test('an object from before versions is the version "null" after they were switched on', async () => {
  const { source } = open();
  const before = source.put(at('k'), Buffer.from('one'));
  assert.equal(before.versionId, null);
  source.setVersioning('bucket', 'enabled');
  const look = await source.look(at('k'), signal);
  assert.ok(look.kind === 'present');
  assert.equal(look.state.versionId, 'null');
  source.put(at('k'), Buffer.from('two'));
  const [newest, oldest] = source.versionIds(at('k'));
  assert.equal(oldest, 'null');
  source.setVersioning('bucket', 'suspended');
  source.put(at('k'), Buffer.from('three'));
  assert.deepEqual(source.versionIds(at('k')), ['null', newest], 'the version "null" was replaced');
  source.remove(at('k'));
  assert.deepEqual(source.versionIds(at('k')), ['null', newest]);
  assert.deepEqual(await source.look(at('k'), signal), { kind: 'absent', proof: 'delete_marker' });
});

test('a long read goes on in its version after that is no longer the newest', async () => {
  const { source } = open();
  source.setVersioning('bucket', 'enabled');
  const pin = source.put(at('k'), Buffer.from('old'));
  source.put(at('k'), Buffer.from('new'));
  const continued = await source.read({ location: at('k'), pin, startByte: 1 }, signal);
  assert.ok(continued.kind === 'body');
  continued.discard();
  const begun = await source.read({ location: at('k'), pin, startByte: 0 }, signal);
  assert.deepEqual(begun, { kind: 'changed' });
});

test('without permission to list, absence cannot be told', async () => {
  const { source } = open();
  source.put(at('there'), Buffer.from('x'));
  source.denyListing('bucket', true);
  const isDenied = (error: unknown) => error instanceof Fault && error.code === 'access_denied';
  await assert.rejects(source.look(at('missing'), signal), isDenied);
  await assert.rejects(source.read({ location: at('missing'), pin: null, startByte: 0 }, signal), isDenied);
  await assert.rejects(
    source.list({ bucket: 'bucket', prefix: '', cursor: null, limit: 1 }, signal),
    isDenied,
  );
  assert.equal((await source.look(at('there'), signal)).kind, 'present');
});

test('a chunk that is kept without copying shows that it was not copied', async () => {
  const { source } = open(2);
  source.put(at('k'), Buffer.from('abcd'));
  const read = await source.read({ location: at('k'), pin: null, startByte: 0 }, signal);
  assert.ok(read.kind === 'body');
  const kept: Uint8Array[] = [];
  for await (const chunk of read.body) kept.push(chunk);
  assert.notEqual(Buffer.concat(kept).toString(), 'abcd');
});

test('bodies that nobody freed are counted', async () => {
  const { source } = open(2);
  source.put(at('k'), Buffer.from('abcdef'));
  const next = async () => {
    const read = await source.read({ location: at('k'), pin: null, startByte: 0 }, signal);
    assert.ok(read.kind === 'body');
    return read;
  };
  const discarded = await next();
  const left = await next();
  const untouched = await next();
  const finished = await next();
  assert.equal(source.openBodyCount, 4);
  discarded.discard();
  discarded.discard();
  for await (const chunk of left.body) if (chunk.length > 0) break;
  await untouched.body[Symbol.asyncIterator]().return?.();
  let total = 0;
  for await (const chunk of finished.body) total += chunk.length;
  assert.equal(total, 6);
  assert.equal(source.openBodyCount, 0);
});

test('a put can play a multipart upload without a comparable checksum', () => {
  const { source } = open();
  const state = source.put(at('k'), Buffer.from('x'), { etag: 'abc-2', checksum: null });
  assert.deepEqual([state.etag, state.md5, state.checksum], ['abc-2', null, null]);
});
