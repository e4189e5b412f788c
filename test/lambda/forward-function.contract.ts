// What the built forwarder does inside of a Lambda runtime, whichever speaks to the Runtime API.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import {
  bodiesOf,
  type IntakeService,
  startIntakeService,
} from '../../src/triggers/lambda/testing/intake-service.ts';
import { sqsRecord } from '../../src/triggers/sample-documents.ts';
import { verifyWebhook } from '../../src/triggers/webhook-signature.ts';
import { type FunctionProcess, type Runtime, startFunction } from './function-process.ts';

/** As much memory as the smallest function has. */
const SMALLEST_FUNCTION_BYTES = 128 * 1024 * 1024;
const S3_EVENT = { Records: [{ eventSource: 'aws:s3', s3: { object: { key: 'a+b☃' } } }] };

/** Defines the tests; `folder()` holds the bundle, and is asked when they run. */
export function testForwardFunction(folder: () => string, runtime: Runtime): void {
  const start = async (
    t: TestContext,
    environment: Readonly<Record<string, string>>,
  ): Promise<FunctionProcess> => {
    const started = await startFunction({ folder: folder(), environment, memoryMb: 128, runtime });
    t.after(async () => started.stop());
    return started;
  };
  const startWith = async (t: TestContext, service: IntakeService) =>
    start(t, { REPLICATOR_URL: service.url, REPLICATOR_API_KEY: 'rk-canary' });

  test(`forward, ${runtime.name}: an event is posted as it came, and the answer says what was taken`, async (t) => {
    const service = await startIntakeService(t);
    const forward = await startWith(t, service);
    const end = await forward.invoke(S3_EVENT, { id: 'r-1' });
    assert.deepEqual(end.kind === 'response' && end.body, {
      accepted: 1,
      ignored: 0,
      quarantined: 0,
      transfers: 1,
    });
    const [post] = service.posts;
    assert.equal(post?.path, '/v1/events');
    assert.equal(post?.bytes.toString(), JSON.stringify(S3_EVENT));
    assert.equal(post?.headers.authorization, 'Bearer rk-canary');
    assert.equal(post?.headers['x-request-id'], 'r-1');
    assert.partialDeepStrictEqual(forward.logLines(), [{ level: 'info', status: 202, requestId: 'r-1' }]);
    assert.ok(!forward.output().includes('rk-canary'));
  });

  test(`forward, ${runtime.name}: of a batch the message that is refused comes back`, async (t) => {
    const service = await startIntakeService(t, (post) => (bodiesOf(post).includes('bad') ? 422 : 202));
    const forward = await startWith(t, service);
    const Records = ['a', 'bad', 'c'].map((body) => sqsRecord(body, `id-of-${body}`));
    const end = await forward.invoke({ Records });
    assert.deepEqual(end.kind === 'response' && end.body, {
      batchItemFailures: [{ itemIdentifier: 'id-of-bad' }],
    });
    const good = await forward.invoke({ Records: [Records[0], Records[2]] });
    assert.deepEqual(good.kind === 'response' && good.body, { batchItemFailures: [] });
  });

  test(`forward, ${runtime.name}: a failure arrives with type and reason, and the function goes on`, async (t) => {
    const service = await startIntakeService(t, (_post, nth) => (nth === 1 ? 503 : 202));
    const forward = await startWith(t, service);
    const failed = await forward.invoke(S3_EVENT);
    assert.ok(failed.kind === 'error');
    assert.equal(failed.errorType, 'ForwardError');
    assert.match(
      failed.errorMessage,
      /answered 503 \(refused\): because of 1 records\. The service asks for/,
    );
    assert.equal((await forward.invoke(S3_EVENT)).kind, 'response');
  });

  test(`forward, ${runtime.name}: wrong settings fail the invocation, all of them at once`, async (t) => {
    const forward = await start(t, { REPLICATOR_URL: 'http://10.0.0.7', REPLICATOR_API_KEY: 'a b' });
    const failed = await forward.invoke(S3_EVENT);
    assert.ok(failed.kind === 'error');
    assert.equal(failed.errorType, 'ForwarderSettingsError');
    assert.match(failed.errorMessage, /plain http:.*REPLICATOR_API_KEY holds a space/);
  });

  test(`forward, ${runtime.name}: a service that is silent is told of before the function's deadline`, async (t) => {
    const service = await startIntakeService(t, () => null);
    const forward = await startWith(t, service);
    const failed = await forward.invoke(S3_EVENT, { timeoutMs: 1500 });
    assert.ok(failed.kind === 'error');
    assert.match(failed.errorMessage, /no answer within \d+ ms/);
    assert.ok(failed.leftMs > 0, `${failed.leftMs} ms before the deadline`);
  });

  test(`forward, ${runtime.name}: a webhook secret signs what is sent, and the smallest function has room`, async (t) => {
    const service = await startIntakeService(t);
    const secret = new Uint8Array(32).fill(7);
    const text = `whsec_${Buffer.from(secret).toString('base64')}`;
    const forward = await start(t, { REPLICATOR_URL: service.url, REPLICATOR_WEBHOOK_SECRET: text });
    const long = { ...S3_EVENT, padding: 'x'.repeat(5_000_000) };
    assert.equal((await forward.invoke(long, { id: 'r-2' })).kind, 'response');
    const { headers, bytes } = service.posts[0] ?? assert.fail('Nothing was posted');
    const header = (name: string): string => String(headers[`webhook-${name}`]);
    const signed = { id: header('id'), timestamp: header('timestamp'), signature: header('signature') };
    const check = verifyWebhook({ headers: signed, body: bytes, secrets: [secret], nowMs: Date.now() });
    assert.deepEqual(check, { kind: 'valid', id: 'r-2' });
    const peakBytes = forward.peakMemoryBytes();
    if (peakBytes === null) t.diagnostic('this system does not tell the memory of a process');
    else assert.ok(peakBytes < SMALLEST_FUNCTION_BYTES, `${Math.round(peakBytes / 2 ** 20)} MiB`);
  });
}
