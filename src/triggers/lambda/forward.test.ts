// The forwarder against a real HTTP server that answers well, wrongly, half or never.
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { test, type TestContext } from 'node:test';
import { verifyWebhook } from '../webhook-signature.ts';
import { createForwarder, type ForwardLogLine } from './forward.ts';
import { ForwardError } from './forward-failure.ts';
import { listen } from './testing/intake-service.ts';

const API_KEY = 'rk-canary-4711-do-not-show';
const RECEIPT = { accepted: 2, ignored: 1, quarantined: 0, transfers: [{ id: 'a' }, { id: 'b' }] };

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A service that reads each request whole and then answers as told. */
async function startService(
  t: TestContext,
  answer: (res: ServerResponse, seen: Seen) => void,
): Promise<{ readonly url: string; readonly seen: readonly Seen[] }> {
  const seen: Seen[] = [];
  const base = await listen(t, (req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const { method = '', url = '', headers } = req;
      const one = { method, url, headers, body: Buffer.concat(chunks).toString('utf8') };
      seen.push(one);
      answer(res, one);
    });
  });
  return { url: `${base}/v1/events`, seen };
}

function answerJson(res: ServerResponse, status: number, body: unknown, type = 'application/json'): void {
  res.writeHead(status, { 'content-type': type }).end(typeof body === 'string' ? body : JSON.stringify(body));
}

function forwarderOf(url: string, timeoutMs = 5000) {
  const lines: ForwardLogLine[] = [];
  const forward = createForwarder({
    url,
    proof: { kind: 'key', apiKey: API_KEY },
    timeoutMs,
    log: (line) => void lines.push(line),
  });
  return { forward, lines };
}

const CONTEXT = { awsRequestId: '8a7c-42', getRemainingTimeInMillis: () => 30_000 };

const EVENTS: Readonly<Record<string, unknown>> = {
  S3: { Records: [{ eventSource: 'aws:s3', s3: { object: { key: 'a+b%2B☃' } } }, { eventSource: 'aws:s3' }] },
  SNS: { Records: [{ EventSource: 'aws:sns', Sns: { Message: '{"Records":[]}' } }] },
  SQS: {
    Records: [
      { eventSource: 'aws:sqs', messageId: 'm-1', body: '{"a": 1 }' },
      { eventSource: 'aws:sqs', messageId: 'm-2', body: 'x' },
      { eventSource: 'aws:sqs', messageId: 'm-3', body: '' },
    ],
  },
  EventBridge: { source: 'aws.s3', 'detail-type': 'Object Created', detail: { object: { key: 'a+b' } } },
};

for (const [name, event] of Object.entries(EVENTS))
  test(`an event of ${name} goes to the service in one request, unchanged`, async (t) => {
    const service = await startService(t, (res) => answerJson(res, 202, RECEIPT));
    const { forward, lines } = forwarderOf(service.url);
    const taken = { accepted: 2, ignored: 1, quarantined: 0, transfers: 2 };
    assert.deepEqual(await forward(event, CONTEXT), name === 'SQS' ? { batchItemFailures: [] } : taken);

    assert.equal(service.seen.length, 1);
    const [seen] = service.seen;
    assert.equal(seen?.body, JSON.stringify(event));
    assert.equal(`${seen?.method} ${seen?.url}`, 'POST /v1/events');
    assert.equal(seen?.headers['authorization'], `Bearer ${API_KEY}`);
    assert.equal(seen?.headers['x-request-id'], CONTEXT.awsRequestId);
    assert.equal(seen?.headers['content-type'], 'application/json');
    assert.equal(seen?.headers['content-length'], String(Buffer.byteLength(JSON.stringify(event))));

    assert.equal(lines.length, 1);
    const { durationMs, ...line } = lines[0] ?? {};
    assert.equal(typeof durationMs, 'number');
    assert.deepEqual(line, {
      level: 'info',
      message: 'event forwarded',
      requestId: '8a7c-42',
      records: name === 'S3' ? 2 : name === 'SQS' ? 3 : 1,
      status: 202,
      accepted: 2,
      ignored: 1,
      quarantined: 0,
      transfers: 2,
    });
  });

test('quarantined records are a warning in the log and no failure', async (t) => {
  const service = await startService(t, (res) => answerJson(res, 202, { ...RECEIPT, quarantined: 1 }));
  const { forward, lines } = forwarderOf(service.url);
  await forward({}, CONTEXT);
  assert.equal(lines[0]?.['level'], 'warn');
});

test('without a key, a request id and a clock of Lambda it sends without them', async (t) => {
  const service = await startService(t, (res) => answerJson(res, 202, RECEIPT));
  const forward = createForwarder({
    url: service.url,
    proof: { kind: 'none' },
    timeoutMs: 5000,
    log: () => {},
  });
  await forward(null, {});
  const [seen] = service.seen;
  assert.equal(seen?.headers['authorization'], undefined);
  assert.equal(seen?.headers['x-request-id'], undefined);
  assert.equal(seen?.body, 'null');
});

