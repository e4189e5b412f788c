import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../http/testing/manual-clock.ts';
import { openHostSensors } from './host-sensors.ts';
import { createLogger } from './logger.ts';
import { createMetrics } from './metrics.ts';
import { createOverloadHappenings } from './overload-metrics.ts';

function open(queueKind: 'sqlite' | 'postgres' = 'sqlite') {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({
    level: 'info',
    format: 'json',
    isColored: false,
    write: (text) => void lines.push(JSON.parse(text) as Record<string, unknown>),
  });
  const metrics = createMetrics({ version: '1', clock: new ManualClock() });
  return { lines, metrics, happenings: createOverloadHappenings({ logger, metrics, queueKind }) };
}

test('refusals are counted and write no line; begin and end write one each, with remedy and count', async () => {
  const { lines, metrics, happenings } = open();
  happenings.overloadBegan({ reason: 'body_bytes', detail: '9 bytes are held' });
  for (let count = 0; count < 3; count++) happenings.intakeRefused('body_bytes');
  happenings.overloadEnded({ reason: 'body_bytes', refused: 3, durationMs: 12.4 });
  assert.equal(lines.length, 2);
  const [begin, end] = lines;
  assert.equal(begin?.['level'], 'warn');
  assert.match(String(begin['msg']), /^overload begins/);
  assert.match(String(begin['remedy']), /MAX_MEMORY_BYTES/);
  assert.deepEqual([end?.['refused'], end?.['durationMs'], end?.['reason']], [3, 12, 'body_bytes']);
  const { text } = await metrics.render();
  assert.match(text, /^replicator_intake_refused_total\{reason="body_bytes"\} 3$/m);
});

test('a queue that cannot store is an error, with what failed', () => {
  const { lines, happenings } = open();
  happenings.overloadBegan({ reason: 'queue', detail: 'disk full', error: new Error('disk full') });
  assert.equal(lines[0]?.['level'], 'error');
  assert.match(String(lines[0]['msg']), /^the queue cannot store/);
  assert.match(JSON.stringify(lines[0]['err']), /disk full/);
});

test('the remedy of a queue that cannot store names where it is kept', () => {
  const remedyOf = (kind: 'sqlite' | 'postgres'): string => {
    const { lines, happenings } = open(kind);
    happenings.overloadBegan({ reason: 'queue', detail: 'no answer' });
    return String(lines[0]?.['remedy']);
  };
  assert.match(remedyOf('sqlite'), /^Check the disk of REPLICATOR_DATA_DIR\./);
  assert.match(
    remedyOf('postgres'),
    /^Check that the PostgreSQL server of DATABASE_URL runs and can be reached\./,
  );
  assert.doesNotMatch(remedyOf('postgres'), /disk|REPLICATOR_DATA_DIR/);
});

test('free space and lag are metrics, and unknown ones are NaN', async () => {
  const { metrics } = open();
  assert.match((await metrics.render()).text, /^replicator_disk_free_bytes (NaN|Nan)$/m);
  metrics.overload.watch(() => ({ freeDiskBytes: 5, loopLagMs: 1500, requests: 2, bodyBytes: 7 }));
  const { text } = await metrics.render();
  for (const line of [
    'replicator_disk_free_bytes 5',
    'replicator_event_loop_lag_seconds 1.5',
    'replicator_requests_in_flight 2',
    'replicator_request_body_bytes 7',
  ])
    assert.ok(text.includes(`\n${line}\n`), line);
});

test('the sensors read a real disk, and how long the process stood still', async () => {
  using sensors = openHostSensors(import.meta.dirname);
  assert.ok(((await sensors.freeDiskBytes()) ?? 0) > 0);
  for (let pause = 0; pause < 2; pause++) {
    const untilMs = performance.now() + 300;
    while (performance.now() < untilMs);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(sensors.loopLagMs() >= 200, 'Each pause, also one directly after the other');
    assert.ok(sensors.loopLagMs() < 200, 'Each pause once');
  }
  using elsewhere = openHostSensors('/no/such/folder');
  await assert.rejects(elsewhere.freeDiskBytes(), /ENOENT/);
  using without = openHostSensors(null);
  assert.equal(await without.freeDiskBytes(), null);
});
