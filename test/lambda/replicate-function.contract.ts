// What the built function that replicates does inside of a Lambda runtime, whichever speaks to the Runtime API.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startIntakeService } from '../../src/triggers/lambda/testing/intake-service.ts';
import { notification, SOURCE_BUCKET, someBytes } from '../system/service-under-test.ts';
import type { FunctionProcess, Runtime } from './function-process.ts';
import { bodyFor, type PassedMessage, ReplicateWorld } from './replicate-world.ts';
import type { InvocationEnd } from './runtime-api.ts';

const MIB = 1024 * 1024;
/** Long enough to say what is wrong, short enough to wait for it. */
const SHORT_MS = 4_000;

/** The ids of the messages that an answer names. */
function failedIds(end: InvocationEnd): readonly string[] {
  assert.ok(end.kind === 'response', JSON.stringify(end));
  const { batchItemFailures } = end.body as { batchItemFailures: { itemIdentifier: string }[] };
  return batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
}

async function batch(running: FunctionProcess, Records: readonly PassedMessage[], timeoutMs?: number) {
  return running.invoke({ Records }, timeoutMs === undefined ? {} : { timeoutMs });
}

function idOf(messages: readonly PassedMessage[], key: string): string {
  const message = messages.find(({ body }) => body.includes(`"${key}"`));
  assert.ok(message, key);
  return message.messageId;
}

