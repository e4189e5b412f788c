// An upload that was cut after its first checkpoint, as tests of its further life find it.
import assert from 'node:assert/strict';
import { Fault, recordOfFault } from '../../core/faults.ts';
import type { UploadCheckpoint } from '../../core/transfer-queue.ts';
import { converge } from '../converge.ts';
import { SOURCE, World } from './world.ts';

/** A world with a parked transfer whose upload was cut, and where it stands. */
export async function worldWithCutUpload(): Promise<{
  readonly world: World;
  readonly transferId: string;
  readonly checkpoint: UploadCheckpoint;
}> {
  const world = new World();
  world.source.put(SOURCE, Buffer.alloc(200, 7));
  const attempt = await world.begin();
  const fault = new Fault('access_denied', 'denied on purpose');
  const stores = world.stores({
    target: {
      sendUpload: async (request, aborted) => {
        await world.target.sendUpload(request, aborted);
        throw fault;
      },
    },
  });
  await assert.rejects(converge(stores, attempt), Fault);
  const progress = attempt.unsavedProgress;
  assert(progress?.checkpoint, 'the upload left a checkpoint');
  await world.queue.progress(attempt.lease, progress);
  const end = { fault: recordOfFault(fault, 0), owed: false, delayMsIfDirty: 0 };
  assert.equal(await world.queue.park(attempt.lease, end), 'parked');
  return { world, transferId: attempt.lease.transferId, checkpoint: progress.checkpoint };
}
