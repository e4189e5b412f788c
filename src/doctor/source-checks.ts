// May the service read a source bucket as it needs to? Every look is a request that the service itself makes, of an
// object that is there or of a name that nobody has; nothing is written.
import type { SourceListEntry } from '../core/object-source.ts';
import type { SourceState } from '../core/object.ts';
import { type Fault, FAULTS } from '../core/faults.ts';
import { expectedOwnerOf, type Rule, ruleMatches } from '../core/rule.ts';
import { type CheckResult, check, failed, failedBy, ok, skipped, warning } from './check-result.ts';
import { CANARY_FOLDER, type DoctorParts } from './doctor-parts.ts';
import { fixOfFault } from './fix-of-fault.ts';

/** So many names are looked through for one that the rule covers. */
const LISTED_NAMES = 100;

/** Faults of one object that say nothing about the bucket. */
const ABOUT_ONE_OBJECT: ReadonlySet<string> = new Set(['object_archived', 'customer_key_needed']);

interface BucketLook {
  readonly parts: DoctorParts;
  readonly bucket: string;
  /** The rule whose objects are looked at. */
  readonly rule: Rule;
  readonly signal: AbortSignal;
}

/**
 * The checks of one bucket, in the order in which a failure explains the next. Ends after the first where the bucket
 * cannot be used at all.
 */
export async function* checkSourceBucket(look: BucketLook): AsyncGenerator<CheckResult> {
  const listed = await checkListing(look);
  yield listed.result;
  const isListingDenied = listed.result.code === 'access_denied';
  if (listed.result.state === 'failed' && !isListingDenied) return;
  yield await checkMissingObject(look, isListingDenied);
  yield* checkReading(look, listed.entry);
  yield await checkVersioning(look);
}

async function checkListing(look: BucketLook): Promise<{
  readonly result: CheckResult;
  readonly entry: SourceListEntry | null;
}> {
  const { parts, bucket, rule, signal } = look;
  const { objects, objectsOfAnyOwner } = parts.source;
  const owner = expectedOwnerOf(parts.rules, bucket);
  const request = { bucket, prefix: rule.source.prefix, cursor: null, limit: LISTED_NAMES };
  let entry: SourceListEntry | null = null;
  let denied: Fault | null = null;
  const subject = {
    name: `source: bucket ${bucket}`,
    call: `s3:ListBucket (ListObjectsV2 of s3://${bucket}/${rule.source.prefix})`,
  };
  const result = await check(
    subject,
    async () => {
      const { entries } = await objects.list(request, signal);
      entry = entries.find(({ key }) => ruleMatches(rule, { bucket, key })) ?? null;
      const owned = owner === null ? '' : `, belongs to account ${owner}`;
      return ok(`exists, is where AWS_REGION says${owned}, can be listed`);
    },
    (fault) => {
      if (fault.code === 'access_denied') denied = fault;
      return null;
    },
  );
  if (denied === null || owner === null) return { result, entry };
  const isOthers = await check(subject, async () => {
    await objectsOfAnyOwner.list(request, signal);
    return ok('without the owner it can be listed');
  });
  if (isOthers.state !== 'ok') return { result, entry };
  const wrong = failed(
    `The bucket ${bucket} does not belong to account ${owner}`,
    `Set S3_EXPECTED_OWNER (in the rules file: source.expectedOwner) to the account that owns ${bucket}. If ${owner} did own it, somebody else has made a bucket of this name: do not replicate from it.`,
  );
  return { result: { ...subject, ...wrong }, entry };
}

async function checkMissingObject(look: BucketLook, isListingDenied: boolean): Promise<CheckResult> {
  const { parts, bucket, rule, signal } = look;
  const { prefix, suffix } = rule.source;
  const key = `${prefix}${CANARY_FOLDER}${parts.newId()}${suffix}`;
  const subject = {
    name: `source: a missing object in ${bucket}`,
    call: `s3:GetObject (GET of a name that nobody has)`,
  };
  return check(
    subject,
    async () => {
      const seen = await parts.source.objects.look({ bucket, key }, signal);
      return seen.kind === 'absent'
        ? ok('is answered 404 NoSuchKey: that an object is gone can be proved')
        : warning(`s3://${bucket}/${key} exists`, 'Remove it: nobody but the doctor uses names like this.');
    },
    (fault) => {
      if (fault.code !== 'access_denied') return null;
      if (isListingDenied)
        return skipped(
          '403, because s3:ListBucket is missing: whether s3:GetObject is granted does not show',
        );
      return failed(
        `s3:GetObject on arn:aws:s3:::${bucket}/* is denied: with s3:ListBucket granted, 403 for a missing object means that`,
        fixOfFault(fault),
        fault.code,
      );
    },
  );
}

async function* checkReading(look: BucketLook, entry: SourceListEntry | null): AsyncGenerator<CheckResult> {
  const { parts, bucket, signal } = look;
  const { objects } = parts.source;
  const subject = { name: `source: reading from ${bucket}`, call: 's3:GetObject (GET of an object)' };
  if (entry === null) {
    yield { ...subject, ...skipped('No object was found that a rule covers; --canary tries it with one') };
    return;
  }
  const location = { bucket, key: entry.key };
  const name = `s3://${bucket}/${entry.key}`;
  let state: SourceState | null = null;
  yield await check(
    subject,
    async () => {
      const read = await objects.read({ location, pin: null, startByte: 0 }, signal);
      if (read.kind !== 'body') return skipped(`${name} vanished meanwhile`);
      read.discard();
      state = read.state;
      return ok(`${name} can be read`);
    },
    (fault) => (ABOUT_ONE_OBJECT.has(fault.code) ? warning(fault.message, FAULTS[fault.code].remedy) : null),
  );
  const versioned = state as SourceState | null;
  if (versioned === null || versioned.versionId === null || versioned.sizeBytes < 2) return;
  const versionSubject = {
    name: `source: going on with a version of ${bucket}`,
    call: 's3:GetObjectVersion (GET with a version and a range)',
  };
  yield await check(versionSubject, async () => {
    const read = await objects.read({ location, pin: versioned, startByte: 1 }, signal);
    if (read.kind === 'body') read.discard();
    return ok(`a long read of ${name} can go on with the version it began with`);
  });
}

async function checkVersioning({ parts, bucket, signal }: BucketLook): Promise<CheckResult> {
  const subject = { name: `source: versions of ${bucket}`, call: 's3:GetBucketVersioning' };
  return check(
    subject,
    async () => {
      const versioning = await parts.source.buckets.versioning(bucket, signal);
      return ok(versioning === 'off' ? 'the bucket keeps no versions' : `versioning is ${versioning}`);
    },
    (fault) =>
      fault.code === 'access_denied' || fault.code === 'source_refused'
        ? skipped('The bucket does not tell; the service does not need to know')
        : failedBy(fault),
  );
}
