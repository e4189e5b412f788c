import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Fault } from '../core/faults.ts';
import { openHandOver } from './hand-over.ts';
import { type SignatureHeaders, verifyWebhook } from './webhook-signature.ts';

const NEVER = new AbortController().signal;
const KEY = { reveal: () => 'rpl_key' };

interface Seen {
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly signed: SignatureHeaders;
  readonly body: string;
}

async function serviceThat(
  context: { after(run: () => Promise<void> | void): void },
  answer: { readonly status: number; readonly body: string },
): Promise<{ readonly url: string; readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => void respond(request, response));
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const [id, timestamp, signature] = ['id', 'timestamp', 'signature'].map((name) => {
      const value = request.headers[`webhook-${name}`];
      return typeof value === 'string' ? value : undefined;
    });
    const { authorization } = request.headers;
    seen.push({ url: request.url, authorization, signed: { id, timestamp, signature }, body });
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/base/`, seen };
}

async function faultOf(work: Promise<void>): Promise<Fault> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Fault, String(error));
  return error;
}

test('a notification that the service has kept is handed over, with the key', async (context) => {
  const body = '{"accepted":1,"ignored":0,"quarantined":0,"transfers":[{}]}';
  const { url, seen } = await serviceThat(context, { status: 202, body });
  await openHandOver({ url, apiKey: KEY })('{"Records":[]}', NEVER);
  const signed = { id: undefined, timestamp: undefined, signature: undefined };
  assert.deepEqual(seen, [
    { url: '/base/v1/events', authorization: 'Bearer rpl_key', signed, body: '{"Records":[]}' },
  ]);
});

test('with a webhook secret each hand-over is signed under an id of its own, and no key is sent', async (context) => {
  const body = '{"accepted":1,"ignored":0,"quarantined":0,"transfers":[{}]}';
  const { url, seen } = await serviceThat(context, { status: 202, body });
  const secret = new Uint8Array(32).fill(7);
  const handOver = openHandOver({ url, apiKey: KEY, webhookSecret: { reveal: () => secret } });
  await handOver('{"Records":[]}', NEVER);
  await handOver('{"Records":[]}', NEVER);
  const ids = seen.map(({ authorization, signed, body: sent }) => {
    assert.equal(authorization, undefined);
    const request = { headers: signed, body: Buffer.from(sent), secrets: [secret], nowMs: Date.now() };
    const check = verifyWebhook(request);
    assert.ok(check.kind === 'valid');
    return check.id;
  });
  assert.equal(new Set(ids).size, 2);
});

test('what the service does not keep is a fault: of the moment, or one that needs a person', async (context) => {
  const cases = [
    [202, '{"accepted":0,"ignored":1,"quarantined":0,"transfers":[]}', 'service_refused', /no rule there/],
    [202, 'hello', 'service_refused', /not the answer of a service/],
    [401, '{"code":"unauthorized"}', 'service_refused', /answered 401/],
    [302, '', 'service_refused', /answered 302/],
    [429, '', 'service_unreachable', /answered 429/],
    [503, '{"code":"overloaded"}', 'service_unreachable', /answered 503/],
  ] as const;
  for (const [status, body, code, words] of cases) {
    const { url } = await serviceThat(context, { status, body });
    const fault = await faultOf(openHandOver({ url, apiKey: KEY })('{}', NEVER));
    assert.equal(fault.code, code, `${status}`);
    assert.match(fault.message, words);
    assert.ok(!fault.message.includes('rpl_key'));
  }
});

test('a service that cannot be reached is a fault of the moment', async () => {
  const fault = await faultOf(openHandOver({ url: 'http://127.0.0.1:1', apiKey: null })('{}', NEVER));
  assert.equal(fault.code, 'service_unreachable');
});
