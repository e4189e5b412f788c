// One small object the whole way: put at the source, announced, copied by whatever is running, seen at the target as
// it was put, and taken away again on both sides. What the target shows is the only proof; nothing is asked on the way.
import { crc32c, crc32cToBase64 } from '../core/checksum.ts';
import { Fault } from '../core/faults.ts';
import type { ObjectLocation, TargetObject } from '../core/object.ts';
import { mapTarget, type Rule, ruleMatches } from '../core/rule.ts';
import { readStamp, stampSource } from '../core/stamp.ts';
import { type CheckResult, check, failed, ok } from './check-result.ts';
import { CANARY_FOLDER, type DoctorParts } from './doctor-parts.ts';

const BETWEEN_LOOKS_MS = 1_000;
/** For putting one object, and for taking everything away again, also after an interrupt. */
const REQUEST_MS = 30_000;

export interface WholeWay {
  readonly rule: Rule;
  readonly bucket: string;
  /** How long the object may take, in milliseconds. */
  readonly waitMs: number;
  /** What a running service says of the object; null where there is none. */
  readonly explain: (source: ObjectLocation) => Promise<ServiceStory | null>;
}

/** `isFinal`: it will not go on by itself, so that waiting is of no use. */
export interface ServiceStory {
  readonly said: string;
  readonly isFinal: boolean;
}

/** Three checks at most: put, arrived, taken away. */
export async function sendCanary(
  parts: DoctorParts,
  way: WholeWay,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  const { rule, bucket } = way;
  signal.throwIfAborted();
  const id = parts.newId();
  const source = { bucket, key: `${rule.source.prefix}${CANARY_FOLDER}${id}${rule.source.suffix}` };
  const body = Buffer.from(`Put by "replicator doctor", which takes it away again: ${id}\n`);
  const results: CheckResult[] = [];
  let versionId: string | null = null;
  const put = await check(
    { name: `whole way: ${rule.name}`, call: 's3:PutObject' },
    async () => {
      // Not ended by an interrupt: what was put has to be known, to be taken away.
      versionId = await parts.source.buckets.put(source, body, AbortSignal.timeout(REQUEST_MS));
      return ok(`put s3://${bucket}/${source.key}`);
    },
    (fault) =>
      fault.code === 'access_denied'
        ? failed(
            fault.message,
            'The service itself never writes to the source. Run this with credentials that may s3:PutObject and s3:DeleteObject below .replicator-doctor/, or try an object that is there: "replicator replicate s3://BUCKET/KEY --wait 30".',
            fault.code,
          )
        : null,
  );
  results.push(put);
  if (put.state !== 'ok') return results;
  // Other rules may cover it too: what they copy has to go as well.
  const targets = parts.rules.filter((one) => ruleMatches(one, source)).map((one) => mapTarget(one, source));
  try {
    results.push(await waitForArrival(parts, way, { source, targets, body }, signal));
  } finally {
    results.push(await takeAway(parts, { source, versionId, targets }));
  }
  return results;
}

interface Sent {
  readonly source: ObjectLocation;
  readonly targets: readonly ObjectLocation[];
  readonly body: Uint8Array;
}

async function waitForArrival(
  { target: { objects }, clock }: DoctorParts,
  { waitMs, explain, rule }: WholeWay,
  { source, targets, body }: Sent,
  signal: AbortSignal,
): Promise<CheckResult> {
  const subject = { name: `whole way: arrival by ${rule.name}`, call: 'storage.objects.get' };
  return check(subject, async () => {
    const startedMs = clock.monotonicMs();
    let missing = targets;
    for (;;) {
      const absent: ObjectLocation[] = [];
      for (const target of missing) {
        const seen = await objects.look(target, signal);
        if (seen.kind === 'absent') absent.push(target);
        else if (!isWhatWasPut(seen.object, source, body)) return foreignObject(target);
      }
      missing = absent;
      const elapsedMs = clock.monotonicMs() - startedMs;
      const places = targets.map(placeOf).join(' and ');
      if (missing.length === 0)
        return ok(`at ${places} after ${(elapsedMs / 1000).toFixed(1)} s; size, CRC32C and stamp agree`);
      const story = await explain(source);
      if (elapsedMs >= waitMs || story?.isFinal === true) {
        const late = `${missing.map(placeOf).join(' and ')} did not appear within ${Math.round(elapsedMs / 1000)} s`;
        return failed(story === null ? late : `${late}; the service says: ${story.said}`, GO_ALONG);
      }
      await clock.sleep(Math.min(BETWEEN_LOOKS_MS, waitMs - elapsedMs), signal);
    }
  });
}

const GO_ALONG =
  'Go along the way: the notification of the bucket (above), the log of the function or the depth of the queue, the log of the service or worker.';

function isWhatWasPut(object: TargetObject, source: ObjectLocation, body: Uint8Array): boolean {
  const isOurs = readStamp(object.metadata)?.source === stampSource(source);
  return isOurs && object.sizeBytes === body.length && object.crc32c === crc32cToBase64(crc32c(body));
}

function foreignObject(target: ObjectLocation): ReturnType<typeof failed> {
  return failed(
    `${placeOf(target)} is not a copy of what was put`,
    'Find out what else writes to this bucket.',
  );
}

function placeOf({ bucket, key }: ObjectLocation): string {
  return `gs://${bucket}/${key}`;
}

/** First the source: from then on a look finds nothing to copy. */
async function takeAway(
  parts: DoctorParts,
  sent: {
    readonly source: ObjectLocation;
    readonly versionId: string | null;
    readonly targets: readonly ObjectLocation[];
  },
): Promise<CheckResult> {
  const { source, versionId, targets } = sent;
  const permission = versionId === null ? 's3:DeleteObject' : 's3:DeleteObjectVersion';
  const subject = { name: 'whole way: clean up', call: `${permission}, storage.objects.delete` };
  const signal = AbortSignal.timeout(REQUEST_MS);
  return check(
    subject,
    async () => {
      await parts.source.buckets.remove(source, versionId, signal);
      for (const target of targets) await removeAtTarget(parts, target, signal);
      return ok('taken away on both sides');
    },
    (fault) =>
      failed(
        `${fault.message}. Something may be left: s3://${source.bucket}/${source.key}, ${targets.map(placeOf).join(', ')}`,
        'Delete what is left of these by hand.',
        fault.code,
      ),
  );
}

async function removeAtTarget(
  { target: { objects } }: DoctorParts,
  location: ObjectLocation,
  signal: AbortSignal,
): Promise<void> {
  // The service may be mirroring the delete at the same time.
  for (let tries = 0; tries < 3; tries += 1) {
    const seen = await objects.look(location, signal);
    if (seen.kind === 'absent') return;
    const request = { location, token: seen.object.token, deadlineMs: REQUEST_MS };
    const answer = await objects.remove(request, signal);
    if (answer.kind === 'unanswered') throw answer.fault;
    if (answer.kind === 'committed') return;
  }
  throw new Fault('target_answer_mismatch', `gs://${location.bucket}/${location.key} changes all the time`);
}
