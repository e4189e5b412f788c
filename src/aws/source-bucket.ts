// The S3 driver of the SourceBucketAccess port: what a bucket says of its versions, and one small object in and out.
import type { SourceBucketAccess } from '../core/bucket-access.ts';
import type { S3Calls } from './s3-calls.ts';

/** Buckets of S3 as the doctor looks at them, over an open client. */
export function openSourceBucketAccess(calls: S3Calls): SourceBucketAccess {
  const { GetBucketVersioningCommand, PutObjectCommand, DeleteObjectCommand } = calls.sdk;
  return {
    async versioning(bucket, signal) {
      const subject = { permission: 's3:GetBucketVersioning', bucket, key: null } as const;
      const command = new GetBucketVersioningCommand(calls.addressOf(bucket));
      const { Status } = await calls.ask(
        subject,
        async (client, options) => client.send(command, options),
        signal,
      );
      return Status === undefined ? 'off' : Status === 'Enabled' ? 'enabled' : 'suspended';
    },
    async put({ bucket, key }, body, signal) {
      const subject = { permission: 's3:PutObject', bucket, key } as const;
      const command = new PutObjectCommand({ ...calls.addressOf(bucket), Key: key, Body: body });
      const { VersionId } = await calls.ask(
        subject,
        async (client, options) => client.send(command, options),
        signal,
      );
      return VersionId ?? null;
    },
    async remove({ bucket, key }, versionId, signal) {
      const permission = versionId === null ? 's3:DeleteObject' : 's3:DeleteObjectVersion';
      const command = new DeleteObjectCommand({
        ...calls.addressOf(bucket),
        Key: key,
        ...(versionId === null ? {} : { VersionId: versionId }),
      });
      await calls.ask(
        { permission, bucket, key },
        async (client, options) => client.send(command, options),
        signal,
      );
    },
  };
}
