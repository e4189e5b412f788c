// Does a source bucket announce what the rules need, and to where the service listens? What stands behind a topic,
// a function or EventBridge cannot be seen from here: only an object on its way shows that.
import type { BucketNotifications, NotificationEntry } from '../core/bucket-notifications.ts';
import type { Rule } from '../core/rule.ts';
import { reachCovers, reachesOverlap, reachOf } from '../setup/notification-reach.ts';
import { reachOfRule } from '../setup/wanted-notifications.ts';
import { type CheckResult, check, failed, ok, skipped, warning } from './check-result.ts';
import type { DoctorParts } from './doctor-parts.ts';

type Verdict = ReturnType<typeof ok>;
type PolledQueue = Pick<NonNullable<DoctorParts['queue']>, 'url' | 'arn'>;

const CREATED = ['s3:ObjectCreated:*'];
const SEE_PLAN = 'See "replicator setup notification", which adds what is missing with --apply.';

/** The check of one rule on one bucket. */
export async function checkNotification(
  parts: DoctorParts,
  { bucket, rule }: { readonly bucket: string; readonly rule: Rule },
  signal: AbortSignal,
): Promise<CheckResult> {
  const subject = { name: `notification: ${bucket} for ${rule.name}`, call: 's3:GetBucketNotification' };
  return check(
    subject,
    async () => {
      const document = await parts.source.notifications.read(bucket, signal);
      return judgeNotification(document, rule, parts.queue);
    },
    (fault) =>
      fault.code === 'access_denied' || fault.code === 'source_refused'
        ? skipped(
            `What the bucket announces cannot be seen: ${fault.message}. The service does not need to see it`,
          )
        : null,
  );
}

/** `queue`: the one that is polled, null where none is; its ARN is null where its address does not tell it. */
export function judgeNotification(
  document: BucketNotifications,
  rule: Rule,
  queue: PolledQueue | null,
): Verdict {
  const queueArn = queue?.arn ?? null;
  const needed = reachOfRule(rule);
  const created = { ...needed, events: CREATED };
  const whole = document.entries.filter((entry) => reachCovers(reachOf(entry), created));
  const ours = whole.find(({ arn }) => arn === queueArn) ?? whole.find(({ kind }) => kind === 'topic');
  const entry = ours ?? whole.find(({ kind }) => kind === 'function') ?? whole[0];
  if (entry === undefined) {
    if (document.hasEventBridge)
      return ok(
        'EventBridge gets every event of the bucket; whether a rule there sends them on shows --canary',
      );
    const part = document.entries.find((one) => reachesOverlap(reachOf(one), created));
    return part === undefined
      ? failed('New objects are not announced to anybody', SEE_PLAN)
      : warning(`Only some of the objects are announced: ${nameOf(part)}`, SEE_PLAN);
  }
  if (entry.kind === 'queue' && ours === undefined && (queue === null || queueArn !== null))
    return warning(
      `The bucket announces to ${nameOf(entry)}, which this service does not read: SQS_QUEUE_URL is ${queue?.url ?? 'not set'}`,
      `Set SQS_QUEUE_URL to the URL of that queue, unless a Lambda function or a worker reads it. ${SEE_PLAN}`,
    );
  if (queueArn !== null && ours === undefined)
    return warning(`New objects are announced to ${nameOf(entry)}, not to ${queueArn}`, SEE_PLAN);
  const missing = needed.events.filter(
    (event) => !document.entries.some((one) => reachCovers(reachOf(one), { ...needed, events: [event] })),
  );
  if (missing.length > 0)
    return warning(
      `${missing.join(', ')} not announced beside what goes to ${nameOf(entry)}: such changes are found only by the next reconcile`,
      SEE_PLAN,
    );
  const isDirect = entry.arn === queueArn;
  const beyond = isDirect
    ? 'the queue that is polled'
    : `${nameOf(entry)}; what it does with them shows --canary`;
  return ok(`Everything is announced to ${beyond}`);
}

function nameOf({ kind, arn, id }: NotificationEntry): string {
  return `the ${kind} ${arn}${id === null || id === '' ? '' : ` (${id})`}`;
}
