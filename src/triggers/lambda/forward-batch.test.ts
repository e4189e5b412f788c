// An SQS batch over real HTTP to a service that refuses some of it, all of it, or breaks on the way.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { sqsRecord } from '../sample-documents.ts';
import { createForwarder, type ForwardLogLine } from './forward.ts';
import { ForwardError } from './forward-failure.ts';
import type { InvocationContext, SenderProof } from './post-to-intake.ts';
import { bodiesOf, startIntakeService } from './testing/intake-service.ts';

const CONTEXT = { awsRequestId: 'r-1', getRemainingTimeInMillis: () => 30_000 };
const KEY: SenderProof = { kind: 'key', apiKey: 'rk-1' };

/** A service that answers each request by the status that `judge` finds for its messages; 0 cuts the connection. */
async function startService(t: TestContext, judge: (bodies: readonly string[], nth: number) => number) {
  const { url, posts } = await startIntakeService(t, (post, nth) => judge(bodiesOf(post), nth));
  return { url: `${url}/v1/events`, posts };
}

const batchOf = (...bodies: readonly string[]) => ({
  Records: bodies.map((body) => sqsRecord(body, `id-of-${body}`)),
});

async function forward(
  url: string,
  event: unknown,
  options: { readonly proof?: SenderProof; readonly context?: InvocationContext } = {},
) {
  const lines: ForwardLogLine[] = [];
  const proof = options.proof ?? KEY;
  const handler = createForwarder({ url, proof, timeoutMs: 5000, log: (line) => void lines.push(line) });
  const answer = await handler(event, options.context ?? CONTEXT).catch((error: unknown) => error);
  return { answer, lines };
}

const failures = (...bodies: readonly string[]) => ({
  batchItemFailures: bodies.map((body) => ({ itemIdentifier: `id-of-${body}` })),
});

const LETTERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];

test('a batch that the service takes is one request, and its answer names no message', async (t) => {
  const service = await startService(t, () => 202);
  const { answer } = await forward(service.url, batchOf(...LETTERS));
  assert.deepEqual(answer, { batchItemFailures: [] });
  assert.deepEqual(service.posts.map(bodiesOf), [LETTERS]);
});

for (const status of [400, 413, 415, 422])
  test(`one message that the service refuses with ${status} comes back alone; the others are taken`, async (t) => {
    for (const bad of ['a', 'g', 'j']) {
      const service = await startService(t, (bodies) => (bodies.includes(bad) ? status : 202));
      const { answer, lines } = await forward(service.url, batchOf(...LETTERS));
      assert.deepEqual(answer, failures(bad));
      const taken = service.posts.map(bodiesOf).filter((bodies) => !bodies.includes(bad));
      assert.deepEqual(
        taken.flat(),
        LETTERS.filter((letter) => letter !== bad),
        'each good one once',
      );
      assert.equal(lines.length, 1);
      assert.partialDeepStrictEqual(lines[0], {
        level: 'error',
        status,
        accepted: 9,
        failed: 1,
        firstFailed: `id-of-${bad}`,
      });
      assert.match(String(lines[0]?.['message']), /ReportBatchItemFailures/);
      assert.match(String(lines[0]?.['reason']), new RegExp(`answered ${status}.*because of 1 records`));
    }
  });

test('several bad messages come back in the order of the batch', async (t) => {
  const bad = ['b', 'c', 'i'];
  const service = await startService(t, (bodies) => (bodies.some((one) => bad.includes(one)) ? 422 : 202));
  const { answer } = await forward(service.url, batchOf(...LETTERS));
  assert.deepEqual(answer, failures(...bad));
});

for (const [name, status] of [
  ['an overloaded service', 503],
  ['a wrong key', 401],
  ['a cut connection', 0],
  ['an answer of somebody else', 200],
] as const)
  test(`${name} fails the invocation after one request, whatever the size of the batch`, async (t) => {
    const service = await startService(t, () => status);
    const { answer, lines } = await forward(service.url, batchOf(...LETTERS));
    assert.ok(answer instanceof ForwardError);
    assert.equal(service.posts.length, 1);
    assert.equal(lines[0]?.['message'], 'event not forwarded');
  });