test('with a webhook secret the exact bytes are signed, and no key is sent', async (t) => {
  const service = await startService(t, (res) => answerJson(res, 202, RECEIPT));
  const secret = Uint8Array.from({ length: 32 }, (_, index) => index);
  const forward = createForwarder({
    url: service.url,
    proof: { kind: 'signature', secret },
    timeoutMs: 5000,
    log: () => {},
  });
  await forward(EVENTS['S3'], CONTEXT);
  await forward(EVENTS['S3'], {});
  const checks = service.seen.map(({ headers, body }) => {
    assert.equal(headers['authorization'], undefined);
    const [id, timestamp, signature] = ['id', 'timestamp', 'signature'].map((name) =>
      String(headers[`webhook-${name}`]),
    );
    const signed = { headers: { id, timestamp, signature }, body: Buffer.from(body), nowMs: Date.now() };
    return verifyWebhook({ ...signed, secrets: [secret] });
  });
  assert.deepEqual(checks[0], { kind: 'valid', id: CONTEXT.awsRequestId });
  assert.partialDeepStrictEqual(checks[1], { kind: 'valid' });
  assert.notDeepEqual(checks[1], checks[0]);
});

const problem = (status: number, code: string): object => ({
  type: `https://example.com/problems/${code}`,
  title: 'No',
  status,
  detail: `because of ${code}`,
  code,
});

const FAILURES: readonly [status: number, body: unknown, message: RegExp][] = [
  [200, RECEIPT, /answered 200\. That is not the answer of the intake.*REPLICATOR_URL/],
  [202, '<html>welcome</html>', /answered 202\. That is not the answer of the intake/],
  [202, {}, /not the answer of the intake/],
  [202, '', /not the answer of the intake/],
  [202, 'null', /not the answer of the intake/],
  [202, [RECEIPT], /not the answer of the intake/],
  [202, { ...RECEIPT, accepted: -1 }, /not the answer of the intake/],
  [202, { ...RECEIPT, ignored: '1' }, /not the answer of the intake/],
  [202, { ...RECEIPT, quarantined: 0.5 }, /not the answer of the intake/],
  [202, { ...RECEIPT, transfers: 2 }, /not the answer of the intake/],
  [204, '', /answered 204/],
  [
    400,
    problem(400, 'bad_request'),
    /answered 400 \(bad_request\): because of bad_request\. AWS tries again/,
  ],
  [401, problem(401, 'unauthenticated'), /answered 401 \(unauthenticated\).*REPLICATOR_API_KEY/],
  [403, problem(403, 'forbidden'), /answered 403 \(forbidden\).*scope write/],
  [404, 'not here', /answered 404\. REPLICATOR_URL has to be the base address/],
  [405, '', /answered 405\. REPLICATOR_URL has to be the base address/],
  [408, '', /answered 408/],
  [413, problem(413, 'too_large'), /answered 413 \(too_large\).*batch size/],
  [422, problem(422, 'no_rule'), /answered 422 \(no_rule\)/],
  [429, problem(429, 'quota'), /answered 429 \(quota\).*patience/],
  [
    500,
    { ...problem(500, 'disk_full'), remedy: 'Free the disk.' },
    /\(disk_full\): because of disk_full\. Free the disk\./,
  ],
  [500, { title: 'Broken' }, /answered 500: Broken\. AWS tries again/],
  [502, '<html>', /answered 502\. AWS tries again/],
  [503, problem(503, 'overloaded'), /answered 503 \(overloaded\).*patience/],
];

for (const [status, body, message] of FAILURES)
  test(`an answer ${status} ${JSON.stringify(body).slice(0, 40)} fails the invocation and says why`, async (t) => {
    const service = await startService(t, (res) => answerJson(res, status, body));
    const { forward, lines } = forwarderOf(service.url);
    await assert.rejects(forward(EVENTS['S3'], CONTEXT), (error) => {
      assert.ok(error instanceof ForwardError);
      assert.match(error.message, message);
      assert.equal(error.status, status);
      return true;
    });
    assert.equal(service.seen.length, 1, 'retries live with AWS alone');
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.['level'], 'error');
    assert.equal(lines[0]?.['status'], status);
  });

const NOTHING = { accepted: 0, ignored: 0, quarantined: 0, transfers: [] };

for (const [name, event] of Object.entries(EVENTS))
  test(`an answer 202 that accounts for nothing of an event of ${name} fails the invocation`, async (t) => {
    const service = await startService(t, (res) => answerJson(res, 202, NOTHING));
    const { forward, lines } = forwarderOf(service.url);
    const least = name === 'S3' ? 2 : 1;
    await assert.rejects(forward(event, CONTEXT), (error) => {
      assert.ok(error instanceof ForwardError);
      assert.equal(error.status, 202);
      assert.match(
        error.message,
        new RegExp(`accounted for 0 of at least ${least} changes of the event .*AWS tries again`),
      );
      return true;
    });
    assert.equal(lines[0]?.['level'], 'error');
  });

