// The bodies of queue messages: read like any document that carries S3 changes, and written as an ordinary S3
// notification of one object. What our own messages carry beside it stands in a field of its own at the top, which
// nobody else reads: a service, a function or another tool that gets such a message takes it for a notification.
import type { Change, ChangeKind } from '../core/change.ts';
import { type Carried, type MessageDocuments, NOTHING_CARRIED } from '../replication/stateless/carried.ts';
import { field, parseJson, textField } from './json-value.ts';
import { parseChangeDocument } from './s3-notification.ts';

const FIELD = 'replicator';
/** What somebody else writes there is not believed beyond this. */
const MOST_COUNTED = 1_000;

const EVENT_NAMES: Record<ChangeKind, string> = {
  created: 'ObjectCreated:Put',
  metadata: 'ObjectCreated:Put',
  requested: 'ObjectCreated:Put',
  removed: 'ObjectRemoved:Delete',
  restored: 'ObjectRestore:Completed',
};

export const MESSAGE_DOCUMENTS: MessageDocuments = {
  read: (body) => {
    const document = parseJson(body);
    if ('problem' in document) {
      const record = { reason: `the message ${document.problem}`, raw: body };
      return {
        parsed: { changes: [], ignored: [], malformed: [record] },
        carried: NOTHING_CARRIED,
        ruleName: null,
      };
    }
    const parsed = parseChangeDocument(document.value);
    const malformed = parsed.malformed.map(({ reason, raw }) => ({ reason, raw: sendable(raw) }));
    const own = field(document.value, FIELD);
    return {
      parsed: { ...parsed, malformed },
      carried: readCarried(own),
      ruleName: textField(own, 'ruleName'),
    };
  },
  write: (change, carried, reason, ruleName) =>
    sendable(
      JSON.stringify({
        ...notificationOf(change),
        [FIELD]: { reason, ...carried, ...(ruleName === null ? {} : { ruleName }) },
      }),
    ),
};

/** JSON text as SQS takes it: it refuses two characters that JSON allows inside of its texts. */
function sendable(json: string): string {
  return json.replaceAll('\uFFFE', String.raw`\ufffe`).replaceAll('\uFFFF', String.raw`\uffff`);
}

function readCarried(own: unknown): Carried {
  return {
    attemptCount: countIn(field(own, 'attemptCount')),
    waitCount: countIn(field(own, 'waitCount')),
  };
}

function countIn(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    ? Math.min(value, MOST_COUNTED)
    : 0;
}

function notificationOf(change: Change): object {
  const { bucket, key, kind, occurredAtMs, sizeBytes, versionId, sequencer } = change;
  return {
    Records: [
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        ...(occurredAtMs === null ? {} : { eventTime: new Date(occurredAtMs).toISOString() }),
        eventName: EVENT_NAMES[kind],
        s3: {
          s3SchemaVersion: '1.0',
          configurationId: 'replicator-look-again',
          bucket: { name: bucket, arn: `arn:aws:s3:::${bucket}` },
          object: {
            // As S3 encodes it: every reader decodes it once.
            key: encodeURIComponent(key).replaceAll('%20', '+'),
            ...(sizeBytes === null ? {} : { size: sizeBytes }),
            ...(versionId === null ? {} : { versionId }),
            ...(sequencer === null ? {} : { sequencer }),
          },
        },
      },
    ],
  };
}
