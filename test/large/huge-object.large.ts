// A 2 GiB object through the real service: the memory of the process must not grow with the object.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { notification, SOURCE_BUCKET, SystemUnderTest, TARGET_BUCKET } from '../system/service-under-test.ts';

const MIB = 1024 * 1024;
const SIZE_BYTES = 2048 * MIB;
const MOST_RESIDENT_BYTES = 250 * MIB;

/** The highest resident memory the process ever had, as Linux counts it. */
function peakResidentBytes(pid: number): number {
  const kib = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  assert.ok(kib, 'The kernel tells no peak');
  return Number(kib) * 1024;
}

test(
  'a 2 GiB object passes with less than 250 MiB of resident memory',
  {
    skip:
      process.platform === 'linux'
        ? false
        : 'the peak of another process is read from /proc, which is Linux only',
  },
  async (t) => {
    await using system = await SystemUnderTest.start({}, { keepBytes: false });
    const key = 'huge.bin';
    const source = await system.clouds.s3.putSyntheticObject(SOURCE_BUCKET, key, {
      sizeBytes: SIZE_BYTES,
      seed: 7,
    });
    const startedMs = performance.now();
    await system.service.post('/v1/events', notification([key]));
    const transfer = await system.ended(key);
    const seconds = (performance.now() - startedMs) / 1000;
    assert.equal(transfer.outcome, 'replicated');
    const object = system.clouds.gcs.getObject(TARGET_BUCKET, key);
    assert.equal(object?.sizeBytes, SIZE_BYTES);
    assert.equal(object.crc32c, source.crc32c, 'The target has other bytes');
    assert.equal(transfer.receipt?.verified, 'source');
    const peakBytes = peakResidentBytes(system.service.pid);
    t.diagnostic(`peak resident memory ${Math.round(peakBytes / MIB)} MiB, ${seconds.toFixed(1)} s`);
    assert.ok(peakBytes < MOST_RESIDENT_BYTES, `The peak was ${Math.round(peakBytes / MIB)} MiB`);
  },
);
