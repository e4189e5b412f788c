// What of the source's metadata the target carries, and the digest that tells two metadata states apart. The
// digest is part of an object's identity: S3 keeps the ETag when only metadata changes.
import { hash } from 'node:crypto';
import type { SourceMetadata, TargetMetadata } from './object.ts';
import type { MetadataPolicy } from './rule.ts';

/** Custom metadata with this prefix is ours alone; a source's own metadata of that name is dropped and named. */
export const STAMP_PREFIX = 'replicator-';

export interface MappedMetadata {
  /** Without our stamp. */
  readonly metadata: TargetMetadata;
  /** Names of source metadata that the target does not carry. */
  readonly dropped: readonly string[];
  readonly digest: string;
}

/** Maps the source's metadata to the target's; see docs/semantics.md for the table. */
export function mapMetadata(source: SourceMetadata, policy: MetadataPolicy): MappedMetadata {
  const custom = new Map<string, string>();
  const dropped: string[] = [];
  // Two headers have no field of their own at the target.
  if (source.expires !== null) custom.set('source-expires', source.expires);
  if (source.websiteRedirectLocation !== null) {
    custom.set('source-website-redirect-location', source.websiteRedirectLocation);
  }
  if (policy === 'all') {
    for (const [name, value] of Object.entries(source.user)) {
      if (name.startsWith(STAMP_PREFIX) || custom.has(name)) dropped.push(name);
      else custom.set(name, value);
    }
  } else {
    dropped.push(...Object.keys(source.user));
  }
  const metadata: TargetMetadata = {
    // The target invents a type where none is given; this is the one that S3 invents.
    contentType: source.contentType ?? 'binary/octet-stream',
    cacheControl: source.cacheControl,
    contentDisposition: source.contentDisposition,
    contentLanguage: source.contentLanguage,
    contentEncoding: source.contentEncoding,
    // Not by assignment: a name such as __proto__ would vanish.
    custom: Object.fromEntries(custom),
  };
  return { metadata, dropped: dropped.toSorted(), digest: digestMetadata(metadata) };
}

/** The last digest, and what it is of: one state is digested when it is read, and again when the target confirms it. */
let last = { canonical: '', digest: '' };

/** Digest of everything in the metadata that is not our stamp; equal for equal metadata, whatever its order. */
export function digestMetadata(metadata: TargetMetadata): string {
  const custom = Object.entries(metadata.custom)
    .filter(([name]) => !name.startsWith(STAMP_PREFIX))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const canonical = JSON.stringify([
    metadata.contentType,
    metadata.cacheControl,
    metadata.contentDisposition,
    metadata.contentLanguage,
    metadata.contentEncoding,
    custom,
  ]);
  if (canonical !== last.canonical) last = { canonical, digest: hash('sha256', canonical, 'base64url') };
  return last.digest;
}

/** UTF-8 bytes of all custom names and values together, as targets count them. */
export function customMetadataBytes(metadata: TargetMetadata): number {
  let total = 0;
  for (const [name, value] of Object.entries(metadata.custom)) {
    total += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  return total;
}
