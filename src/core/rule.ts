// A rule: what is replicated where. Matching and key mapping are pure and the same in every shell.
import type { BrakeLimits } from './delete-brake.ts';
import type { ObjectLocation } from './object.ts';

export type DeletePolicy = 'ignore' | 'mirror';
/** When a target object without our stamp counts as the copy already: by comparable checksum, by size, never. */
export type AdoptPolicy = 'checksum' | 'size' | 'never';
export type VerifyPolicy = 'transfer' | 'source' | 'strict';
/** `all`: content headers and user metadata; `headers`: content headers only. */
export type MetadataPolicy = 'all' | 'headers';

export interface Rule {
  readonly name: string;
  readonly source: {
    /** A bucket name, or `*` for every bucket of the expected owner. */
    readonly bucket: string;
    readonly prefix: string;
    readonly suffix: string;
    /** Account id sent with every call to the source; null where it is not checked. */
    readonly expectedOwner: string | null;
  };
  readonly target: {
    readonly bucket: string;
    /** Put before the whole key. */
    readonly prefix: string;
    /** Taken from the start of the source key; always a prefix of `source.prefix`. */
    readonly stripPrefix: string;
    /** True where several source buckets share the target: `{bucket}/` comes before the key. */
    readonly prependBucket: boolean;
    readonly storageClass: string | null;
    readonly kmsKeyName: string | null;
  };
  readonly deletes: DeletePolicy;
  /** Past one of these, mirrored deletes are held for a person. */
  readonly deleteBrake: BrakeLimits;
  readonly adopt: AdoptPolicy;
  readonly verify: VerifyPolicy;
  readonly metadata: MetadataPolicy;
}

/** Final names never lie here: the place of temporary parts. */
export const RESERVED_PREFIX = '.replicator-parts/';

/** True where the rule covers this source object. */
export function ruleMatches(rule: Rule, source: ObjectLocation): boolean {
  return (
    (rule.source.bucket === '*' || rule.source.bucket === source.bucket) &&
    source.key.startsWith(rule.source.prefix) &&
    source.key.endsWith(rule.source.suffix) &&
    // A key shorter than prefix and suffix together must not match by their overlap.
    source.key.length >= rule.source.prefix.length + rule.source.suffix.length
  );
}

/**
 * The account that has to own a source bucket; null where no rule that covers it names one. What one rule asks for
 * holds for the bucket: an empty bucket of somebody else must not be believed because another rule does not care. A
 * rule that names the bucket goes before a rule for every bucket.
 */
export function expectedOwnerOf(rules: readonly Rule[], bucket: string): string | null {
  const named = rules.filter(({ source }) => source.bucket === bucket);
  const general = rules.filter(({ source }) => source.bucket === '*');
  const asking = [...named, ...general].find(({ source }) => source.expectedOwner !== null);
  return asking?.source.expectedOwner ?? null;
}

/** Where the rule puts this source object. Only meaningful for an object that the rule matches. */
export function mapTarget(rule: Rule, source: ObjectLocation): ObjectLocation {
  const { prefix, stripPrefix, prependBucket, bucket } = rule.target;
  const rest = source.key.startsWith(stripPrefix) ? source.key.slice(stripPrefix.length) : source.key;
  return { bucket, key: prefix + (prependBucket ? `${source.bucket}/` : '') + rest };
}

/**
 * How the rule maps the keys of one source bucket, as the beginnings that take each other's place: `fromPrefix + rest`
 * becomes `toPrefix + rest`. So names at the target have the order of their keys at the source.
 */
export function prefixesOf(
  rule: Rule,
  bucket: string,
): { readonly fromPrefix: string; readonly toPrefix: string } {
  const { prefix, stripPrefix, prependBucket } = rule.target;
  return { fromPrefix: stripPrefix, toPrefix: prefix + (prependBucket ? `${bucket}/` : '') };
}

/**
 * True where two different source objects could be mapped to one target name by these two rules, or one source
 * object twice: such rules would overwrite each other for ever and are refused.
 */
export function targetSpacesOverlap(a: Rule, b: Rule): boolean {
  if (a.target.bucket !== b.target.bucket) return false;
  const prefixA = targetSpacePrefix(a);
  const prefixB = targetSpacePrefix(b);
  const prefixesMeet = prefixA.startsWith(prefixB) || prefixB.startsWith(prefixA);
  const suffixesMeet = a.source.suffix.endsWith(b.source.suffix) || b.source.suffix.endsWith(a.source.suffix);
  return prefixesMeet && suffixesMeet;
}

function targetSpacePrefix(rule: Rule): string {
  const { prefix, stripPrefix, prependBucket } = rule.target;
  if (prependBucket && rule.source.bucket === '*') return prefix;
  const rest = rule.source.prefix.startsWith(stripPrefix)
    ? rule.source.prefix.slice(stripPrefix.length)
    : rule.source.prefix;
  return prefix + (prependBucket ? `${rule.source.bucket}/` : '') + rest;
}
