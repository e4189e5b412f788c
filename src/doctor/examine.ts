// The order of the looks: whether a store can be reached and takes the credentials, then its buckets. What cannot work
// after a failure is named as skipped, so that one cause is told once.
import type { Rule } from '../core/rule.ts';
import { rulesOfBucket } from '../setup/wanted-notifications.ts';
import { checkAwsIdentity, checkGoogleToken } from './account-checks.ts';
import { type CheckResult, skipped } from './check-result.ts';
import { checkDatabase } from './database-check.ts';
import type { DoctorParts } from './doctor-parts.ts';
import { checkNotification } from './notification-check.ts';
import { checkQueue } from './queue-checks.ts';
import { checkServerTime } from './server-time.ts';
import { checkSourceBucket } from './source-checks.ts';
import { checkTargetBucket } from './target-checks.ts';

/** A source bucket with the rules that cover it. */
export interface ExaminedBucket {
  readonly bucket: string;
  readonly rules: readonly Rule[];
}

/** The source buckets that the rules name, or `bucket` alone. A rule for every bucket names none. */
export function examinedBuckets(rules: readonly Rule[], bucket: string | null): readonly ExaminedBucket[] {
  const named = bucket === null ? rules.map(({ source }) => source.bucket) : [bucket];
  return [...new Set(named)]
    .filter((name) => name !== '*')
    .map((name) => ({ bucket: name, rules: rulesOfBucket(rules, name) }));
}

/** Every check of both stores, the queue of messages and the database. Throws the signal's reason when it is aborted. */
export async function* examine(
  parts: DoctorParts,
  bucket: string | null,
  signal: AbortSignal,
): AsyncGenerator<CheckResult> {
  const buckets = examinedBuckets(parts.rules, bucket);
  const isAwsRefused = yield* examineSource(parts, buckets, signal);
  yield* examineQueue(parts, isAwsRefused, signal);
  yield* examineTarget(parts, buckets, signal);
  yield await checkDatabase(parts);
}

/** Returns whether AWS refuses the credentials, which the queue takes too. */
async function* examineSource(
  parts: DoctorParts,
  buckets: readonly ExaminedBucket[],
  signal: AbortSignal,
): AsyncGenerator<CheckResult, boolean> {
  const { name, origin } = parts.source;
  const reached = await checkServerTime({ side: 'source', name, origin }, parts.clock, signal);
  yield reached;
  if (reached.state === 'failed' && reached.code === 'source_unreachable') {
    for (const unseen of ['source: credentials', 'source: its buckets', 'notification: its buckets'])
      yield skippedAll(unseen, 'the source cannot be reached');
    return false;
  }
  const identity = await checkAwsIdentity(parts, signal);
  yield identity;
  if (identity.state === 'failed') {
    for (const unseen of ['source: its buckets', 'notification: its buckets'])
      yield skippedAll(unseen, 'the credentials are not accepted');
    return true;
  }
  if (buckets.length === 0)
    yield skippedAll('source: its buckets', 'the rule covers every bucket; name one with --bucket');
  let isAwsRefused = false;
  for (const { bucket, rules } of buckets) {
    const [rule] = rules;
    if (rule === undefined) continue;
    let isUsable = true;
    for await (const result of checkSourceBucket({ parts, bucket, rule, signal })) {
      yield result;
      if (result.state === 'failed' && result.code !== 'access_denied') isUsable = false;
      // Where another provider stands in for S3, the first bucket is what tells.
      if (result.code?.startsWith('credentials_') === true) isAwsRefused = true;
    }
    for (const one of rules)
      yield isUsable
        ? await checkNotification(parts, { bucket, rule: one }, signal)
        : skippedAll(`notification: ${bucket} for ${one.name}`, 'the bucket cannot be used');
  }
  return isAwsRefused;
}

async function* examineQueue(
  { queue }: DoctorParts,
  isAwsRefused: boolean,
  signal: AbortSignal,
): AsyncGenerator<CheckResult> {
  if (queue === null) yield skippedAll('queue', 'SQS_QUEUE_URL is not set');
  else if (isAwsRefused) yield skippedAll(`queue: ${queue.url}`, 'the AWS credentials are not accepted');
  else yield* checkQueue(queue, signal);
}

async function* examineTarget(
  parts: DoctorParts,
  buckets: readonly ExaminedBucket[],
  signal: AbortSignal,
): AsyncGenerator<CheckResult> {
  const { name, origin } = parts.target;
  const reached = await checkServerTime({ side: 'target', name, origin }, parts.clock, signal);
  yield reached;
  if (reached.state === 'failed' && reached.code === 'target_unreachable') {
    for (const unseen of ['target: credentials', 'target: its buckets'])
      yield skippedAll(unseen, 'the target cannot be reached');
    return;
  }
  const token = await checkGoogleToken(parts);
  yield token;
  if (token.state === 'failed') {
    yield skippedAll('target: its buckets', 'there is no access token');
    return;
  }
  const rules = buckets.length === 0 ? parts.rules : buckets.flatMap((one) => one.rules);
  const seen = new Set<string>();
  for (const { target } of rules) {
    if (seen.has(target.bucket)) continue;
    seen.add(target.bucket);
    yield* checkTargetBucket({ parts, bucket: target.bucket, prefix: target.prefix, signal });
  }
}

function skippedAll(name: string, reason: string): CheckResult {
  return { name, call: null, ...skipped(`Not looked at: ${reason}`) };
}
