// Measures an outage of the target, in real time: it answers 503 to everything while changes keep coming, then returns.
// npm run measure:outage -- --minutes 5 [--store target|source] [--per-second 10]
// Ends with exit code 1 where a transfer was parked, a change is missing at the target, or one was verified later
// than a minute after the return.
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { notification, SOURCE_BUCKET, SystemUnderTest, TARGET_BUCKET } from '../system/service-under-test.ts';

interface Status {
  readonly counts: Readonly<Record<'queued' | 'copying' | 'settling' | 'parked', number>>;
}

const LATEST_MS = 60_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    store: { type: 'string', default: 'target' },
    'per-second': { type: 'string', default: '10' },
  },
});
const minutes = Number(values.minutes);
const perSecond = Number(values['per-second']);

await using system = await SystemUnderTest.start();
const faults = values.store === 'source' ? system.clouds.s3.faults : system.clouds.gcs.faults;
const written = new Map<string, string>();

await putFor(5_000, 'before');
await settled();
console.log(`${written.size} objects copied; now the ${values.store} answers 503 for ${minutes} min`);
faults.add({ match: {}, effect: { kind: 'status', status: 503, body: '{}' }, times: Infinity });
const outageLogStart = system.service.logLines.length;
let mostParked = 0;
const watching = new AbortController();
const watch = watchParked();
await putFor(minutes * 60_000, 'during');
const outageLines = system.service.logLines.slice(outageLogStart);
const waiting = await counts();
faults.clear();
const returnedAt = performance.now();
await putFor(5_000, 'after');
const allThere = await allAtTarget();
const thereMs = performance.now() - returnedAt;
await settled();
const doneMs = performance.now() - returnedAt;
watching.abort();
await watch;
report();

/** Puts new objects and overwrites of earlier ones, and tells the service of each. */
async function putFor(ms: number, phase: string): Promise<void> {
  const until = performance.now() + ms;
  for (let count = 0; performance.now() < until; count += 1) {
    // Every fifth change overwrites an object of this phase.
    const key = count % 5 === 4 ? `${phase}/${Math.floor(count / 2)}` : `${phase}/${count}`;
    const text = `${phase} ${count} ${'x'.repeat(count % 2000)}`;
    await system.clouds.s3.putObject(SOURCE_BUCKET, key, text);
    written.set(key, text);
    const { status } = await system.service.post('/v1/events', notification([key]));
    if (status !== 202) throw new Error(`A change was answered ${status}`);
    await sleep(1000 / perSecond);
  }
}

async function counts(): Promise<Status['counts']> {
  return ((await system.service.get('/v1/status')).body as Status).counts;
}

async function watchParked(): Promise<void> {
  while (!watching.signal.aborted) {
    mostParked = Math.max(mostParked, (await counts()).parked);
    await sleep(500);
  }
}

/** Waits until the bytes of every object are at the target; null where that takes far too long. */
async function allAtTarget(): Promise<boolean> {
  const deadline = performance.now() + 5 * LATEST_MS;
  while (performance.now() < deadline) {
    const held = new Map(
      system.clouds.gcs.objects(TARGET_BUCKET).map((object) => [object.name, object.read().toString()]),
    );
    if ([...written].every(([key, text]) => held.get(key) === text)) return true;
    await sleep(100);
  }
  return false;
}

async function settled(): Promise<void> {
  for (;;) {
    const { queued, copying, settling } = await counts();
    if (queued + copying + settling === 0) return;
    await sleep(250);
  }
}

function report(): void {
  const byMessage = new Map<string, number>();
  for (const line of outageLines) {
    const { msg, level } = JSON.parse(line) as { readonly msg: string; readonly level: string };
    const text = `${level}: ${msg}`;
    byMessage.set(text, (byMessage.get(text) ?? 0) + 1);
  }
  console.log(
    `changes accepted: ${written.size} objects; waiting at the end of the outage: ${waiting.queued}`,
  );
  console.log('log lines of the outage by message:');
  for (const [text, count] of byMessage) console.log(`  ${count} x ${text}`);
  console.log(`most parked at any time: ${mostParked}`);
  console.log(`all verified at the target ${(thereMs / 1000).toFixed(1)} s after its return: ${allThere}`);
  console.log(`all rows done ${(doneMs / 1000).toFixed(1)} s after its return`);
  if (!allThere || mostParked > 0 || thereMs > LATEST_MS) process.exitCode = 1;
}
