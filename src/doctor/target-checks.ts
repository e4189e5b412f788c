// May the service write, look, update, list and delete at a target bucket? First Google is asked, which changes
// nothing; then one small object is written where nobody looks, and deleted at exactly what was written.
import { crc32c, crc32cToBase64 } from '../core/checksum.ts';
import { Fault } from '../core/faults.ts';
import type { ObjectLocation, TargetMetadata, TargetToken } from '../core/object.ts';
import type { EffectAnswer } from '../core/object-target.ts';
import { RESERVED_PREFIX } from '../core/rule.ts';
import { type CheckResult, check, failed, ok, skipped, warning } from './check-result.ts';
import { CANARY_FOLDER, type DoctorParts } from './doctor-parts.ts';
import { neededAtTarget } from './permissions.ts';

const DEADLINE_MS = 30_000;
const BODY = Buffer.from('Written by "replicator doctor", which deletes it at once.\n');
const METADATA: TargetMetadata = {
  contentType: 'text/plain',
  cacheControl: null,
  contentDisposition: null,
  contentLanguage: null,
  contentEncoding: null,
  custom: { 'replicator-doctor': 'canary' },
};
const DEFAULT_PLACE = { placement: { storageClass: null, kmsKeyName: null } };
const DAY_SEC = 86_400;

interface TargetLook {
  readonly parts: DoctorParts;
  readonly bucket: string;
  /** The beginning of the names that a rule writes. */
  readonly prefix: string;
  readonly signal: AbortSignal;
}

/** The checks of one bucket; ends after the first where the bucket cannot be used at all. */
export async function* checkTargetBucket(look: TargetLook): AsyncGenerator<CheckResult> {
  const asked = await askPermissions(look);
  yield asked.result;
  if (asked.result.state === 'failed' && asked.missing.length === 0) return;
  const facts = await tellFacts(look);
  yield facts.result;
  const reason = asked.missing.includes('storage.objects.create')
    ? 'it may not be written'
    : asked.missing.includes('storage.objects.delete')
      ? 'it could not be deleted again'
      : facts.isRetained
        ? 'the retention policy would keep it'
        : null;
  if (reason === null) yield* await tryCanary(look);
  else
    yield {
      name: `target: an object in ${look.bucket}`,
      call: null,
      ...skipped(`No object is written: ${reason}`),
    };
}

async function askPermissions({ parts, bucket, signal }: TargetLook): Promise<{
  readonly result: CheckResult;
  readonly missing: readonly string[];
}> {
  const needed = neededAtTarget();
  let missing: readonly string[] = [];
  const subject = { name: `target: bucket ${bucket}`, call: 'storage.buckets.testIamPermissions' };
  const result = await check(subject, async () => {
    const held = await parts.target.buckets.heldPermissions(bucket, needed, signal);
    if (held === null) return skipped(`${parts.target.name} does not tell permissions; they are tried`);
    missing = needed.filter((permission) => !held.includes(permission));
    if (missing.length === 0) return ok(`exists; ${needed.join(', ')} are granted`);
    return failed(
      `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not granted on gs://${bucket}`,
      `Grant roles/storage.objectUser, or a role with it, on the bucket: gcloud storage buckets add-iam-policy-binding gs://${bucket} --member=serviceAccount:NAME@PROJECT.iam.gserviceaccount.com --role=roles/storage.objectUser. New grants take a minute or more.`,
      'access_denied',
    );
  });
  return { result, missing };
}

async function tellFacts({ parts, bucket, signal }: TargetLook): Promise<{
  readonly result: CheckResult;
  readonly isRetained: boolean;
}> {
  let isRetained = false;
  const subject = { name: `target: settings of ${bucket}`, call: 'storage.buckets.get' };
  const result = await check(
    subject,
    async () => {
      const { isVersioned, retentionSec, softDeleteSec } = await parts.target.buckets.facts(bucket, signal);
      isRetained = retentionSec !== null && retentionSec > 0;
      if (isRetained)
        return warning(
          `A retention policy keeps every object for ${retentionSec} s`,
          'Remove it, or expect every overwrite and mirrored delete within that time to be parked as retention_blocked.',
        );
      const kept =
        softDeleteSec === null
          ? 'soft delete is not told'
          : softDeleteSec === 0
            ? 'no soft delete'
            : `soft delete keeps what is replaced or deleted for ${softDeleteSec / DAY_SEC} days, which is paid for`;
      return ok(`${isVersioned ? 'versions are kept' : 'no versions'}; no retention policy; ${kept}`);
    },
    (fault) =>
      fault.code === 'access_denied'
        ? skipped('storage.buckets.get is not granted; the service does not need it')
        : null,
  );
  return { result, isRetained };
}

