// What S3 writes when something changed: the record of a notification, the event for EventBridge, and the test event
// of a new configuration. One change has one sequencer, whoever hears of it.
import { randomBytes, randomUUID } from 'node:crypto';
import type { Bucket } from './buckets.ts';
import { encodeKeyAsForm } from './uri.ts';

export interface ObjectChange {
  readonly eventName:
    | `ObjectCreated:${'Put' | 'Copy' | 'CompleteMultipartUpload'}`
    | `ObjectRemoved:${'Delete' | 'DeleteMarkerCreated'}`;
  readonly key: string;
  /** Null where the event carries none. */
  readonly sizeBytes: number | null;
  readonly etag: string | null;
  readonly versionId: string | null;
}

/** A change as it is announced: with the moment, the place in the order, and the request that made it. */
export interface Announcement {
  readonly bucket: Bucket;
  readonly change: ObjectChange;
  readonly timeMs: number;
  readonly sequencer: string;
  readonly requestId: string;
}

export interface RecordWriterOptions {
  readonly region: string;
  readonly accountId: string;
  readonly nowMs: () => number;
}

const reasons: Readonly<Record<ObjectChange['eventName'], string>> = {
  'ObjectCreated:Put': 'PutObject',
  'ObjectCreated:Copy': 'CopyObject',
  'ObjectCreated:CompleteMultipartUpload': 'CompleteMultipartUpload',
  'ObjectRemoved:Delete': 'DeleteObject',
  'ObjectRemoved:DeleteMarkerCreated': 'DeleteObject',
};

export class RecordWriter {
  readonly #options: RecordWriterOptions;
  #lastSequencer = 0n;

  constructor(options: RecordWriterOptions) {
    this.#options = options;
  }

  announcement(bucket: Bucket, change: ObjectChange): Announcement {
    const timeMs = this.#options.nowMs();
    return { bucket, change, timeMs, sequencer: this.#nextSequencer(timeMs), requestId: requestId() };
  }

  /** The document of a notification: one record. The key is written as a form writes it. */
  notification(announcement: Announcement, configurationId: string): object {
    const { region, accountId } = this.#options;
    const { bucket, change, timeMs, sequencer } = announcement;
    const record = {
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: region,
      eventTime: new Date(timeMs).toISOString(),
      eventName: change.eventName,
      userIdentity: { principalId: `AWS:${accountId}` },
      requestParameters: { sourceIPAddress: '127.0.0.1' },
      responseElements: {
        'x-amz-request-id': announcement.requestId,
        'x-amz-id-2': randomBytes(32).toString('base64'),
      },
      s3: {
        s3SchemaVersion: '1.0',
        configurationId,
        bucket: {
          name: bucket.name,
          ownerIdentity: { principalId: bucket.ownerAccountId },
          arn: `arn:aws:s3:::${bucket.name}`,
        },
        object: {
          key: encodeKeyAsForm(change.key),
          ...(change.sizeBytes === null ? {} : { size: change.sizeBytes }),
          ...(change.etag === null ? {} : { eTag: change.etag }),
          ...(change.versionId === null ? {} : { versionId: change.versionId }),
          sequencer,
        },
      },
    };
    return { Records: [record] };
  }

  /** The event for an event bus. The key is literal there, the time has no fraction. */
  busEvent(announcement: Announcement): object {
    const { region, accountId } = this.#options;
    const { bucket, change, timeMs, sequencer } = announcement;
    const isCreated = change.eventName.startsWith('ObjectCreated:');
    const deletion =
      change.eventName === 'ObjectRemoved:DeleteMarkerCreated'
        ? 'Delete Marker Created'
        : 'Permanently Deleted';
    return {
      version: '0',
      id: randomUUID(),
      'detail-type': isCreated ? 'Object Created' : 'Object Deleted',
      source: 'aws.s3',
      account: accountId,
      time: new Date(timeMs).toISOString().replace(/\.\d{3}Z$/, 'Z'),
      region,
      resources: [`arn:aws:s3:::${bucket.name}`],
      detail: {
        version: '0',
        bucket: { name: bucket.name },
        object: {
          key: change.key,
          ...(change.sizeBytes === null ? {} : { size: change.sizeBytes }),
          ...(change.etag === null ? {} : { etag: change.etag }),
          ...(change.versionId === null ? {} : { 'version-id': change.versionId }),
          sequencer,
        },
        'request-id': announcement.requestId,
        requester: accountId,
        'source-ip-address': '127.0.0.1',
        reason: reasons[change.eventName],
        ...(isCreated ? {} : { 'deletion-type': deletion }),
      },
    };
  }

  /** What a queue or a topic gets when a configuration that names it is stored. */
  testEvent(bucketName: string): object {
    return {
      Service: 'Amazon S3',
      Event: 's3:TestEvent',
      Time: new Date(this.#options.nowMs()).toISOString(),
      Bucket: bucketName,
      RequestId: requestId(),
      HostId: randomBytes(32).toString('base64'),
    };
  }

  /** 18 hexadecimal digits: 00, the second, a fraction of it. Always greater than the one before. */
  #nextSequencer(nowMs: number): string {
    const byClock = (BigInt(Math.floor(nowMs / 1000)) << 32n) | ((BigInt(nowMs % 1000) << 32n) / 1000n);
    this.#lastSequencer = byClock > this.#lastSequencer ? byClock : this.#lastSequencer + 1n;
    return this.#lastSequencer.toString(16).toUpperCase().padStart(18, '0');
  }
}

/** 16 characters, as the service's own look. */
export function requestId(): string {
  return randomBytes(8).toString('hex').toUpperCase();
}
