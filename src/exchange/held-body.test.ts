import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BodyFlow, HeldBody } from './held-body.ts';

function opened(): { readonly body: HeldBody; readonly calls: string[] } {
  const calls: string[] = [];
  const flow: BodyFlow = {
    pause: () => void calls.push('pause'),
    resume: () => void calls.push('resume'),
    abort: ({ message }) => void calls.push(`abort: ${message}`),
  };
  return { body: new HeldBody(flow), calls };
}

async function texts(body: HeldBody): Promise<string[]> {
  const seen: string[] = [];
  for await (const chunk of body) seen.push(Buffer.from(chunk).toString());
  return seen;
}

test('pieces come in their order, whether somebody waits for them or not', async () => {
  const { body, calls } = opened();
  body.push(Buffer.from('a'));
  body.push(Buffer.from('b'));
  const all = texts(body);
  await Promise.resolve();
  body.push(Buffer.from('c'));
  body.close();
  assert.deepEqual(await all, ['a', 'b', 'c']);
  assert.deepEqual(await body.next(), { done: true, value: undefined });
  assert.deepEqual(calls, []);
});

test('a body that nobody takes holds its connection back, and lets it go on when it is taken', async () => {
  const { body, calls } = opened();
  for (let count = 0; count < 3; count += 1) body.push(Buffer.alloc(40_000));
  assert.deepEqual(calls, ['pause']);
  await body.next();
  assert.deepEqual(calls, ['pause'], 'still more than may lie here');
  await body.next();
  assert.deepEqual(calls, ['pause', 'resume']);
});

test('what breaks the body is told to whoever reads on, now or later', async () => {
  const waiting = opened().body;
  const next = waiting.next();
  waiting.fail(new Error('cut'));
  await assert.rejects(next, { message: 'cut' });
  const unread = opened().body;
  unread.push(Buffer.from('a'));
  unread.fail(new Error('cut'));
  await assert.rejects(unread.next(), { message: 'cut' });
});

test('a short rest that nobody wants is read away, a long one costs the connection', async () => {
  const short = opened();
  short.body.push(Buffer.alloc(10));
  short.body.drop(100);
  short.body.push(Buffer.alloc(90));
  short.body.close();
  assert.deepEqual(short.calls, []);
  assert.deepEqual(await short.body.next(), { done: true, value: undefined });
  const long = opened();
  long.body.push(Buffer.alloc(10));
  long.body.drop(100);
  long.body.push(Buffer.alloc(91));
  assert.deepEqual(long.calls, ['abort: Nobody wants the rest of the body']);
});

test('a dropped body that was held back is let go on, or it would hold its connection for ever', () => {
  const { body, calls } = opened();
  body.push(Buffer.alloc(70_000));
  body.drop(100_000);
  assert.deepEqual(calls, ['pause', 'resume']);
});

test('a loop that ends early gives the connection up', async () => {
  const { body, calls } = opened();
  body.push(Buffer.alloc(10));
  body.push(Buffer.alloc(10));
  for await (const _ of body) break;
  assert.deepEqual(calls, ['abort: Nobody wants the rest of the body']);
  body.close();
  body.drop(0);
  assert.equal(calls.length, 1, 'once is enough');
});

test('a loop that ends early gives the connection up, also where nothing has come that was not taken', async () => {
  const aborted: string[] = [];
  const body = new HeldBody({
    pause() {},
    resume() {},
    abort: (reason) => void aborted.push(reason.message),
  });
  body.push(Buffer.from('abc'));
  await body.next();
  await body.return();
  assert.deepEqual(aborted, ['Nobody wants the rest of the body']);
});
