// Floods over real HTTP: what is refused is refused whole, what is accepted is in the queue, and what is held at once
// stays within its bound.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { RefusalReason } from '../core/overload.ts';
import { openMemoryQueue } from '../queues/memory/memory-queue.ts';
import { createIntake } from '../replication/accept-change.ts';
import { IntakeGate, type IntakeLimits } from '../replication/intake-gate.ts';
import { SILENT_OVERLOAD } from '../replication/testing/silent-overload.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { openTestApi, PHOTOS_RULE } from './testing/open-test-api.ts';

/** The API over a queue whose disk is slow: nothing is stored before the test opens it. */
async function openSlowApi(t: TestContext, limits: Partial<IntakeLimits>, isSlow = true) {
  const clock = new ManualClock();
  const refused: RefusalReason[] = [];
  let waiting = 0;
  let mostBytes = 0;
  const gate = new IntakeGate({
    limits,
    clock,
    happenings: {
      intakeRefused: (reason) => void refused.push(reason),
      overloadBegan() {},
      overloadEnded() {},
      diskSpaceLow() {},
      diskSpaceUnknown() {},
    },
  });
  let lastId = 0;
  const queue = openMemoryQueue({
    clock,
    leaseMs: 60_000,
    settleGraceMs: 5_000,
    smallMaxBytes: 1_000_000,
    newId: () => `transfer-${++lastId}`,
  });
  const disk = Promise.withResolvers<void>();
  if (!isSlow) disk.resolve();
  const intake = createIntake({ rules: [PHOTOS_RULE], queue, happenings: SILENT });
  const api = await openTestApi(t, {
    queue,
    gate,
    rules: [PHOTOS_RULE],
    acceptChanges: async (parsed) => {
      waiting += 1;
      mostBytes = Math.max(mostBytes, gate.load.bodyBytes);
      await disk.promise;
      return intake(parsed);
    },
  });
  return {
    api,
    gate,
    queue,
    refused,
    openDisk: () => disk.resolve(),
    mostBytes: () => mostBytes,
    /** Resolves when so many requests wait for the disk. */
    untilWaiting: (count: number) => until(() => waiting >= count),
    /** Resolves when it is decided for so many requests whether they are let in. */
    untilDecided: (count: number) => until(() => waiting + refused.length >= count),
  };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

const SILENT = {
  changeAccepted() {},
  changeIgnored() {},
  deliveryRepeated() {},
  recordQuarantined() {},
} as unknown as Parameters<typeof createIntake>[0]['happenings'];

function recordsOf(keys: readonly string[]): object {
  return {
    Records: keys.map((key) => ({
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      eventTime: '2026-11-23T09:00:00.000Z',
      eventName: 'ObjectCreated:Put',
      s3: { bucket: { name: 'photos' }, object: { key } },
    })),
  };
}

async function keysIn(queue: Awaited<ReturnType<typeof openSlowApi>>['queue']): Promise<Set<string>> {
  const keys = new Set<string>();
  let cursor: string | null = null;
  do {
    const page = await queue.list({ filter: {}, cursor, limit: 100 });
    for (const { source } of page.transfers) keys.add(source.key);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return keys;
}

test('a flood over a slow disk: only 202 and 503, every 202 is kept whole, no 503 is kept at all', async (t) => {
  const bodyBytes = 40_000;
  const { api, gate, queue, refused, openDisk, untilDecided, mostBytes } = await openSlowApi(t, {
    requests: 20,
    bodyBytes,
    waitingChanges: 60,
  });
  const documents = Array.from({ length: 60 }, (_, index) =>
    Array.from({ length: 5 }, (__, record) => `d${index}/r${record}-${'x'.repeat(index * 5)}`),
  );
  const answers = Promise.all(
    documents.map(async (keys) => ({
      keys,
      answer: await api.call('POST', '/v1/events', { json: recordsOf(keys) }),
    })),
  );
  // Refused ones are answered while the accepted ones wait.
  await untilDecided(documents.length);
  openDisk();
  const kept = new Set<string>();
  let laterCount = 0;
  for (const { keys, answer } of await answers) {
    if (answer.status === 202) for (const key of keys) kept.add(key);
    else {
      laterCount += 1;
      assert.equal(answer.status, 503);
      assert.equal(answer.json?.['code'], 'overloaded');
      assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    }
  }
  assert.ok(laterCount > 0, 'The flood was small enough for all bounds: the test shows nothing');
  assert.equal(refused.length, laterCount);
  assert.deepEqual(await keysIn(queue), kept);
  assert.ok(mostBytes() <= bodyBytes, `${mostBytes()} bytes were held`);
  // All that was counted in is counted out, and the next one is taken.
  const after = await api.call('POST', '/v1/events', { json: recordsOf(['after']) });
  assert.equal(after.status, 202);
  await untilIdle(gate);
  assert.deepEqual(
    api.log.filter(({ message }) => message === 'request failed'),
    [],
    'A line for each refused request would be a flood of its own',
  );
});

async function untilIdle(gate: IntakeGate): Promise<void> {
  // The answer is out before its response is closed.
  for (let turn = 0; turn < 10_000; turn++) {
    const { requests, bodyBytes, waitingChanges } = gate.load;
    if (requests + bodyBytes + waitingChanges === 0) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(gate.load, { requests: 0, bodyBytes: 0, waitingChanges: 0 });
}

test('an announced body without room is refused before a byte of it is sent', async (t) => {
  const { api, gate, refused } = await openSlowApi(t, { bodyBytes: 1_000 });
  const socket = connect(api.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.write(
    'POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1001\r\n\r\n',
  );
  const [head] = (await once(socket, 'data')) as [Buffer];
  assert.match(head.toString(), /^HTTP\/1\.1 503 /);
  assert.match(head.toString(), /retry-after: 5/i);
  assert.deepEqual(refused, ['body_bytes']);
  socket.destroy();
  await untilIdle(gate);
});

test('a body of no announced length is refused as soon as it has taken what there was', async (t) => {
  const { api, gate } = await openSlowApi(t, { bodyBytes: 50_000 });
  const request = httpRequest({
    host: '127.0.0.1',
    port: api.port,
    method: 'POST',
    path: '/v1/events',
    headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
    agent: false,
  });
  t.after(() => request.destroy());
  request.on('error', () => {});
  const answered = once(request, 'response');
  // Never ended: the answer must not wait for it.
  request.write('['.padEnd(60_000, ' '));
  const [answer] = (await answered) as [IncomingMessage];
  assert.equal(answer.statusCode, 503);
  answer.resume();
  request.destroy();
  await untilIdle(gate);
});

test('what arrives of a body behind the answer that it is too large is not counted for ever', async (t) => {
  const gate = new IntakeGate({ clock: new ManualClock(), happenings: SILENT_OVERLOAD });
  const api = await openTestApi(t, { gate, limits: { bodyBytes: 10_000 } });
  const socket = connect(api.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.resume();
  socket.write(
    'POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  const chunk = `7d0\r\n${'x'.repeat(2_000)}\r\n`;
  for (let write = 0; write < 20 && !socket.destroyed; write++) {
    socket.write(chunk.repeat(2_000));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  await untilIdle(gate);
});

test('slow bodies hold what they announced, others fit beside them, and a caller that hangs up gives all back', async (t) => {
  const { api, gate, openDisk } = await openSlowApi(t, { bodyBytes: 10_000 });
  openDisk();
  const socket = connect(api.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.write(
    'POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{"Rec',
  );
  await until(() => gate.load.bodyBytes >= 9_000);
  const small = await api.call('POST', '/v1/events', { json: recordsOf(['small']) });
  assert.equal(small.status, 202);
  const large = await api.call('POST', '/v1/events', { json: recordsOf(['l'.repeat(1_000)]) });
  assert.equal(large.status, 503);
  socket.destroy();
  await untilIdle(gate);
  assert.equal((await api.call('POST', '/v1/events', { json: recordsOf(['l'.repeat(1_000)]) })).status, 202);
});

test('a caller that hangs up while its changes wait for the disk gives nothing back before they are stored', async (t) => {
  const { api, gate, openDisk, untilWaiting } = await openSlowApi(t, {});
  const socket = connect(api.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  const body = JSON.stringify(recordsOf(['kept']));
  socket.write(
    `POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await untilWaiting(1);
  socket.destroy();
  await until(() => gate.load.requests === 0);
  assert.deepEqual(gate.load, { requests: 0, bodyBytes: body.length, waitingChanges: 1 });
  openDisk();
  await untilIdle(gate);
});

test('of what comes at once in one turn only so much is begun, the rest is told to come again', async (t) => {
  const api = await openTestApi(t, { limits: { intakeTurnMs: 0.5 } });
  const sockets = Array.from({ length: 20 }, () => connect(api.port, '127.0.0.1').setEncoding('utf8'));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  const answerTo = async (socket: Socket, bytes: string): Promise<string> => {
    const answered = once(socket, 'data');
    socket.write(bytes);
    const [text] = (await answered) as [string];
    return text;
  };
  // Known connections: each has been answered before.
  for (const socket of sockets)
    assert.match(await answerTo(socket, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'), / 200 /);
  const body = '{"bucket":"photos","key":"a"}';
  const post = `POST /v1/replicate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const answers = await Promise.all(sockets.map(async (socket) => answerTo(socket, post)));
  const later = answers.filter((answer) => !answer.startsWith('HTTP/1.1 202 '));
  assert.ok(later.length > 0 && later.length < answers.length, `${later.length} of ${answers.length}`);
  for (const answer of later)
    assert.match(answer, /^HTTP\/1\.1 503 [\s\S]*retry-after: 5\r\n[\s\S]*"code":"overloaded"/i);
  assert.equal((await api.call('POST', '/v1/replicate', { json: JSON.parse(body) })).status, 202);
});

test('health, readiness, metrics and status are answered when nothing else is', async (t) => {
  const { api, gate, openDisk, untilWaiting } = await openSlowApi(t, { requests: 1 });
  const first = api.call('POST', '/v1/events', { json: recordsOf(['first']) });
  await untilWaiting(1);
  const refused = await api.call('GET', '/v1/transfers');
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('connection'), 'close');
  for (const path of ['/healthz', '/readyz', '/metrics', '/v1/status'])
    assert.equal((await api.call('GET', path)).status, 200, path);
  openDisk();
  assert.equal((await first).status, 202);
  await untilIdle(gate);
});

test('on a machine in trouble changes are refused with the reason, and everything else is answered', async (t) => {
  const { api, gate } = await openSlowApi(t, {}, false);
  gate.beginHostTrouble('disk_reserve', 'The disk of the queue has 5 bytes free; 10 are kept in reserve.');
  for (const [path, json] of [
    ['/v1/events', recordsOf(['k'])],
    ['/v1/replicate', { bucket: 'photos', key: 'k' }],
  ] as const) {
    const answer = await api.call('POST', path, { json });
    assert.equal(answer.status, 503);
    assert.equal(answer.json?.['code'], 'disk_reserve');
    assert.match(String(answer.json?.['detail']), /5 bytes free/);
    assert.match(String(answer.json?.['remedy']), /REPLICATOR_DATA_DIR/);
    assert.equal(answer.headers.get('retry-after'), '30');
  }
  assert.equal((await api.call('GET', '/v1/transfers')).status, 200);
  const status = await api.call('GET', '/v1/status');
  assert.deepEqual(status.json?.['refusing'], [
    { reason: 'disk_reserve', detail: 'The disk of the queue has 5 bytes free; 10 are kept in reserve.' },
  ]);
  gate.endHostTrouble('disk_reserve');
  assert.equal((await api.call('POST', '/v1/events', { json: recordsOf(['k']) })).status, 202);
});

test('a key that is missing is told so, however full the service is', async (t) => {
  const api = await openTestApi(t, {
    auth: 'keys',
    apiKeys: [{ scope: 'write', id: 'w', sha256: 'a'.repeat(64) }],
    gate: new IntakeGate({ limits: { requests: 0 }, clock: new ManualClock(), happenings: SILENT_OVERLOAD }),
  });
  assert.equal((await api.call('POST', '/v1/events', { json: {} })).status, 401);
});

test('where all connections are taken, one that only waits for a next request gives way', async (t) => {
  const told: RefusalReason[] = [];
  const dropped = Promise.withResolvers<void>();
  const gate = new IntakeGate({
    clock: new ManualClock(),
    happenings: {
      ...SILENT_OVERLOAD,
      intakeRefused: (reason) => {
        told.push(reason);
        dropped.resolve();
      },
    },
  });
  const api = await openTestApi(t, { gate, limits: { connections: 1 } });
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const idle = await new Promise<Socket>((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: api.port, path: '/healthz', agent }, (answer) => {
      const { socket } = answer;
      answer.resume();
      answer.on('end', () => resolve(socket));
    });
    request.on('error', reject);
    request.end();
  });
  const closed = once(idle, 'close');
  const second = connect(api.port, '127.0.0.1');
  second.on('error', () => {});
  await dropped.promise;
  await closed;
  assert.deepEqual(told, ['connections']);
  assert.equal((await api.call('GET', '/healthz')).status, 200);
});
