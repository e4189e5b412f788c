// The stamp: custom metadata that makes a target object tell by itself which source state it is a copy of. Any
// worker can decide from the two stores alone; the queue only saves work.
import type { ObjectLocation, SourceState, TargetMetadata } from './object.ts';
import type { VerifiedLevel } from './transfer.ts';

const VERSION = '1';

export interface Stamp {
  /** Bucket and percent-encoded key of the source. The only field that says whose object this is. */
  readonly source: string;
  /** For people; renaming a rule changes nothing. */
  readonly ruleName: string;
  readonly etag: string;
  readonly versionId: string | null;
  readonly lastModifiedMs: number;
  readonly sizeBytes: number;
  readonly metadataDigest: string;
  /** `algorithm:base64` of the source's full-object checksum; null where it keeps none. */
  readonly checksum: string | null;
  /** CRC32C of the object, base64; null where it was not known when the stamp was written. */
  readonly crc32c: string | null;
  /** How far the bytes were proved equal when this was written; no later look may claim more without a new proof. */
  readonly verified: VerifiedLevel;
  /** Mirrored deletes never take such an object: its bytes were there before us, or a person rejected its delete. */
  readonly adopted: boolean;
  /** True where it is adopted only because its delete was rejected: over when the source has the object again. */
  readonly isKept: boolean;
}

/** The name of a source object inside a stamp. */
export function stampSource(location: ObjectLocation): string {
  return `${location.bucket}/${encodeURIComponent(location.key)}`;
}

/** The stamp of `state`, to be written together with its bytes or by a metadata update. */
export function stampOf(options: {
  readonly source: ObjectLocation;
  readonly ruleName: string;
  readonly state: SourceState;
  readonly metadataDigest: string;
  readonly crc32c: string | null;
  readonly verified: VerifiedLevel;
  readonly adopted: boolean;
}): Stamp {
  const { source, ruleName, state, metadataDigest, crc32c, verified, adopted } = options;
  return {
    source: stampSource(source),
    ruleName,
    etag: state.etag,
    versionId: state.versionId,
    lastModifiedMs: state.lastModifiedMs,
    sizeBytes: state.sizeBytes,
    metadataDigest,
    // Bytes adopted by size alone were never compared with the source's checksum.
    checksum: verified === 'size' ? null : comparableChecksum(state),
    crc32c,
    verified,
    adopted,
    isKept: false,
  };
}

/** The source's full-object checksum as `algorithm:base64`, or null. */
export function comparableChecksum(state: SourceState): string | null {
  if (state.checksum === null || state.checksum.kind !== 'full_object') return null;
  return `${state.checksum.algorithm}:${state.checksum.value}`;
}

/** Custom metadata of the stamp: ASCII values only. */
export function writeStamp(stamp: Stamp): Record<string, string> {
  const fields: Record<string, string> = {
    'replicator-version': VERSION,
    'replicator-source': stamp.source,
    // A rule's name may hold any character; metadata values stay ASCII.
    'replicator-rule': encodeURIComponent(stamp.ruleName),
    'replicator-source-etag': stamp.etag,
    'replicator-source-last-modified': new Date(stamp.lastModifiedMs).toISOString(),
    'replicator-source-size': String(stamp.sizeBytes),
    'replicator-source-metadata': stamp.metadataDigest,
    'replicator-verified': stamp.verified,
  };
  if (stamp.versionId !== null) fields['replicator-source-version-id'] = stamp.versionId;
  if (stamp.checksum !== null) fields['replicator-source-checksum'] = stamp.checksum;
  if (stamp.crc32c !== null) fields['replicator-crc32c'] = stamp.crc32c;
  if (stamp.adopted) fields['replicator-adopted'] = stamp.isKept ? 'kept' : 'true';
  return fields;
}

/** The stamp in an object's metadata; null where there is none or it cannot be read: then it proves nothing. */
export function readStamp(metadata: TargetMetadata): Stamp | null {
  const { custom } = metadata;
  const field = (name: string): string | null =>
    Object.hasOwn(custom, name) ? (custom[name] ?? null) : null;
  const source = field('replicator-source');
  const etag = field('replicator-source-etag');
  const metadataDigest = field('replicator-source-metadata');
  const lastModifiedMs = Date.parse(field('replicator-source-last-modified') ?? '');
  const sizeBytes = Number(field('replicator-source-size') ?? Number.NaN);
  if (field('replicator-version') !== VERSION || source === null || etag === null || metadataDigest === null)
    return null;
  if (Number.isNaN(lastModifiedMs) || !Number.isSafeInteger(sizeBytes)) return null;
  return {
    source,
    ruleName: decodeRuleName(field('replicator-rule') ?? ''),
    etag,
    versionId: field('replicator-source-version-id'),
    lastModifiedMs,
    sizeBytes,
    metadataDigest,
    checksum: field('replicator-source-checksum'),
    crc32c: field('replicator-crc32c'),
    verified: readLevel(field('replicator-verified')),
    adopted: field('replicator-adopted') !== null,
    isKept: field('replicator-adopted') === 'kept',
  };
}

/** Without a readable level nothing but the size may be claimed. */
function readLevel(text: string | null): VerifiedLevel {
  return text === 'source' || text === 'transfer' ? text : 'size';
}

function decodeRuleName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Somebody wrote the name by hand; it is for people only.
    return text;
  }
}

/** The whole metadata of a replicated object: the source's, and the stamp beside it. */
export function stampedMetadata(mapped: TargetMetadata, stamp: Stamp): TargetMetadata {
  return { ...mapped, custom: { ...mapped.custom, ...writeStamp(stamp) } };
}
