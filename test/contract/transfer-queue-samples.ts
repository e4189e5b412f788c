// Samples the queue's tests share: changes, ends of attempts, and small steps that many tests take.
import assert from 'node:assert/strict';
import type { ManualClock } from './manual-clock.ts';
import type { Change, ChangeTransport } from '../../src/core/change.ts';
import type { FaultCode, FaultRecord } from '../../src/core/faults.ts';
import type { TargetToken } from '../../src/core/object.ts';
import type { Receipt, Transfer } from '../../src/core/transfer.ts';
import type {
  AcceptedTransfer,
  AcceptItem,
  ClaimedTransfer,
  ClaimRoom,
  TransferQueue,
  UploadCheckpoint,
} from '../../src/core/transfer-queue.ts';

interface ItemOptions {
  readonly rule?: string;
  readonly bucket?: string;
  readonly occurredAtMs?: number | null;
  readonly sizeBytes?: number | null;
  readonly transport?: ChangeTransport;
}

/** A change of a key, as the intake hands it over. */
export function itemOf(key: string, options: ItemOptions = {}): AcceptItem {
  const {
    rule = 'default',
    bucket = 'source',
    occurredAtMs = null,
    sizeBytes = null,
    transport = 's3',
  } = options;
  const change: Change = {
    bucket,
    key,
    kind: 'created',
    transport,
    occurredAtMs,
    sizeBytes,
    versionId: null,
    sequencer: null,
  };
  return {
    ruleName: rule,
    source: { bucket, key },
    target: { bucket: 'target', key: `copy/${key}` },
    change,
  };
}

/** A receipt of a generation. */
export function receiptOf(generation: string, sizeBytes = 3): Receipt {
  return {
    etag: `etag-${generation}`,
    versionId: null,
    sizeBytes,
    sourceChecksum: null,
    crc32c: 'AAAAAA==',
    generation,
    verified: 'transfer',
    finishedAtMs: 1,
    lagMs: 2,
    droppedMetadata: [],
  };
}

/** A fault of a code. */
export function faultOf(code: FaultCode = 'target_error'): FaultRecord {
  return { code, message: `The store said ${code}`, details: { bucket: 'target' }, atMs: 7 };
}

/** Where a large upload stands. */
export function checkpointOf(hashedBytes: number): UploadCheckpoint {
  return {
    target: { bucket: 'to', key: 'a' },
    placement: { storageClass: null, kmsKeyName: null },
    session: { uri: 'https://upload.invalid/secret-session' },
    openedAtMs: 1,
    condition: 'g1.1' as TargetToken,
    state: {
      etag: 'abc',
      versionId: null,
      sizeBytes: 100,
      lastModifiedMs: 1,
      md5: null,
      checksum: null,
      metadata: {
        contentType: null,
        cacheControl: null,
        contentDisposition: null,
        contentLanguage: null,
        contentEncoding: null,
        expires: null,
        websiteRedirectLocation: null,
        user: {},
      },
      storageClass: null,
    },
    metadataDigest: 'digest',
    hashedBytes,
    crc32c: 1,
    sourceChecksumState: null,
  };
}

/** Accepts one change. */
export async function acceptOne(
  queue: TransferQueue,
  key: string,
  options: ItemOptions = {},
): Promise<AcceptedTransfer> {
  const [accepted] = await queue.accept({ items: [itemOf(key, options)], quarantine: [] });
  assert(accepted !== undefined);
  return accepted;
}

/** Room for so many transfers of any size. */
export function roomFor(total: number): ClaimRoom {
  return { total, large: total };
}

/** Claims the one row that must be due. */
export async function claimOne(queue: TransferQueue): Promise<ClaimedTransfer> {
  const claimed = await queue.claim(roomFor(10));
  assert.equal(claimed.length, 1, 'exactly one transfer is due');
  const [first] = claimed;
  assert(first !== undefined);
  return first;
}

/** The transfer of an id that must be known. */
export async function show(queue: TransferQueue, id: string): Promise<Transfer> {
  const transfer = await queue.get(id);
  assert(transfer !== null, `transfer ${id} is known`);
  return transfer;
}

export const REPLICATED = { outcome: 'replicated', receipt: receiptOf('1'), owed: false } as const;
export const CURRENT = { outcome: 'already_current', receipt: null, owed: false } as const;

/** A counted retry after a delay. */
export function retryIn(delayMs: number): Parameters<TransferQueue['retry']>[1] {
  return { fault: faultOf(), delayMs, countsAsAttempt: true, owed: false };
}

/** A park that would wait this long where the row is dirty. */
export function parkWith(code: FaultCode, delayMsIfDirty = 1_000): Parameters<TransferQueue['park']>[1] {
  return { fault: faultOf(code), owed: false, delayMsIfDirty };
}

/** What the queues of the contract are opened with. */
export const LEASE_MS = 30_000;
export const GRACE_MS = 120_000;
export const SMALL_MAX_BYTES = 1_000;

/** Registers a test that gets an empty queue and the clock it lives on; the queue is closed afterwards. */
export type Promised = (
  behaviour: string,
  body: (queue: TransferQueue, clock: ManualClock) => Promise<void>,
) => void;
