// Moves the bytes of one source state to the target, verified before they become visible: small objects in one
// request, larger ones through an upload session (resumable-copy.ts). Decides nothing about order: the caller has
// looked at the target before this read, and hands in what the write is conditioned on.
import type { ChecksumEngine } from '../core/checksum.ts';
import type { Clock } from '../core/clock.ts';
import { type decide, ownStamp, stampAgrees } from '../core/decide.ts';
import { Fault } from '../core/faults.ts';
import {
  customMetadataBytes,
  digestMetadata,
  type MappedMetadata,
  mapMetadata,
} from '../core/metadata-map.ts';
import type { SourceState, TargetMetadata, TargetObject } from '../core/object.ts';
import type { ObjectSource, SourceRead } from '../core/object-source.ts';
import type { ObjectTarget, Placement, TargetCondition } from '../core/object-target.ts';
import type { Rule } from '../core/rule.ts';
import { comparableChecksum, stampedMetadata, stampOf } from '../core/stamp.ts';
import type { Receipt, VerifiedLevel } from '../core/transfer.ts';
import type { Attempt } from './attempt.ts';
import type { ByteBudget } from './byte-budget.ts';
import { ByteCursor } from './byte-cursor.ts';
import { ByteProof } from './byte-proof.ts';
import type { DeleteBrake } from './delete-brake.ts';
import type { RecheckPolicy, SeenState } from './recheck.ts';

/** What every use case of an attempt works with. */
export interface Stores {
  readonly source: ObjectSource;
  readonly target: ObjectTarget;
  readonly checksums: ChecksumEngine;
  readonly clock: Clock;
  readonly byteBudget: ByteBudget;
  /** Asked before every mirrored delete; told of every new object. */
  readonly deleteBrake: Pick<DeleteBrake, 'ask' | 'objectAppeared'>;
  /** Largest object sent in one request, and the interval of checkpoints. */
  readonly chunkBytes: number;
  /** After this an unanswered effect is given up. The settle grace is at least twice as long. */
  readonly effectDeadlineMs: number;
  /** Left out where a queue serializes the attempts of one object: then nothing is looked at after an effect. */
  readonly recheck?: RecheckPolicy;
  /** Takes the place of the decision of core, for whoever wants to see what a wrong one leads to. */
  readonly decide?: typeof decide;
}

/**
 * `copied`: with the state that the bytes are of. `look_again`: the condition failed, or nobody answered: nothing seen
 * so far may be used any more.
 */
export type CopyResult =
  | { readonly kind: 'copied'; readonly receipt: Receipt; readonly copied: SeenState }
  | { readonly kind: 'look_again' };

export type SourceBody = Extract<SourceRead, { kind: 'body' }>;

/** Copies an open read whose own answer is the look that confirms `read.state`. Always frees the read. */
export async function copySmallObject(
  stores: Stores,
  attempt: Attempt,
  read: SourceBody,
  condition: TargetCondition,
): Promise<CopyResult> {
  const { state } = read;
  let isReading = false;
  let giveBack = (): void => {};
  try {
    const mapped = prepareCopy(stores, attempt, state);
    const proof = new ByteProof({
      engine: stores.checksums,
      state,
      verify: attempt.rule.verify,
      saved: null,
    });
    giveBack = await stores.byteBudget.acquire(state.sizeBytes, attempt.signal);
    isReading = true;
    const cursor = new ByteCursor(read.body);
    const body = await cursor.collect(state.sizeBytes);
    await cursor.expectEnd();
    proof.update(body, 0);
    const verified = proof.conclude();
    attempt.bytesMoved += body.length;
    const crc32c = proof.crc32cBase64;
    const metadata = stampedFor(attempt, { state, mapped, crc32c, verified, adopted: false });
    const answer = await attempt.sendEffect('write', () =>
      stores.target.insert(
        {
          location: attempt.target,
          condition,
          metadata,
          placement: placementOf(attempt.rule),
          body,
          crc32c,
          deadlineMs: stores.effectDeadlineMs,
        },
        attempt.signal,
      ),
    );
    if (answer.kind !== 'committed' || answer.object === null) return { kind: 'look_again' };
    checkAnswer(attempt, answer.object, state, mapped, crc32c);
    return {
      kind: 'copied',
      receipt: receiptOf(stores, attempt, { state, mapped, object: answer.object, verified }),
      copied: { state, mapped },
    };
  } finally {
    giveBack();
    if (!isReading) read.discard();
  }
}

/** Where and how the rule wants written objects kept. */
export function placementOf(rule: Rule): Placement {
  const { storageClass, kmsKeyName } = rule.target;
  return { storageClass, kmsKeyName };
}

