// The rules of a configuration, from the bucket variables, and the checks that every set of rules must pass.
import type { BrakeLimits } from '../core/delete-brake.ts';
import { type DeletePolicy, RESERVED_PREFIX, type Rule, targetSpacesOverlap } from '../core/rule.ts';
import type { Findings } from './findings.ts';
import { quoteText, showFound } from './problem.ts';
import type { SettingsReading } from './read-settings.ts';
import type { SettingName } from './settings.ts';

/** What a rule of the file takes over where it says nothing itself. */
export interface RuleDefaults {
  readonly expectedOwner: string | null;
  readonly deletes: DeletePolicy;
  readonly deleteBrake: BrakeLimits;
  readonly adopt: Rule['adopt'];
  readonly verify: Rule['verify'];
}

/** The settings that the rules file replaces. */
export const BUCKET_SETTINGS = [
  'S3_BUCKET',
  'GCS_BUCKET',
  'S3_PREFIX',
  'S3_SUFFIX',
  'GCS_PREFIX',
] as const satisfies readonly SettingName[];

/**
 * One rule named `default`; with a list of buckets one for each, named `default-<bucket>`, with the bucket's name
 * before the key at the target.
 */
export function rulesFromVariables(
  reading: SettingsReading,
  defaults: RuleDefaults,
  findings: Findings,
): Rule[] {
  const { values, failed } = reading;
  const buckets = values.S3_BUCKET;
  const targetBucket = values.GCS_BUCKET;
  if (buckets === null && !failed.has('S3_BUCKET'))
    findings.refuse(
      'S3_BUCKET',
      null,
      'is not set, and REPLICATOR_CONFIG names no rules either',
      'set it to the name of the S3 bucket to replicate',
    );
  if (targetBucket === null && !failed.has('GCS_BUCKET'))
    findings.refuse(
      'GCS_BUCKET',
      null,
      'is not set, and REPLICATOR_CONFIG names no rules either',
      'set it to the name of the Google Cloud Storage bucket that receives the objects',
    );
  if (values.GCS_PREFIX !== '' && !values.GCS_PREFIX.endsWith('/'))
    findings.warn(
      'GCS_PREFIX',
      `does not end with "/": keys become ${showFound(`${values.GCS_PREFIX}photos/1.jpg`, false)}`,
    );
  if (buckets === null || targetBucket === null) return [];
  const isSeveral = buckets.length > 1 || buckets.includes('*');
  return buckets.map((bucket) => ({
    name: buckets.length > 1 ? `default-${bucket}` : 'default',
    source: {
      bucket,
      prefix: values.S3_PREFIX,
      suffix: values.S3_SUFFIX,
      expectedOwner: defaults.expectedOwner,
    },
    target: {
      bucket: targetBucket,
      prefix: values.GCS_PREFIX,
      stripPrefix: '',
      prependBucket: isSeveral,
      storageClass: null,
      kmsKeyName: null,
    },
    deletes: defaults.deletes,
    deleteBrake: defaults.deleteBrake,
    adopt: defaults.adopt,
    verify: defaults.verify,
    metadata: 'all',
  }));
}

/** Where a rule stands, for problems: a setting's name or a place in the file. */
export interface PlacedRule {
  readonly rule: Rule;
  readonly place: string;
}

/** Everything that must hold for one rule and between rules, whatever they came from. */
export function checkRules(placed: readonly PlacedRule[], findings: Findings): void {
  for (const [index, { rule, place }] of placed.entries()) {
    checkRule(rule, place, findings);
    for (const earlier of placed.slice(0, index)) {
      if (earlier.rule.name === rule.name)
        findings.refuse(
          place,
          quoteText(rule.name),
          `two rules have this name (the other: ${earlier.place})`,
          'give every rule its own name',
        );
      if (haveOtherOwners(earlier.rule, rule))
        findings.refuse(
          place,
          `${quoteText(rule.source.expectedOwner ?? '')} and ${quoteText(earlier.rule.source.expectedOwner ?? '')}`,
          `two rules name different owners of the bucket ${rule.source.bucket} (the other: ${earlier.place})`,
          'set source.expectedOwner of both to the account that owns the bucket',
        );
      if (targetSpacesOverlap(earlier.rule, rule))
        findings.refuse(
          place,
          `${quoteText(rule.name)} and ${quoteText(earlier.rule.name)} in the bucket ${rule.target.bucket}`,
          'two rules can write the same object names at the target and would overwrite each other for ever',
          'give them different target buckets, or target prefixes of which neither begins with the other',
        );
    }
  }
}

function haveOtherOwners({ source: a }: Rule, { source: b }: Rule): boolean {
  const isEachAsking = a.expectedOwner !== null && b.expectedOwner !== null;
  return a.bucket === b.bucket && isEachAsking && a.expectedOwner !== b.expectedOwner;
}

/**
 * Mirrored deletes need the account of the source: a bucket that was deleted and made again by somebody else looks
 * empty, and every copy would follow.
 */
export function checkMirrorOwners(placed: readonly PlacedRule[], findings: Findings): void {
  for (const { rule, place } of placed) {
    if (rule.deletes !== 'mirror' || rule.source.expectedOwner !== null) continue;
    findings.refuse(
      place,
      `deletes mirrored by ${quoteText(rule.name)}`,
      'mirrored deletes need the account that owns the source: a bucket made again by someone else looks empty',
      'set S3_EXPECTED_OWNER (in the file: source.expectedOwner) to the 12 digits of the account, or deletes to ignore',
    );
  }
}

function checkRule(rule: Rule, place: string, findings: Findings): void {
  const { source, target } = rule;
  if (source.bucket === '*' && source.expectedOwner === null)
    findings.refuse(
      place,
      '"*"',
      'every bucket of an account needs the account: a bucket made again by someone else would be trusted',
      'set S3_EXPECTED_OWNER (in the file: source.expectedOwner) to the 12 digits of the account',
    );
  const isStripped = source.prefix.startsWith(target.stripPrefix);
  if (!isStripped)
    findings.refuse(
      place,
      `stripPrefix ${quoteText(target.stripPrefix)}, source prefix ${quoteText(source.prefix)}`,
      'stripPrefix is not the beginning of the source prefix, so some keys could not be stripped',
      'set source.prefix to a text that begins with stripPrefix, or shorten stripPrefix',
    );
  const kept = isStripped ? source.prefix.slice(target.stripPrefix.length) : source.prefix;
  const start = target.prefix + (target.prependBucket ? '' : kept);
  if (start.startsWith(RESERVED_PREFIX))
    findings.refuse(
      place,
      quoteText(start),
      `every target name would lie below ${RESERVED_PREFIX}, the place of temporary parts`,
      'choose another target prefix',
    );
}