test('a service that goes away between the parts: what it took is done, the rest comes back', async (t) => {
  const service = await startService(t, (bodies, nth) =>
    nth > 2 ? 503 : bodies.length === LETTERS.length ? 413 : 202,
  );
  const { answer } = await forward(service.url, batchOf(...LETTERS));
  assert.deepEqual(answer, failures(...LETTERS.slice(5)));
  assert.equal(service.posts.length, 3);
});

test('a batch of nothing but bad messages is thrown, so that AWS counts the invocation as failed', async (t) => {
  const service = await startService(t, () => 422);
  const { answer } = await forward(service.url, batchOf('a', 'b', 'c'));
  assert.ok(answer instanceof ForwardError);
  assert.equal(answer.status, 422);
});

test('a single message that is refused is thrown after one request', async (t) => {
  const service = await startService(t, () => 413);
  const { answer } = await forward(service.url, batchOf('a'));
  assert.ok(answer instanceof ForwardError);
  assert.equal(service.posts.length, 1);
});

test('a batch above 8 MiB is not sent as a whole but in halves', async (t) => {
  const bodies = LETTERS.map((letter) => letter.repeat(500_000));
  const service = await startService(t, () => 202);
  const { answer } = await forward(service.url, batchOf(...bodies));
  assert.deepEqual(answer, { batchItemFailures: [] });
  assert.deepEqual(
    service.posts.map(({ records }) => records.length),
    [5, 5],
  );
});

test('a service that refuses everything is not asked for ever', async (t) => {
  const service = await startService(t, (bodies) => (bodies.join() === '0' ? 202 : 400));
  const { answer } = await forward(service.url, batchOf(...Array.from({ length: 1000 }, (_, n) => `${n}`)));
  assert.equal(service.posts.length, 64);
  assert.deepEqual(answer, failures(...Array.from({ length: 999 }, (_, n) => `${n + 1}`)));
});

test('when the time of the function runs out between the parts, the rest comes back', async (t) => {
  let leftMs = 30_000;
  const service = await startService(t, (_bodies, nth) => {
    if (nth === 2) leftMs = 400;
    return nth === 1 ? 413 : 202;
  });
  const context = { ...CONTEXT, getRemainingTimeInMillis: () => leftMs };
  const { answer, lines } = await forward(service.url, batchOf(...LETTERS), { context });
  assert.deepEqual(answer, failures(...LETTERS.slice(5)));
  assert.match(String(lines[0]?.['reason']), /400 ms left/);
});

test('each signed part has an id of its own, the same when the invocation is repeated', async (t) => {
  const proof: SenderProof = { kind: 'signature', secret: new Uint8Array(32) };
  const service = await startService(t, (bodies) => (bodies.includes('c') ? 422 : 202));
  const ids = async (): Promise<unknown[]> => {
    const before = service.posts.length;
    await forward(service.url, batchOf('a', 'b', 'c', 'd'), { proof });
    return service.posts.slice(before).map(({ headers }) => headers['webhook-id']);
  };
  const first = await ids();
  assert.deepEqual(first, ['r-1', 'r-1_0_2', 'r-1_2_4', 'r-1_2_3', 'r-1_3_4']);
  assert.deepEqual(await ids(), first);
});

test('a batch whose messages cannot all be named succeeds or fails as a whole', async (t) => {
  const service = await startService(t, (bodies) => (bodies.length > 1 ? 422 : 202));
  const nameless = { Records: [sqsRecord('a', 'id-of-a'), { eventSource: 'aws:sqs', body: 'b' }] };
  const { answer } = await forward(service.url, nameless);
  assert.ok(answer instanceof ForwardError);
  assert.equal(service.posts.length, 1);
});