/** Maps the metadata and refuses what the target cannot hold, before a byte moves. */
export function prepareCopy(stores: Stores, attempt: Attempt, state: SourceState): MappedMetadata {
  const { capabilities } = stores.target;
  if (state.sizeBytes > capabilities.maxObjectBytes) {
    throw new Fault(
      'too_large',
      `The object has ${state.sizeBytes} bytes, the target holds at most ${capabilities.maxObjectBytes} in one object`,
      { details: { sizeBytes: state.sizeBytes } },
    );
  }
  const mapped = mapMetadata(state.metadata, attempt.rule.metadata);
  // Counted exactly only where it may matter: nearly every object is far below the limit.
  if (mostMetadataBytes(attempt, state, mapped) <= capabilities.maxCustomMetadataBytes) return mapped;
  // The CRC of the stamp may come later; its length is known.
  const usedBytes = customMetadataBytes(
    stampedFor(attempt, { state, mapped, crc32c: 'AAAAAA==', verified: 'transfer', adopted: false }),
  );
  if (usedBytes > capabilities.maxCustomMetadataBytes) {
    throw new Fault(
      'metadata_too_large',
      `The metadata and the replicator's stamp need ${usedBytes} bytes, the target holds ${capabilities.maxCustomMetadataBytes}`,
      { details: { usedBytes } },
    );
  }
  return mapped;
}

/** All names of the stamp, and what in it has a length of its own. */
const FIXED_STAMP_BYTES = 600;
/** One UTF-16 unit, percent-encoded, has at most so many characters. */
const MOST_ENCODED = 9;

/** Never fewer than the bytes of the source's metadata and the stamp. */
function mostMetadataBytes(attempt: Attempt, state: SourceState, mapped: MappedMetadata): number {
  const { bucket, key } = attempt.claimed.source;
  const encodedBytes = (key.length + attempt.rule.name.length) * MOST_ENCODED;
  const ownBytes = (bucket.length + state.etag.length + (state.versionId?.length ?? 0)) * MOST_ENCODED;
  const checksumBytes =
    state.checksum === null ? 0 : state.checksum.value.length + state.checksum.algorithm.length;
  return customMetadataBytes(mapped.metadata) + encodedBytes + ownBytes + checksumBytes + FIXED_STAMP_BYTES;
}

/** The metadata to write for the bytes of `state`: the source's, and the stamp of what is known about them. */
export function stampedFor(
  attempt: Attempt,
  known: {
    readonly state: SourceState;
    readonly mapped: MappedMetadata;
    readonly crc32c: string | null;
    readonly verified: VerifiedLevel;
    readonly adopted: boolean;
  },
): TargetMetadata {
  const { mapped, ...facts } = known;
  const stamp = stampOf({
    source: attempt.claimed.source,
    ruleName: attempt.rule.name,
    metadataDigest: mapped.digest,
    ...facts,
  });
  return stampedMetadata(mapped.metadata, stamp);
}

/** How the confirmed object differs from what was written: in its bytes, in its metadata and stamp, or not. */
export function describeMismatch(
  attempt: Attempt,
  object: TargetObject,
  state: SourceState,
  mapped: MappedMetadata,
  crc32c: string | null,
): 'bytes' | 'metadata' | null {
  if (object.sizeBytes !== state.sizeBytes) return 'bytes';
  if (crc32c !== null && object.crc32c !== null && object.crc32c !== crc32c) return 'bytes';
  const stamp = ownStamp(attempt.claimed.source, object);
  if (stamp === null || !stampAgrees(stamp, state, mapped.digest)) return 'metadata';
  return digestMetadata(object.metadata) === mapped.digest ? null : 'metadata';
}

/** The verified answer (invariant I5): throws unless size, CRC32C, metadata and stamp are what was written. */
export function checkAnswer(
  attempt: Attempt,
  object: TargetObject,
  state: SourceState,
  mapped: MappedMetadata,
  crc32c: string | null,
): void {
  const mismatch = describeMismatch(attempt, object, state, mapped, crc32c);
  if (mismatch === null) return;
  const found =
    mismatch === 'bytes'
      ? `${object.sizeBytes} bytes with crc32c ${object.crc32c}; ${state.sizeBytes} bytes with ${crc32c} were written`
      : 'other metadata than was written';
  throw new Fault('target_answer_mismatch', `The target confirmed ${found}`, {
    details: { generation: object.generation },
  });
}

/** The receipt of a verified target object. */
export function receiptOf(
  stores: Stores,
  attempt: Attempt,
  copied: {
    readonly state: SourceState;
    readonly mapped: MappedMetadata;
    readonly object: TargetObject;
    readonly verified: VerifiedLevel;
  },
): Receipt {
  const { state, mapped, object, verified } = copied;
  const finishedAtMs = stores.clock.nowMs();
  return {
    etag: state.etag,
    versionId: state.versionId,
    sizeBytes: state.sizeBytes,
    sourceChecksum: comparableChecksum(state) ?? (state.md5 === null ? null : `md5:${state.md5}`),
    crc32c: object.crc32c,
    generation: object.generation,
    verified,
    finishedAtMs,
    lagMs: Math.max(0, finishedAtMs - attempt.claimed.changeAtMs),
    droppedMetadata: mapped.dropped,
  };
}
