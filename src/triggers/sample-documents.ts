// Documents as Amazon's services send them, for the tests of this folder. The identifiers are invented.
import type { Change } from '../core/change.ts';

export const KEY = 'di r/a+b%c&é☃.txt';

export function s3Record(object: object, fields: object = {}): object {
  return {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: 'eu-central-1',
    eventTime: '2026-11-23T15:33:05.015Z',
    eventName: 'ObjectCreated:Put',
    userIdentity: { principalId: 'AWS:AIDAEXAMPLE' },
    requestParameters: { sourceIPAddress: '192.0.2.7' },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId: 'all',
      bucket: { name: 'photos', ownerIdentity: { principalId: 'A1' }, arn: 'arn:aws:s3:::photos' },
      object,
    },
    ...fields,
  };
}

export function keyRecord(key: unknown): object {
  return s3Record({ key, size: 3 });
}

export function eventBridge(detailType: string, object: object, detail: object = {}): object {
  return {
    version: '0',
    id: '17793124-05d4-b198-2fde-7ededc63b103',
    'detail-type': detailType,
    source: 'aws.s3',
    account: '111122223333',
    time: '2026-11-23T15:33:05Z',
    region: 'eu-central-1',
    resources: ['arn:aws:s3:::photos'],
    detail: { version: '0', bucket: { name: 'photos' }, object, ...detail },
  };
}

export const TEST_EVENT = {
  Service: 'Amazon S3',
  Event: 's3:TestEvent',
  Time: '2026-11-23T15:33:05.015Z',
  Bucket: 'photos',
  RequestId: '5582815E1AEA5ADF',
  HostId: '8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR',
};

export const NATIVE = {
  Records: [
    s3Record({
      key: 'di%20r/a%2Bb%25c%26%C3%A9%E2%98%83.txt',
      sequencer: '00683E7DD4E0520BCA',
      versionId: 'AaIJChN2K0t2j6KUuxPVr.9cTPEYYekB',
      eTag: 'f97c5d29941bfb1b2fdab0874906ab82',
      size: 3,
    }),
  ],
};

export const EXPECTED: Change = {
  bucket: 'photos',
  key: KEY,
  kind: 'created',
  transport: 's3',
  occurredAtMs: Date.UTC(2026, 10, 23, 15, 33, 5, 15),
  sizeBytes: 3,
  versionId: 'AaIJChN2K0t2j6KUuxPVr.9cTPEYYekB',
  sequencer: '00683E7DD4E0520BCA',
};

export const BRIDGED = eventBridge('Object Created', {
  key: KEY,
  size: 3,
  etag: 'f97c5d29941bfb1b2fdab0874906ab82',
  'version-id': 'AaIJChN2K0t2j6KUuxPVr.9cTPEYYekB',
  sequencer: '617f08299329d189',
});

export const BRIDGED_CHANGE: Change = {
  ...EXPECTED,
  transport: 'eventbridge',
  occurredAtMs: Date.UTC(2026, 10, 23, 15, 33, 5),
  sequencer: '617f08299329d189',
};

export function snsEnvelope(message: object | string): object {
  return {
    Type: 'Notification',
    MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
    TopicArn: 'arn:aws:sns:eu-central-1:111122223333:uploads',
    Subject: 'Amazon S3 Notification',
    Message: typeof message === 'string' ? message : JSON.stringify(message),
    Timestamp: '2026-11-23T15:33:05.100Z',
    SignatureVersion: '1',
    Signature: 'c2lnbmF0dXJl',
    SigningCertURL: 'https://sns.eu-central-1.amazonaws.com/certificate.pem',
  };
}

export function sqsRecord(body: object | string, messageId = '059f36b4-87a3-44ab-83d2-661975830a7d'): object {
  return {
    messageId,
    receiptHandle: 'AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    attributes: { ApproximateReceiveCount: '1', SentTimestamp: '1545082649183' },
    messageAttributes: {},
    md5OfBody: 'e4e68fb7bd0e697a0ae8f1bb342846b3',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:eu-central-1:111122223333:uploads',
    awsRegion: 'eu-central-1',
  };
}

export function snsRecord(message: object): object {
  const { Type, ...rest } = snsEnvelope(message) as Record<string, unknown>;
  return { EventSource: 'aws:sns', EventVersion: '1.0', EventSubscriptionArn: 'arn', Sns: { Type, ...rest } };
}