/** Defines the tests; `folder()` holds the bundle, and is asked when they run. */
export function testReplicateFunction(folder: () => string, runtime: Runtime): void {
  const named = (name: string): string => `replicate, ${runtime.name}: ${name}`;
  const started = () => ({ folder: folder(), runtime });

  test(named('100 objects of batches of 10 arrive verified, and again nothing is written'), async (t) => {
    const world = await ReplicateWorld.start(t);
    const objects = Object.fromEntries(
      Array.from({ length: 100 }, (_, n) => [`o/${n}`, someBytes(n % 10 === 0 ? 700_000 : n * 97)]),
    );
    await world.put(objects);
    const keys = Object.keys(objects);
    const running = await world.function(started());
    const messages = await world.passedFor(keys);
    for (let place = 0; place < messages.length; place += 10)
      assert.deepEqual(failedIds(await batch(running, messages.slice(place, place + 10))), []);
    world.assertArrived(keys);
    const finished = running.logLines().filter(({ msg }) => msg === 'completed: replicated');
    assert.equal(finished.length, 100);
    assert.ok(finished.every(({ verified }) => verified === 'source'));

    const writes = world.clouds.gcs.requests.filter((line) => /^(POST|PUT|PATCH|DELETE) /.test(line)).length;
    assert.deepEqual(failedIds(await batch(running, await world.passedFor(keys.slice(0, 10)))), []);
    const after = world.clouds.gcs.requests.filter((line) => /^(POST|PUT|PATCH|DELETE) /.test(line)).length;
    assert.equal(after, writes);
    assert.equal(world.queue.messages.length, 110, 'nothing is sent: S3 has no versions, nothing was lost');
  });

  test(named('events of S3, SNS and EventBridge are replicated without a queue'), async (t) => {
    const world = await ReplicateWorld.start(t);
    await world.put({ a: 'of S3', 'b c': 'of SNS', d: 'of EventBridge' });
    const running = await world.function(started(), { settings: { SQS_QUEUE_URL: '' } });
    const Sns = { Type: 'Notification', Message: bodyFor('b c') };
    const detail = { bucket: { name: SOURCE_BUCKET }, object: { key: 'd', size: 14 } };
    for (const event of [
      notification(['a']),
      { Records: [{ EventSource: 'aws:sns', Sns }] },
      { version: '0', source: 'aws.s3', 'detail-type': 'Object Created', detail },
    ]) {
      const end = await running.invoke(event);
      assert.deepEqual(end.kind === 'response' && end.body, { done: true }, running.output());
    }
    world.assertArrived(['a', 'b c', 'd']);
  });

  test(named('of a batch only the messages that need a person come back'), async (t) => {
    const world = await ReplicateWorld.start(t);
    await world.put({ good: '1', denied: '2', other: '3' });
    world.clouds.s3.faults.add({
      match: { path: '/denied' },
      effect: { kind: 'status', status: 403, body: '<Error><Code>AccessDenied</Code></Error>' },
      times: Infinity,
    });
    const running = await world.function(started());
    const messages = [
      ...(await world.passedFor(['good', 'denied', 'other'])),
      ...(await world.passed(['{"not": "ours"}'])),
    ];
    const failed = failedIds(await batch(running, messages));
    const strange = messages.find(({ body }) => body.includes('ours'))?.messageId ?? '';
    assert.deepEqual(failed.toSorted(), [idOf(messages, 'denied'), strange].toSorted());
    world.assertArrived(['good', 'other']);
    const partly = running.logLines().find(({ msg }) => String(msg).startsWith('batch partly done'));
    assert.partialDeepStrictEqual(partly, { level: 'warn', messages: 4, left: 2, fault: 'access_denied' });
  });

  test(named('a failure without a queue arrives as an error with fault and remedy'), async (t) => {
    const world = await ReplicateWorld.start(t);
    await world.put({ a: '1' });
    world.clouds.s3.denyReads(SOURCE_BUCKET, true);
    const running = await world.function(started(), { settings: { SQS_QUEUE_URL: '' } });
    const failed = await running.invoke(notification(['a']));
    assert.ok(failed.kind === 'error');
    assert.equal(failed.errorType, 'ReplicateError');
    assert.match(failed.errorMessage, /lacks a permission \(access_denied\): .*Grant the permission/);
    world.clouds.s3.denyReads(SOURCE_BUCKET, false);
    assert.equal((await running.invoke(notification(['a']))).kind, 'response');
    world.assertArrived(['a']);
  });

  test(named('wrong settings fail every invocation, all of them at once'), async (t) => {
    const world = await ReplicateWorld.start(t);
    const settings = {
      DELETES: 'mirror',
      RETRY_ATTEMPTS: 'x',
      REPLICATOR_URL: 'http://10.0.0.7',
      SQS_QUEUE_URL: `${world.settings['SQS_QUEUE_URL']}.fifo`,
    };
    const running = await world.function(started(), { settings });
    for (let invocation = 0; invocation < 2; invocation += 1) {
      const failed = await running.invoke(notification(['a']));
      assert.ok(failed.kind === 'error');
      assert.match(failed.errorMessage, /The configuration has 5 problems/);
      for (const name of [...Object.keys(settings), 'S3_EXPECTED_OWNER'])
        assert.match(failed.errorMessage, new RegExp(`^ +${name}: `, 'm'));
    }
  });

  test(named('a batch without SQS_QUEUE_URL is refused before anything is done'), async (t) => {
    const world = await ReplicateWorld.start(t);
    await world.put({ a: '1' });
    const running = await world.function(started(), { settings: { SQS_QUEUE_URL: '' } });
    const failed = await batch(running, await world.passedFor(['a']));
    assert.ok(failed.kind === 'error');
    assert.match(failed.errorMessage, /^SQS_QUEUE_URL is not set.*sqs:SendMessage/);
    world.assertArrived([]);
  });

  test(named('near the deadline the rest goes on as copies, before Lambda ends the call'), async (t) => {
    const world = await ReplicateWorld.start(t);
    await world.put({ quick: '1', slow: someBytes(200_000) });
    world.clouds.s3.faults.add({
      match: { method: 'GET', path: '/slow' },
      effect: { kind: 'stall_response', afterBytes: 1_000 },
      times: Infinity,
    });
    const running = await world.function(started());
    const messages = await world.passedFor(['quick', 'slow']);
    assert.equal(world.queue.visible, 0);
    const end = await batch(running, messages, SHORT_MS);
    assert.deepEqual(failedIds(end), []);
    assert.ok(end.leftMs > 0, `${end.leftMs} ms before the deadline`);
    const copies = world.queue.messages.filter(({ body }) => body.includes('look-again'));
    assert.deepEqual(
      copies.map(({ body }) => /"key":"(\w+)"/.exec(body)?.[1]),
      ['slow'],
    );
    world.assertArrived(['quick']);
  });

  test(
    named('an object that does not end in time is handed over to the service, with its proof'),
    async (t) => {
      const world = await ReplicateWorld.start(t);
      const service = await startIntakeService(t);
      await world.put({ huge: someBytes(MIB) });
      world.clouds.s3.faults.add({
        match: { method: 'GET', path: '/huge' },
        effect: { kind: 'trickle_response', afterBytes: 600_000, bytesPerSec: 1_000 },
        times: Infinity,
      });
      const settings = { REPLICATOR_URL: service.url, REPLICATOR_API_KEY: 'rpl_canary_1' };
      const running = await world.function(started(), { settings });
      const end = await batch(running, await world.passedFor(['huge']), SHORT_MS);
      assert.deepEqual(failedIds(end), []);
      const [post] = service.posts;
      assert.equal(post?.path, '/v1/events');
      assert.equal(post?.headers.authorization, 'Bearer rpl_canary_1');
      assert.partialDeepStrictEqual(post?.records, [
        { eventSource: 'aws:s3', s3: { object: { key: 'huge' } } },
      ]);
      assert.ok(running.logLines().some(({ msg }) => msg === 'handed over to the service'));
      assert.ok(!running.output().includes('rpl_canary_1'));
    },
  );

  test(named('without a service such an object fails with its reason and what to do'), async (t) => {
    const world = await ReplicateWorld.start(t);
    await world.put({ huge: someBytes(MIB) });
    world.clouds.s3.faults.add({
      match: { method: 'GET', path: '/huge' },
      effect: { kind: 'trickle_response', afterBytes: 600_000, bytesPerSec: 1_000 },
      times: Infinity,
    });
    const running = await world.function(started(), { settings: { SQS_QUEUE_URL: '' } });
    const failed = await running.invoke(notification(['huge']), { timeoutMs: SHORT_MS });
    assert.ok(failed.kind === 'error');
    assert.match(failed.errorMessage, /\(time_too_short\): .*Set REPLICATOR_URL.*raise its timeout/);
  });

  test(
    named('a lost answer fails the call that came from no queue; the next call finds the object'),
    async (t) => {
      const world = await ReplicateWorld.start(t);
      await world.put({ a: '1' });
      world.clouds.gcs.faults.add({
        match: { method: 'POST', query: 'uploadType=multipart' },
        effect: { kind: 'lose_answer' },
      });
      const running = await world.function(started(), { settings: { SQS_QUEUE_URL: '' } });
      const failed = await running.invoke(notification(['a']), { id: 'r-1' });
      assert.ok(failed.kind === 'error', JSON.stringify(failed));
      assert.match(failed.errorMessage, /\(target_/);
      const again = await running.invoke(notification(['a']), { id: 'r-1' });
      assert.equal(again.kind, 'response');
      world.assertArrived(['a']);
    },
  );

  test(
    named('a lost answer, and a message that somebody had before, are looked at once more later'),
    async (t) => {
      const world = await ReplicateWorld.start(t);
      await world.put({ lost: '1', taken: '2' });
      world.clouds.gcs.faults.add({
        match: { method: 'POST', query: 'uploadType=multipart' },
        effect: { kind: 'lose_answer' },
      });
      const running = await world.function(started());
      const lost = await world.passedFor(['lost']);
      assert.deepEqual(failedIds(await batch(running, lost)), []);
      const taken = (await world.passedFor(['taken'])).map((message) => ({
        ...message,
        attributes: { ...message.attributes, ApproximateReceiveCount: '2' },
      }));
      assert.deepEqual(failedIds(await batch(running, taken)), []);
      world.assertArrived(['lost', 'taken']);
      assert.equal(world.queue.delayed, 2);
      const sent = world.queue.messages.filter(({ body }) => body.includes('look-again'));
      assert.deepEqual(
        sent.map(({ body }) => /"key":"(\w+)"/.exec(body)?.[1]),
        ['lost', 'taken'],
      );
    },
  );

  test(named('half a gigabyte of memory is enough for large objects and many at once'), async (t) => {
    const world = await ReplicateWorld.start(t);
    const keys = Array.from({ length: 10 }, (_, n) => `m/${n}`);
    await world.put(Object.fromEntries(keys.map((key) => [key, someBytes(8 * MIB)])));
    await world.put({ large: someBytes(64 * MIB) });
    const running = await world.function(started(), {
      settings: { CHUNK_SIZE_BYTES: '8MiB' },
      memoryMb: 256,
    });
    const messages = await world.passedFor([...keys, 'large']);
    assert.deepEqual(failedIds(await batch(running, messages)), []);
    world.assertArrived([...keys, 'large']);
    const peakBytes = running.peakMemoryBytes();
    if (peakBytes === null) t.diagnostic('this system does not tell the memory of a process');
    else {
      t.diagnostic(`${Math.round(peakBytes / MIB)} MiB at most`);
      assert.ok(peakBytes < 512 * MIB, `${Math.round(peakBytes / MIB)} MiB`);
    }
  });
}
