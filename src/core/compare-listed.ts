// What two listings say of one object: whether the target holds what the source has. A listing shows no metadata and
// no version of the source, so "equal" means that nothing speaks against it. What differs is a hint like any change.
import { decide, isSound, ownStamp } from './decide.ts';
import type { ObjectLocation, TargetObject } from './object.ts';
import type { SourceListEntry } from './object-source.ts';
import type { Rule } from './rule.ts';

export type ListedVerdict =
  | { readonly kind: 'equal' }
  | { readonly kind: 'missing' }
  /**
   * `because`: no stamp of ours for this source object; bytes or metadata that are not what the stamp says; or a
   * stamp of another state than the source lists.
   */
  | { readonly kind: 'different'; readonly because: 'foreign' | 'unsound' | 'state' }
  /** Ours, and only the target has it. `isDeletable`: a look that proves the absence would delete it. */
  | { readonly kind: 'orphan'; readonly isDeletable: boolean }
  /** Only the target has it, and it is not ours. */
  | { readonly kind: 'not_ours' };

/** Compares what the listings show of one source key and of the name that the rule maps it to; null: not listed. */
export function compareListed(
  rule: Rule,
  source: ObjectLocation,
  entry: SourceListEntry | null,
  target: TargetObject | null,
): ListedVerdict {
  if (target === null) return entry === null ? { kind: 'not_ours' } : { kind: 'missing' };
  const stamp = ownStamp(source, target);
  if (entry === null) {
    if (stamp === null) return { kind: 'not_ours' };
    const decision = decide({ rule, source, state: null, metadataDigest: '', target, receiptCrc32c: null });
    return { kind: 'orphan', isDeletable: decision.kind === 'delete' };
  }
  if (stamp === null) return { kind: 'different', because: 'foreign' };
  if (!isSound(target, stamp, null)) return { kind: 'different', because: 'unsound' };
  // The mark of a rejected delete is over when the source has the object again; a look takes it away.
  const isSame =
    !stamp.isKept &&
    stamp.etag === entry.etag &&
    stamp.sizeBytes === entry.sizeBytes &&
    stamp.lastModifiedMs === entry.lastModifiedMs;
  return isSame ? { kind: 'equal' } : { kind: 'different', because: 'state' };
}