test('every record of S3 has to be accounted for, in whichever way; other records may wrap any number', async (t) => {
  let counts: object = {};
  const service = await startService(t, (res) => answerJson(res, 202, { ...NOTHING, ...counts }));
  const { forward } = forwarderOf(service.url);
  counts = { accepted: 1 };
  await assert.rejects(forward(EVENTS['S3'], CONTEXT), /accounted for 1 of at least 2 changes/);
  for (const kind of ['SNS', 'SQS', 'EventBridge']) await forward(EVENTS[kind], CONTEXT);
  for (counts of [{ accepted: 2 }, { ignored: 2 }, { quarantined: 2 }, { accepted: 1, quarantined: 1 }])
    await forward(EVENTS['S3'], CONTEXT);
});

test('an event without any record has nothing to account for', async (t) => {
  const service = await startService(t, (res) => answerJson(res, 202, NOTHING));
  assert.deepEqual(await forwarderOf(service.url).forward({ Records: [] }, CONTEXT), {
    ...NOTHING,
    transfers: 0,
  });
});

for (const status of [301, 302, 303, 307, 308])
  test(`a redirect ${status} is an error, is not followed and its query is not shown`, async (t) => {
    const elsewhere = await startService(t, (res) => answerJson(res, 202, RECEIPT));
    const service = await startService(t, (res) => {
      res.writeHead(status, { location: `${elsewhere.url}?token=canary` }).end();
    });
    await assert.rejects(forwarderOf(service.url).forward({}, CONTEXT), (error) => {
      assert.ok(error instanceof ForwardError);
      assert.match(
        error.message,
        new RegExp(`answered ${status}.*Redirects are not followed.*here ${elsewhere.url}\\.`),
      );
      return true;
    });
    assert.equal(elsewhere.seen.length, 0);
  });

test('a service that never answers is given up before Lambda ends the function', async (t) => {
  const service = await startService(t, () => {});
  const { forward, lines } = forwarderOf(service.url);
  const soon = { ...CONTEXT, getRemainingTimeInMillis: () => 600 };
  await assert.rejects(forward({}, soon), /no answer within 100 ms.*timeout of 15 s/);
  assert.equal(lines[0]?.['status'], null);
});

test('an answer that stops in its middle fails the invocation, by silence and by a cut', async (t) => {
  const start = '{"accepted":2,"ignored":1,"quarantined":0,"transfers":[]}';
  const silent = await startService(t, (res) => {
    res.writeHead(202, { 'content-length': start.length + 5 });
    res.write(start);
  });
  await assert.rejects(forwarderOf(silent.url, 150).forward({}, CONTEXT), /no answer within 150 ms/);
  const cut = await startService(t, (res) => {
    res.writeHead(202, { 'content-length': start.length + 5 });
    res.write(start, () => res.destroy());
  });
  await assert.rejects(
    forwarderOf(cut.url).forward({}, CONTEXT),
    /gave no answer: aborted\. The connection broke/,
  );
});

test('a function with too little time left sends nothing and says what to change', async (t) => {
  const service = await startService(t, (res) => answerJson(res, 202, RECEIPT));
  const late = { ...CONTEXT, getRemainingTimeInMillis: () => 400 };
  await assert.rejects(forwarderOf(service.url).forward({}, late), /400 ms left.*timeout of 15 s/);
  assert.equal(service.seen.length, 0);
});

test('a function called without an event fails', async () => {
  const { forward } = forwarderOf('http://127.0.0.1:1/v1/events');
  await assert.rejects(forward(undefined, CONTEXT), /without an event/);
});

test('the way to the service is part of the reason when nothing answers', async (t) => {
  const base = await listen(t, (_req, res) => res.end());
  await assert.rejects(
    forwarderOf(`${base.replace('http:', 'https:')}/v1/events`).forward({}, CONTEXT),
    /gave no answer: .*(does not speak TLS|connection broke)/,
  );
  const failing = (code: string) =>
    createForwarder({
      url: 'https://replicator.example.com/v1/events',
      proof: { kind: 'key', apiKey: API_KEY },
      timeoutMs: 100,
      log: () => {},
      send: async () => Promise.reject(Object.assign(new Error(`failed with ${code}`), { code })),
    })({}, CONTEXT);
  await assert.rejects(failing('ENOTFOUND'), /DNS/);
  await assert.rejects(failing('ECONNREFUSED'), /Nothing listens there/);
  await assert.rejects(failing('CERT_HAS_EXPIRED'), /certificate/);
  await assert.rejects(failing('DEPTH_ZERO_SELF_SIGNED_CERT'), /NODE_EXTRA_CA_CERTS/);
  await assert.rejects(failing('EWHATEVER'), /AWS tries again/);
});

test('the key never reaches the log or the error, even where the service repeats it', async (t) => {
  const service = await startService(t, (res, seen) =>
    answerJson(res, 401, { code: 'unauthenticated', detail: `unknown key ${seen.headers['authorization']}` }),
  );
  const { forward, lines } = forwarderOf(service.url);
  await assert.rejects(forward({}, CONTEXT), (error) => {
    assert.ok(error instanceof ForwardError);
    assert.match(error.message, /Bearer \[secret\]/);
    assert.ok(!`${error.stack} ${String(error.cause)}`.includes(API_KEY));
    return true;
  });
  assert.ok(!JSON.stringify(lines).includes(API_KEY));
});
