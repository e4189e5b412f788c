// The converge decision: what has to happen so that the target agrees with the source, from one look at each.
// Pure: the looks, in which order they were made and what their tokens are worth is the caller's part.
import { crc32cFromBase64 } from './checksum.ts';
import { digestMetadata } from './metadata-map.ts';
import type { ObjectLocation, SourceState, TargetObject, TargetToken } from './object.ts';
import type { TargetCondition } from './object-target.ts';
import type { Rule } from './rule.ts';
import { comparableChecksum, readStamp, type Stamp, stampSource } from './stamp.ts';
import type { VerifiedLevel } from './transfer.ts';

export interface DecideInput {
  readonly rule: Rule;
  readonly source: ObjectLocation;
  /** The source now; null: absence was proved. */
  readonly state: SourceState | null;
  /** Digest of the metadata that the rule maps from `state`; ignored where the source is absent. */
  readonly metadataDigest: string;
  /** The target now; null: absent. */
  readonly target: TargetObject | null;
  /** CRC32C (base64) that a receipt keeps for exactly this generation of the target; null where none does. */
  readonly receiptCrc32c: string | null;
}

export type Decision =
  /** Nothing to do. `verified` is how far the equality is proved. */
  | { readonly kind: 'agree'; readonly stamp: Stamp; readonly verified: VerifiedLevel }
  | { readonly kind: 'source_gone' }
  | { readonly kind: 'delete'; readonly token: TargetToken }
  /**
   * The bytes are there; only metadata or stamp differ. `contentDiffers`: the mapped metadata is other than the
   * target's, so the outcome is metadata_updated; else only our stamp is renewed and the outcome already_current.
   */
  | {
      readonly kind: 'update_metadata';
      readonly token: TargetToken;
      readonly adopted: boolean;
      readonly contentDiffers: boolean;
      readonly verified: VerifiedLevel;
    }
  | { readonly kind: 'copy'; readonly condition: TargetCondition };

/** Decides one look at each side; see docs/semantics.md for the table of cases. */
export function decide(input: DecideInput): Decision {
  const { rule, state, target } = input;
  const stamp = target === null ? null : ownStamp(input.source, target);
  if (state === null) {
    if (target === null || stamp === null || stamp.adopted || rule.deletes !== 'mirror') {
      return { kind: 'source_gone' };
    }
    // Bytes that somebody rewrote under our stamp are not what we wrote.
    if (!isByteSound(target, stamp, input.receiptCrc32c)) return { kind: 'source_gone' };
    return { kind: 'delete', token: target.token };
  }
  if (target === null) return { kind: 'copy', condition: 'absent' };
  if (stamp !== null && isSound(target, stamp, input.receiptCrc32c)) {
    if (!stamp.isKept && stampAgrees(stamp, state, input.metadataDigest)) {
      return { kind: 'agree', stamp, verified: stamp.verified };
    }
  }
  const proof = proveEqualBytes(input, target, stamp);
  if (proof === null) return { kind: 'copy', condition: target.token };
  return {
    kind: 'update_metadata',
    token: target.token,
    adopted: stamp === null ? true : stamp.adopted && !stamp.isKept,
    contentDiffers: digestMetadata(target.metadata) !== input.metadataDigest,
    verified: proof,
  };
}

/** The stamp, if it was written for exactly this source object; any other object is foreign to this transfer. */
export function ownStamp(source: ObjectLocation, target: TargetObject): Stamp | null {
  const stamp = readStamp(target.metadata);
  return stamp !== null && stamp.source === stampSource(source) ? stamp : null;
}

/**
 * True where the object still is what its stamp says: size, CRC32C and mapped metadata. Somebody may have
 * rewritten the bytes and kept the custom metadata, or edited the metadata.
 */
export function isSound(target: TargetObject, stamp: Stamp, receiptCrc32c: string | null): boolean {
  return (
    isByteSound(target, stamp, receiptCrc32c) && digestMetadata(target.metadata) === stamp.metadataDigest
  );
}

function isByteSound(target: TargetObject, stamp: Stamp, receiptCrc32c: string | null): boolean {
  if (target.sizeBytes !== stamp.sizeBytes) return false;
  const expected = stamp.crc32c ?? receiptCrc32c;
  if (expected === null || target.crc32c === null) return true;
  const value = crc32cFromBase64(expected);
  return value !== null && value === crc32cFromBase64(target.crc32c);
}

/** The stamp equals the state in every part of the identity, the metadata digest included. */
export function stampAgrees(stamp: Stamp, state: SourceState, metadataDigest: string): boolean {
  return (
    stamp.etag === state.etag &&
    stamp.versionId === state.versionId &&
    stamp.sizeBytes === state.sizeBytes &&
    stamp.lastModifiedMs === state.lastModifiedMs &&
    stamp.metadataDigest === metadataDigest
  );
}

/**
 * How it is proved that the target holds the source's bytes, or null. A stamp counts only while the bytes are sound;
 * a CRC alone proves nothing.
 */
function proveEqualBytes(
  input: DecideInput,
  target: TargetObject,
  stamp: Stamp | null,
): VerifiedLevel | null {
  const { rule, state } = input;
  if (state === null || target.sizeBytes !== state.sizeBytes) return null;
  if (stamp === null && rule.adopt === 'never') return null;
  const sourceMd5 = state.md5 ?? md5Of(state);
  if (sourceMd5 !== null && sourceMd5 === target.md5) return 'source';
  if (stamp !== null) {
    if (!isSound(target, stamp, input.receiptCrc32c)) return null;
    if (stamp.etag === state.etag) return stamp.verified;
    const checksum = comparableChecksum(state);
    const isStrong = checksum?.startsWith('sha') ?? false;
    return isStrong && checksum === stamp.checksum ? stamp.verified : null;
  }
  // A foreign object with an MD5 of its own that differs is proved different, whatever its size.
  if (sourceMd5 !== null && target.md5 !== null) return null;
  return rule.adopt === 'size' ? 'size' : null;
}

function md5Of(state: SourceState): string | null {
  return state.checksum?.kind === 'full_object' && state.checksum.algorithm === 'md5'
    ? state.checksum.value
    : null;
}
