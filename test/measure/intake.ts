// Measures how long the service takes to answer a pusher while another caller floods it: over kept connections, as
// proxies have them, and over new ones; without a limit for each caller and with the default one.
// npm run measure:intake -- [--seconds 15] [--connections 1000] [--changes 10] [--only kept|new]
// Ends with exit code 1 where one of a hundred answers to the pusher took a second or longer.
//
// The real service on loopback, its stores unreachable: the whole process is there for the intake. The flood comes from a
// thread of its own.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { freePort, startService } from '../../sandbox/service-process.ts';
import { SOURCE_BUCKET, TARGET_BUCKET } from '../../sandbox/two-clouds.ts';
import { documentOf } from './documents.ts';
import type { FloodOrder, FloodReport } from './flood.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '15' },
    connections: { type: 'string', default: '1000' },
    changes: { type: 'string', default: '10' },
    only: { type: 'string', default: 'both' },
  },
});
const LIMIT_MS = 1_000;
const PUSH_EVERY_MS = 20;
const MAX_DOCUMENTS = 100_000;
const PUSHER_KEY = 'rpl_pusher_measured';
const FLOOD_KEY = 'rpl_flood_measured';
const WAYS = new Map([
  ['both', [true, false]],
  ['kept', [true]],
  ['new', [false]],
]);
const LIMITS = [
  ['no limit for a caller', { CALLER_RATE_LIMIT: '0' }],
  ['the default limit', {}],
] as const;
const order = {
  apiKey: FLOOD_KEY,
  connections: Number(values.connections),
  changesPerDocument: Number(values.changes),
  seconds: Number(values.seconds),
  warmUpSeconds: 3,
  maxDocuments: MAX_DOCUMENTS,
};

console.log(
  `${order.connections} connections flood for ${order.seconds} s with ${order.changesPerDocument} changes a document; a pusher calls every ${PUSH_EVERY_MS} ms`,
);
for (const keepsConnections of WAYS.get(values.only) ?? [])
  for (const [what, settings] of LIMITS) {
    console.log(`\n${keepsConnections ? 'kept' : 'new'} connections, ${what}:`);
    if ((await measure(settings, keepsConnections)) >= LIMIT_MS) process.exitCode = 1;
  }

async function measure(
  settings: Readonly<Record<string, string>>,
  keepsConnections: boolean,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'replicator-measure-'));
  const service = await startService({
    settings: {
      S3_BUCKET: SOURCE_BUCKET,
      GCS_BUCKET: TARGET_BUCKET,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'measured',
      AWS_SECRET_ACCESS_KEY: 'measured',
      // Nobody listens there.
      AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
      STORAGE_EMULATOR_HOST: 'http://127.0.0.1:1',
      RECONCILE_INTERVAL_HOURS: '0',
      REPLICATOR_DATA_DIR: join(folder, 'data'),
      REPLICATOR_API_KEYS: [PUSHER_KEY, FLOOD_KEY].map(entryOf).join(),
      HOST: '127.0.0.1',
      LOG_FORMAT: 'json',
      LOG_LEVEL: 'warn',
      ...settings,
    },
    port: await freePort(),
    apiKey: PUSHER_KEY,
    folder,
    onLog: () => {},
  });
  try {
    return await floodAndPush(Number(new URL(service.url).port), keepsConnections);
  } finally {
    await service.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

function entryOf(key: string): string {
  return `write:${key.split('_')[1] ?? ''}:${createHash('sha256').update(key).digest('hex')}`;
}

/** Answers with the time that 99 of 100 answers to the pusher needed at most. */
async function floodAndPush(port: number, keepsConnections: boolean): Promise<number> {
  const agent = keepsConnections ? new Agent({ keepAlive: true }) : false;
  const workerData: FloodOrder = { ...order, port, keepsConnections };
  const worker = new Worker(new URL('flood.ts', import.meta.url), { workerData });
  const flooded = once(worker, 'message') as Promise<[FloodReport]>;
  let isOver = false;
  void flooded.finally(() => (isOver = true));
  const pushes: Promise<void>[] = [];
  const pushed = { statuses: {} as Record<string, number>, answerMs: [] as number[] };
  await sleep(order.warmUpSeconds * 1000);
  for (let index = 0; !isDone(); index += 1) {
    pushes.push(push(documentOf('pusher', index, 1), { port, agent }, pushed));
    await sleep(PUSH_EVERY_MS);
  }
  await Promise.all(pushes);
  const [report] = await flooded;
  show('flood', report.statuses, report.answerMs);
  return show('pusher', pushed.statuses, Float64Array.from(pushed.answerMs));

  function isDone(): boolean {
    return isOver;
  }
}

async function push(
  body: string,
  where: { readonly port: number; readonly agent: Agent | false },
  told: { readonly statuses: Record<string, number>; readonly answerMs: number[] },
): Promise<void> {
  const startedAtMs = performance.now();
  const request = httpRequest({
    host: '127.0.0.1',
    ...where,
    method: 'POST',
    path: '/v1/events',
    headers: {
      authorization: `Bearer ${PUSHER_KEY}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    },
  });
  request.end(body);
  let status = 'closed';
  try {
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    for await (const _ of answer) void _;
    status = String(answer.statusCode);
  } catch {
    // Counted as closed.
  }
  told.answerMs.push(performance.now() - startedAtMs);
  told.statuses[status] = (told.statuses[status] ?? 0) + 1;
}

function show(who: string, statuses: Readonly<Record<string, number>>, answerMs: Float64Array): number {
  const sorted = answerMs.toSorted();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const counts = [
    '202',
    '429',
    '503',
    ...Object.keys(statuses).filter((name) => !['202', '429', '503'].includes(name)),
  ];
  console.log(
    `  ${who.padEnd(6)} ${counts.map((name) => `${name}: ${statuses[name] ?? 0}`).join(', ')}; ` +
      `answers p50 ${at(0.5).toFixed(0)} ms, p99 ${at(0.99).toFixed(0)} ms, max ${at(1).toFixed(0)} ms`,
  );
  return at(0.99);
}
