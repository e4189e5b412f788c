// One record of an S3 notification (`eventSource` aws:s3, or another maker's `...:s3`): which event kinds change an
// object, and the key decoded from its form-urlencoded shape, once.
import type { ChangeKind } from '../core/change.ts';
import { field, isJsonObject, quoted, textField } from './json-value.ts';
import {
  bucketProblem,
  decodeNotificationKey,
  type Reading,
  sizeHint,
  textHint,
  timeHintMs,
} from './reading.ts';

/** Event kinds by the start of their name, without the prefix `s3:`. */
const KINDS: readonly (readonly [prefix: string, meaning: ChangeKind | { readonly ignored: string }])[] = [
  ['ObjectCreated:', 'created'],
  ['ObjectRemoved:', 'removed'],
  ['LifecycleExpiration:', 'removed'],
  ['ObjectRestore:Completed', 'restored'],
  ['ObjectRestore:Post', { ignored: 'the restore has only begun' }],
  ['ObjectRestore:Delete', { ignored: 'a restored copy expired, the object itself is unchanged' }],
  ['ObjectTagging:', { ignored: 'tags are not replicated' }],
  ['ObjectAcl:', { ignored: 'access lists are not replicated' }],
  ['ObjectAnnotation:', { ignored: 'annotations are not replicated' }],
  ['LifecycleTransition', { ignored: 'a change of storage class changes no bytes' }],
  ['IntelligentTiering', { ignored: 'a change of storage class changes no bytes' }],
  ['Replication:', { ignored: "it reports the source's own replication" }],
  ['ReducedRedundancyLostObject', { ignored: 'the source lost the object, there is nothing to copy' }],
  ['ObjectAccessed:', { ignored: 'reading changes no object' }],
];

/** Reads one native S3 record. `record` is any value whose `eventSource` says that it is one. */
export function readS3Record(record: unknown): Reading {
  const versionIssue = eventVersionProblem(field(record, 'eventVersion'));
  if (versionIssue !== null) return { kind: 'malformed', reason: versionIssue };
  const eventName = textField(record, 'eventName');
  if (eventName === null) return { kind: 'malformed', reason: 'the record has no eventName' };
  const meaning = meaningOf(eventName);
  if (typeof meaning !== 'string')
    return { kind: 'ignored', reason: `${quoted(eventName)}: ${meaning.ignored}` };

  const s3 = field(record, 's3');
  const object = field(s3, 'object');
  if (!isJsonObject(object)) return { kind: 'malformed', reason: 'the record has no s3.object' };
  const bucket = field(field(s3, 'bucket'), 'name');
  const bucketIssue = bucketProblem(bucket);
  if (typeof bucket !== 'string' || bucketIssue !== null)
    return { kind: 'malformed', reason: bucketIssue ?? 'the bucket name is not text' };
  const decoded = decodeNotificationKey(field(object, 'key'));
  if ('problem' in decoded) return { kind: 'malformed', reason: decoded.problem };
  return {
    kind: 'change',
    change: {
      bucket,
      key: decoded.key,
      kind: meaning,
      transport: 's3',
      occurredAtMs: timeHintMs(field(record, 'eventTime')),
      sizeBytes: sizeHint(field(object, 'size')),
      versionId: textHint(field(object, 'versionId')),
      sequencer: textHint(field(object, 'sequencer')),
    },
  };
}

/** A missing version is accepted: some makers leave it out. Another major may mean another encoding of the key. */
function eventVersionProblem(version: unknown): string | null {
  if (version === undefined) return null;
  if (typeof version === 'string' && (version === '2' || version.startsWith('2.'))) return null;
  return `eventVersion ${quoted(version)} is not one that is understood (2.x)`;
}

function meaningOf(eventName: string): ChangeKind | { readonly ignored: string } {
  // S3 itself writes the name without the prefix; other makers keep it.
  const name = eventName.startsWith('s3:') ? eventName.slice(3) : eventName;
  const entry = KINDS.find(([prefix]) => name.startsWith(prefix));
  return entry === undefined ? { ignored: 'this kind of event is not known' } : entry[1];
}
