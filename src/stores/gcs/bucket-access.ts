// The Google Cloud Storage driver of the TargetBucketAccess port: what a bucket says of itself, and which permissions
// the caller has on it. Requests about buckets only; no object is touched.
import type { TargetBucketAccess, TargetBucketFacts } from '../../core/bucket-access.ts';
import { asRead, isSuccess } from './effect-answer.ts';
import { faultOfAnswer, type GcsAnswer, unreadableFault } from './faults.ts';
import { GcsConnection } from './gcs-connection.ts';
import { encodeSegment } from './gcs-names.ts';
import { isRecord, parseJson } from './gcs-object.ts';
import { type GcsTargetOptions, originOf } from './gcs-target.ts';

/** Opens it. Nothing is sent before the first call; `close` ends all connections. */
export function openTargetBucketAccess(
  options: GcsTargetOptions,
): TargetBucketAccess & { close(): Promise<void> } {
  const connection = new GcsConnection({ ...options, origin: originOf(options.endpoint) });
  const ask = async (bucket: string, action: string, path: string, signal: AbortSignal): Promise<GcsAnswer> =>
    await asRead(
      async () =>
        await connection.send(
          {
            subject: { action, bucket, key: null },
            method: 'GET',
            origin: null,
            path: `/storage/v1/b/${encodeSegment(bucket)}${path}`,
            headers: {},
            body: null,
            authorized: true,
            deadlineMs: null,
          },
          signal,
        ),
    );
  return {
    async facts(bucket, signal) {
      const action = 'look at the bucket';
      const answer = await ask(bucket, action, '', signal);
      const subject = { action, bucket, key: null };
      if (!isSuccess(answer)) throw faultOfAnswer(answer, subject, connection.nowMs());
      const facts = parseFacts(answer.text);
      if (facts === null) throw unreadableFault(answer, subject);
      return facts;
    },
    async heldPermissions(bucket, permissions, signal) {
      const action = 'tell the permissions on';
      const query = permissions.map((permission) => `permissions=${encodeSegment(permission)}`).join('&');
      const answer = await ask(bucket, action, `/iam/testPermissions?${query}`, signal);
      // Emulators do not have it.
      if (answer.status === 501 || answer.status === 405) return null;
      const subject = { action, bucket, key: null };
      if (!isSuccess(answer)) throw faultOfAnswer(answer, subject, connection.nowMs());
      const json = parseJson(answer.text);
      const held: unknown = isRecord(json) ? (json['permissions'] ?? []) : null;
      if (!Array.isArray(held)) throw unreadableFault(answer, subject);
      return held.filter((permission) => typeof permission === 'string');
    },
    close: async () => await connection.close(),
  };
}

function parseFacts(text: string): TargetBucketFacts | null {
  const json = parseJson(text);
  if (!isRecord(json)) return null;
  const { versioning, retentionPolicy, softDeletePolicy } = json;
  return {
    isVersioned: isRecord(versioning) && versioning['enabled'] === true,
    retentionSec: isRecord(retentionPolicy) ? secondsOf(retentionPolicy['retentionPeriod']) : null,
    softDeleteSec: isRecord(softDeletePolicy)
      ? secondsOf(softDeletePolicy['retentionDurationSeconds'])
      : null,
  };
}

/** Numbers of 64 bits come as text. */
function secondsOf(value: unknown): number | null {
  const seconds = typeof value === 'string' || typeof value === 'number' ? Number(value) : Number.NaN;
  return Number.isSafeInteger(seconds) ? seconds : null;
}
