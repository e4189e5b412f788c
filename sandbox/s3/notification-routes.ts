// Reading and replacing the notification configuration of a bucket, as a whole: an empty document removes it.
import type { SandboxAnswer } from '../http-answer.ts';
import { S3Error } from './errors.ts';
import {
  type NotificationConfiguration,
  readConfiguration,
  writeConfiguration,
} from './notification-configuration.ts';
import { receiveDocument } from './request-body.ts';
import { requireBucket, type S3Request } from './s3-request.ts';
import type { S3State } from './s3-state.ts';
import { parseDocument } from './xml-reader.ts';
import { document } from './xml.ts';

export async function getBucketNotification(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const { notification } = requireBucket(state, request);
  const body = document(writeConfiguration(notification));
  return { status: 200, headers: { 'content-type': 'application/xml' }, body };
}

export async function putBucketNotification(state: S3State, request: S3Request): Promise<SandboxAnswer> {
  const bucket = requireBucket(state, request);
  const parsed = parseDocument(await receiveDocument(request), 'NotificationConfiguration');
  const configuration = readConfiguration(parsed);
  const isChecked = request.headers['x-amz-skip-destination-validation'] !== 'true';
  if (isChecked) checkDestinations(state, bucket.name, configuration);
  bucket.notification = configuration;
  if (isChecked) state.notifications.test(bucket.name, configuration);
  return { status: 200 };
}

function checkDestinations(state: S3State, bucketName: string, { rules }: NotificationConfiguration): void {
  const { destinations } = state.notifications;
  const foreign = rules.find(({ arn }) => arn.split(':')[3] !== state.region);
  if (foreign !== undefined)
    throw new S3Error('InvalidArgument', {
      message: 'The notification destination service region is not valid for the bucket location constraint',
      elements: { ArgumentName: foreign.kind, ArgumentValue: foreign.arn },
    });
  const defects = rules.flatMap(({ kind, arn }) => {
    const defect = destinations.defect(kind, arn, bucketName);
    return defect === null ? [] : [[kind === 'CloudFunction' ? `${arn}, null` : arn, defect] as const];
  });
  if (defects.length === 0) return;
  const elements = defects.flatMap(([arn, defect], index) => [
    [`ArgumentName${index + 1}`, arn],
    [`ArgumentValue${index + 1}`, defect],
  ]);
  throw new S3Error('InvalidArgument', {
    message: 'Unable to validate the following destination configurations',
    elements: Object.fromEntries(elements),
  });
}
