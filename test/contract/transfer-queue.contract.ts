// What every queue driver promises beyond types: src/core/transfer-queue.ts as tests. A driver's runner calls
// `transferQueueContract` with a way to open an empty queue on a clock that the test moves.
import { describe, test } from 'node:test';
import type { TransferQueue } from '../../src/core/transfer-queue.ts';
import { ManualClock } from './manual-clock.ts';
import { attemptTests } from './transfer-queue-attempts.contract.ts';
import { deliveryTests } from './transfer-queue-deliveries.contract.ts';
import { intakeTests } from './transfer-queue-intake.contract.ts';
import { laneTests } from './transfer-queue-lanes.contract.ts';
import { readingTests } from './transfer-queue-reading.contract.ts';
import { parkedTests } from './transfer-queue-parked.contract.ts';
import type { Promised } from './transfer-queue-samples.ts';
import { storedUploadTests } from './transfer-queue-stored-uploads.contract.ts';
import { settlingTests } from './transfer-queue-settling.contract.ts';

/** Registers the tests for one driver. `open`: an empty queue with LEASE_MS and GRACE_MS; the suite closes it. */
export function transferQueueContract(
  driver: string,
  open: (clock: ManualClock) => Promise<TransferQueue>,
): void {
  const promised: Promised = (behaviour, body) => {
    test(behaviour, async () => {
      const clock = new ManualClock();
      const queue = await open(clock);
      try {
        await body(queue, clock);
      } finally {
        await queue.close();
      }
    });
  };
  describe(`${driver} queue: changes and claims`, () => intakeTests(promised));
  describe(`${driver} queue: deliveries with an id`, () => deliveryTests(promised));
  describe(`${driver} queue: lanes and priorities`, () => laneTests(promised));
  describe(`${driver} queue: ends of attempts`, () => attemptTests(promised));
  describe(`${driver} queue: owed effects`, () => settlingTests(promised));
  describe(`${driver} queue: stored uploads`, () => storedUploadTests(promised));
  describe(`${driver} queue: parked transfers`, () => parkedTests(promised));
  describe(`${driver} queue: reading`, () => readingTests(promised));
}