/** Writes, looks, updates, lists and deletes; whatever fails, what was written is deleted at the end. */
async function tryCanary(look: TargetLook): Promise<readonly CheckResult[]> {
  const { parts, bucket, prefix } = look;
  const { objects } = parts.target;
  const start = prefix.startsWith(RESERVED_PREFIX) ? '' : prefix;
  const location = { bucket, key: `${start}${CANARY_FOLDER}${parts.newId()}` };
  const results: CheckResult[] = [];
  let token: TargetToken | null = null;
  try {
    const insert = { location, metadata: METADATA, body: BODY, crc32c: crc32cToBase64(crc32c(BODY)) };
    const written = await check(about('writing to', bucket, 'create (insert)'), async () => {
      const request = { ...insert, ...DEFAULT_PLACE, deadlineMs: DEADLINE_MS };
      const answer = await objects.insert({ ...request, condition: 'absent' }, untilDeadline());
      token = tokenAfter(answer, location);
      return ok(`wrote gs://${bucket}/${location.key}`);
    });
    results.push(written);
    if (token !== null) results.push(...(await useCanary(look, location, token, (newer) => (token = newer))));
  } finally {
    // Also after an abort nothing is left behind.
    if (token !== null) results.push(await removeCanary(look, location, token));
  }
  return results;
}

/** What the service does with objects that are there. `onToken` is told of every newer state. */
async function useCanary(
  { parts, bucket, signal }: TargetLook,
  location: ObjectLocation,
  token: TargetToken,
  onToken: (token: TargetToken) => void,
): Promise<readonly CheckResult[]> {
  const { objects } = parts.target;
  return [
    await check(about('looking at objects of', bucket, 'get'), async () => {
      const seen = await objects.look(location, signal);
      return seen.kind === 'present' && seen.object.token === token
        ? ok('is there as it was written')
        : failed(
            'What was written is not there',
            'Find out what else writes to or deletes from this bucket.',
          );
    }),
    await check(about('updating metadata in', bucket, 'update (patch)'), async () => {
      const metadata = { ...METADATA, cacheControl: 'no-cache' };
      const request = { location, token, metadata, deadlineMs: DEADLINE_MS };
      onToken(tokenAfter(await objects.updateMetadata(request, untilDeadline()), location));
      return ok('metadata can be written without the bytes');
    }),
    await check(about('listing', bucket, 'list'), async () => {
      await objects.list({ bucket, prefix: location.key, cursor: null, limit: 1 }, signal);
      return ok('can be listed');
    }),
  ];
}

/** For effects, which an interrupt does not end: what was written has to be known, to be taken away. */
function untilDeadline(): AbortSignal {
  return AbortSignal.timeout(DEADLINE_MS);
}

function about(
  doing: string,
  bucket: string,
  call: string,
): { readonly name: string; readonly call: string } {
  return { name: `target: ${doing} ${bucket}`, call: `storage.objects.${call}` };
}

/** The token that an effect left; throws where it is not known to have happened. */
function tokenAfter(answer: EffectAnswer, { bucket, key }: ObjectLocation): TargetToken {
  if (answer.kind === 'unanswered') throw answer.fault;
  const token = answer.kind === 'committed' ? answer.object?.token : undefined;
  if (token !== undefined) return token;
  throw new Fault('target_answer_mismatch', `Something else writes to gs://${bucket}/${key}`);
}

async function removeCanary(
  { parts, bucket }: TargetLook,
  location: ObjectLocation,
  token: TargetToken,
): Promise<CheckResult> {
  const subject = about('deleting from', bucket, 'delete');
  const leftOver = (fault: Fault): ReturnType<typeof failed> =>
    failed(
      `${fault.message}. The object gs://${bucket}/${location.key} is left there`,
      `Grant storage.objects.delete: it is needed for every overwrite. Then delete the object.`,
      fault.code,
    );
  return check(
    subject,
    async () => {
      const request = { location, token, deadlineMs: DEADLINE_MS };
      const answer = await parts.target.objects.remove(request, untilDeadline());
      if (answer.kind === 'unanswered') return leftOver(answer.fault);
      return answer.kind === 'committed'
        ? ok('deleted what was written, and nothing else')
        : warning(
            'Somebody else changed or deleted the object meanwhile',
            'Find out what else writes to this bucket.',
          );
    },
    leftOver,
  );
}
