// One S3 event as EventBridge delivers it: its own names for kinds and fields, and a key that is not encoded.
import type { ChangeKind } from '../core/change.ts';
import { field, isJsonObject, quoted, textField } from './json-value.ts';
import { bucketProblem, keyProblem, type Reading, sizeHint, textHint, timeHintMs } from './reading.ts';

const KINDS: Readonly<Record<string, ChangeKind | { readonly ignored: string }>> = {
  'Object Created': 'created',
  // Lifecycle expiration too: only `reason` and `deletion-type` differ, and a look at the source decides anyway.
  'Object Deleted': 'removed',
  'Object Restore Completed': 'restored',
  'Object Restore Initiated': { ignored: 'the restore has only begun' },
  'Object Restore Expired': { ignored: 'a restored copy expired, the object itself is unchanged' },
  'Object Tags Added': { ignored: 'tags are not replicated' },
  'Object Tags Deleted': { ignored: 'tags are not replicated' },
  'Object ACL Updated': { ignored: 'access lists are not replicated' },
  'Object Storage Class Changed': { ignored: 'a change of storage class changes no bytes' },
  'Object Access Tier Changed': { ignored: 'a change of storage class changes no bytes' },
};

/** Reads one EventBridge event whose `source` is aws.s3. */
export function readEventBridgeEvent(event: unknown): Reading {
  const detailType = textField(event, 'detail-type');
  if (detailType === null) return { kind: 'malformed', reason: 'the event has no detail-type' };
  const meaning = Object.hasOwn(KINDS, detailType) ? KINDS[detailType] : undefined;
  if (meaning === undefined)
    return { kind: 'ignored', reason: `${quoted(detailType)}: this kind of event is not known` };
  if (typeof meaning !== 'string')
    return { kind: 'ignored', reason: `${quoted(detailType)}: ${meaning.ignored}` };

  const detail = field(event, 'detail');
  const object = field(detail, 'object');
  if (!isJsonObject(object)) return { kind: 'malformed', reason: 'the event has no detail.object' };
  const bucket = field(field(detail, 'bucket'), 'name');
  const bucketIssue = bucketProblem(bucket);
  if (typeof bucket !== 'string' || bucketIssue !== null)
    return { kind: 'malformed', reason: bucketIssue ?? 'the bucket name is not text' };
  const key = field(object, 'key');
  if (typeof key !== 'string') return { kind: 'malformed', reason: `the key is ${quoted(key)}, not text` };
  const keyIssue = keyProblem(key);
  if (keyIssue !== null) return { kind: 'malformed', reason: keyIssue };
  return {
    kind: 'change',
    change: {
      bucket,
      key,
      kind: meaning,
      transport: 'eventbridge',
      occurredAtMs: timeHintMs(field(event, 'time')),
      sizeBytes: sizeHint(field(object, 'size')),
      versionId: textHint(field(object, 'version-id')),
      sequencer: textHint(field(object, 'sequencer')),
    },
  };
}
